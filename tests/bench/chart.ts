/** Draws the figures of a part as bars, for docs/PERFORMANCE.md: npm run bench -- chart. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectDir } from '../vm/kernels.js';
import { delayPart } from './delay.js';
import { freezePart } from './freeze.js';
import { latencyPart } from './latency.js';
import { type Run, runPath } from './measure.js';
import { aimsOf, baselineOf, type ChartField, type Part, Results } from './part.js';
import { trackingPart } from './tracking.js';

interface Bar {
  readonly label: string;
  readonly value: number;
  /** what it should be at least, or at most, in the same unit */
  readonly aim?: number;
  readonly colour: string;
}

interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const MARGIN = 16;
const LABELS = 210;
const NUMBERS = 70;
const LINE = 20;
const BAR = 14;
const COLOURS = { baseline: '#8a8f98', ours: '#2f6fb0', other: '#d08a2e', aim: '#b3261e' };

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${x}" y="${y}"${more}>${escaped(words)}</text>`;
const shown = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));

function barsOf(part: Part, results: Results, kind: string, { field, as }: ChartField): Bar[] {
  const baseline = baselineOf(part);
  return Object.entries(part.states).flatMap(([state, label]) => {
    const value = as === 'ratio' ? results.ratio(state, kind, field, baseline) : results.median(state, kind, field);
    if (value === undefined) return [];
    const wanted = aimsOf(part, state, kind).find((aim) => aim.field === field && aim.to === baseline);
    const unit = as === 'ratio' ? 1 : results.median(baseline, kind, field);
    const limit = wanted?.atLeast ?? wanted?.atMost;
    const colour = state === baseline ? COLOURS.baseline : state.startsWith('dm-') ? COLOURS.other : COLOURS.ours;
    return [{ label, value, colour, ...(limit === undefined || unit === undefined ? {} : { aim: limit * unit }) }];
  });
}

/** The groups of bars of a run: one for each kind and each field of the chart that was measured. */
export function groupsOf(part: Part, results: Results): Group[] {
  return Object.entries(part.kinds).flatMap(([kind, title]) =>
    part.chart
      .map((field) => ({ title: `${title}: ${field.title}`, bars: barsOf(part, results, kind, field) }))
      .filter(({ bars }) => bars.length > 0),
  );
}

/** The lines of a group, from y on; its longest bar or aim takes all of the width. */
function linesOf({ title, bars }: Group, y: number): string[] {
  const most = Math.max(...bars.flatMap(({ value, aim = 0 }) => [value, aim]));
  const scale = (WIDTH - 2 * MARGIN - LABELS - NUMBERS) / (most > 0 ? most : 1);
  const left = MARGIN + LABELS;
  const at = (value: number): string => (value * scale).toFixed(1);
  return [
    text(MARGIN, y + BAR, title, ' font-weight="bold"'),
    ...bars.flatMap(({ label, value, aim, colour }, index) => {
      const top = y + LINE * (index + 1);
      const end = Math.max(value, aim ?? 0) * scale;
      return [
        text(MARGIN, top + BAR - 2, label),
        `<rect x="${left}" y="${top}" width="${at(value)}" height="${BAR}" fill="${colour}"/>`,
        ...(aim === undefined
          ? []
          : [
              `<rect x="${(left + aim * scale - 1).toFixed(1)}" y="${top - 2}" width="2" height="${BAR + 4}" fill="${COLOURS.aim}"/>`,
            ]),
        text(Math.round(left + end + 6), top + BAR - 2, shown(value)),
      ];
    }),
  ];
}

/** Draws groups of bars as SVG. */
export function chartOf(title: string, about: string, groups: readonly Group[]): string {
  const lines: string[] = [];
  let y = 3 * LINE;
  for (const group of groups) {
    lines.push(...linesOf(group, y));
    y += LINE * (group.bars.length + 2);
  }
  return `${[
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    '<g font-family="sans-serif" font-size="12" fill="#222222">',
    text(MARGIN, LINE, title, ' font-size="15"'),
    text(MARGIN, 2 * LINE, about, ' fill="#555555"'),
    ...lines,
    '</g>',
    '</svg>',
  ].join('\n')}\n`;
}

/** Draws the charts of all parts that were measured. */
export const chart = async (): Promise<boolean> => {
  const folder = join(projectDir, 'docs/performance');
  mkdirSync(folder, { recursive: true });
  for (const part of [delayPart, latencyPart, freezePart, trackingPart]) {
    if (!existsSync(runPath(part.name))) continue;
    const run = JSON.parse(readFileSync(runPath(part.name), 'utf8')) as Run;
    const about = `Linux ${run.kernel}, ${run.machine}; medians of rounds: ${run.rounds}; red marks are aims`;
    const path = join(folder, `${part.name}.svg`);
    writeFileSync(path, chartOf(part.title, about, groupsOf(part, new Results(run.figures))));
    console.log(path);
  }
  return true;
};
