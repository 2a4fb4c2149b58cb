/** Bars: lengths of runs, and the growth from point to point. */
import * as Plot from '@observablehq/plot';
import type { PageData } from '../cli/inspect/report/page-data.js';
import { grouped, sizeText } from './sizes.js';
import { barColour } from './theme.js';
import { showTips } from './tip.js';

const WIDTH = 500;

interface Bar {
  readonly label: string;
  readonly value: number;
  readonly tip: string;
}

interface Axes {
  readonly x: string;
  readonly y: string;
  readonly format: (value: number) => string;
  /** Even values of the axis. */
  readonly ticks?: readonly number[];
}

/** Even sizes from 0 to beyond the largest. */
const sizeTicks = (most: number): number[] => {
  const step = 2 ** Math.max(0, Math.ceil(Math.log2(most / 4)));
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, at) => at * step);
};

const drawBars = (bars: readonly Bar[], { x, y, format, ticks }: Axes): SVGSVGElement => {
  const turn = bars.length > 8;
  const top = ticks?.at(-1) ?? Math.max(...bars.map(({ value }) => value));
  const plot = Plot.plot({
    ...{ width: WIDTH, height: turn ? 290 : 250, marginLeft: 66, marginBottom: turn ? 82 : 44, marginTop: 26 },
    x: {
      domain: bars.map(({ label }) => label),
      label: x,
      labelAnchor: 'center',
      labelArrow: 'none',
      tickRotate: turn ? -40 : 0,
    },
    y: {
      label: y,
      labelArrow: 'none',
      grid: true,
      tickFormat: format,
      ...(ticks ? { ticks: [...ticks], domain: [0, ticks.at(-1)!] } : { ticks: 5 }),
    },
    marks: [
      Plot.barY(bars, { x: 'label', y: 'value', fill: barColour(), className: 'bars', rx1: 0 }),
      Plot.ruleY([0]),
      // The whole column shows the text: a bar may be too low to be pointed at.
      Plot.barY(bars, { x: 'label', y1: 0, y2: top, fill: 'transparent', className: 'columns' }),
    ],
  }) as SVGSVGElement;
  showTips(plot.querySelectorAll<SVGElement>('g.columns rect'), (row) => bars[row]!.tip);
  return plot;
};

/** One panel by data, one by numbers of runs. */
export const drawRuns = ({ histogram, blockBytes }: PageData): Element[] => {
  const bars = (value: 'blocks' | 'runs'): Bar[] =>
    histogram.map(({ from, to, ...counts }) => ({
      label: sizeText(from * blockBytes),
      value: value === 'blocks' ? counts.blocks * blockBytes : counts.runs,
      tip: [
        `runs of ${from === to ? grouped(from) : `${grouped(from)} to ${grouped(to)}`} blocks`,
        `${grouped(counts.runs)} runs`,
        `${grouped(counts.blocks)} blocks, ${sizeText(counts.blocks * blockBytes)}`,
      ].join('\n'),
    }));
  const most = Math.max(...histogram.map(({ blocks }) => blocks * blockBytes));
  const x = 'length of a run, from';
  return [
    drawBars(bars('blocks'), { x, y: 'data in such runs', format: sizeText, ticks: sizeTicks(most) }),
    drawBars(bars('runs'), { x, y: 'number of runs', format: grouped }),
  ];
};

export const drawGrowth = ({ points, blockBytes }: PageData): Element => {
  const bars = points.map(({ label, blocks }) => ({
    ...{ label, value: blocks * blockBytes },
    tip: `snapshots ${label}\n${grouped(blocks)} blocks, ${sizeText(blocks * blockBytes)}`,
  }));
  const most = Math.max(...bars.map(({ value }) => value));
  return drawBars(bars, { x: 'snapshots', y: 'changed data', format: sizeText, ticks: sizeTicks(most) });
};
