/** The texts of datto-inspect. */

import type { Estimate } from '../../host/copy/update-estimate.js';
import type { RunStatistics } from '../../host/cow/run-statistics.js';
import type { CheckReport } from '../../host/inspect/check/check.js';
import { RULES } from '../../host/inspect/check/findings.js';
import type { DiffCounts } from '../../host/inspect/diff.js';
import { assumption } from '../../host/inspect/geometry.js';
import type { CowInfo } from '../../host/inspect/info.js';
import type { InspectedCow } from '../../host/inspect/inspected-cow.js';
import { BLOCK_BYTES } from '../../host/layout.js';
import { humanBytes, percentText } from '../../host/quantities.js';
import { oneLine } from '../terminal/printable.js';

const BAR = 40;

/** Rows as aligned columns; the last column is not padded. */
export const table = (rows: ReadonlyArray<readonly string[]>, right: readonly number[] = []): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, column: number): string =>
    right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  return rows.map((row) => `${row.map(pad).join('  ').trimEnd()}\n`).join('');
};

const size = (bytes: number): string => humanBytes(BigInt(Math.round(bytes)));

export const infoText = (cow: InspectedCow, info: CowInfo): string => {
  const { geometry } = cow.answer;
  const { usable, why } = info.updateImg;
  const index = geometry
    ? `${geometry.nrSections} sections, ${cow.nrBlocks()} blocks, ${size(cow.nrBlocks() * BLOCK_BYTES)}, ` +
      `data area from offset ${geometry.dataOffset} on`
    : 'of unknown size: give --blocks, --origin-size or --image';
  const rows = info.fields.map(({ name, offset, value, meaning }) => [
    `0x${offset.toString(16).padStart(2, '0')}`,
    name,
    value,
    meaning,
  ]);
  const lines = [
    ['file', `${oneLine(info.path)}, ${info.fileBytes} bytes`],
    ['state', info.state],
    ['update-img', `${usable ? 'may use it' : 'may not use it'}: ${why}`],
    ['index', index],
    ['', oneLine(info.basis)],
  ];
  if (info.assumed !== undefined) lines.push(['', info.assumed]);
  return `${table(lines)}\n${table([['offset', 'field', 'value', 'meaning'], ...rows])}`;
};

export const checkText = (path: string, report: CheckReport): string => {
  const { violations, total, counts, notes, nrEntries } = report;
  const lines = violations.map(
    ({ rule, offset, found, expected }) => `offset ${offset}: ${rule}: found ${found}, expected ${oneLine(expected)}\n`,
  );
  if (total > violations.length) lines.push(`and ${total - violations.length} more\n`);
  for (const [rule, text] of Object.entries(RULES)) {
    const number = counts[rule as keyof typeof RULES];
    if (number !== undefined)
      lines.push(`rule ${rule}, ${text}: broken ${number} times\n`.replace(' 1 times', ' once'));
  }
  for (const note of notes) lines.push(`note: ${note}\n`);
  const entries = nrEntries === undefined ? 'index not checked' : `${nrEntries} entries checked`;
  lines.push(`${oneLine(path)}: ${total} violations, ${entries}\n`.replace(' 1 violations', ' 1 violation'));
  return lines.join('');
};

export const diffText = (a: InspectedCow, b: InspectedCow, how: string, counts: DiffCounts): string => {
  const row = (name: string, { blocks, runs }: DiffCounts['a']): string[] => [
    name,
    `${blocks}`,
    `${runs}`,
    size(blocks * BLOCK_BYTES),
  ];
  const rows = [
    ['in', 'blocks', 'runs', 'size'],
    row(`only ${oneLine(a.path)}`, counts.a),
    row(`only ${oneLine(b.path)}`, counts.b),
    row('both', counts.both),
  ];
  return `${table(rows, [1, 2])}${how}\n`;
};

const seconds = (value: number): string =>
  value < 10 ? `${value.toFixed(2)} s` : value < 600 ? `${value.toFixed(0)} s` : `${(value / 60).toFixed(0)} min`;

const histogramRows = ({ histogram }: RunStatistics): string[][] => {
  const most = Math.max(...histogram.map(({ blocks }) => blocks));
  return histogram.map(({ from, to, runs, blocks }) => [
    from === to ? `${from}` : `${from}-${to}`,
    `${runs}`,
    `${blocks}`,
    '█'.repeat(blocks === 0 ? 0 : Math.max(1, Math.round((blocks / most) * BAR))),
  ]);
};

export const statText = (cow: InspectedCow, statistics: RunStatistics, percent: number, estimate: Estimate): string => {
  const { blocks, bytes, runs, longest } = statistics;
  const mean = runs === 0 ? 0 : blocks / runs;
  const lines = [
    ['changed', `${blocks} blocks of ${cow.nrBlocks()}, ${percentText(percent)}, ${size(bytes)}`],
    ['runs', `${runs}, mean ${mean.toFixed(1)} blocks, longest ${longest}`],
    ['update', `about ${seconds(estimate.seconds)}`],
    ['', `at ${estimate.basis}`],
  ];
  const assumed = assumption(cow.answer);
  if (assumed !== undefined) lines.push(['assumed', assumed]);
  const rows = histogramRows(statistics);
  if (rows.length === 0) return table(lines);
  return `${table(lines)}\n${table([['run length', 'runs', 'blocks', ''], ...rows], [0, 1, 2])}`;
};
