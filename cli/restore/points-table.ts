/** Restore points as a table and as JSON. */
import { humanBytes } from '../../host/quantities.js';
import type { RestorePoint } from '../../host/restore/point.js';
import { oneLine } from '../terminal/printable.js';

const HEADINGS = ['point', 'time', 'kind', 'size', 'stored', 'note'];

/** A moment to the second, in UTC. */
const timeText = (time: Date | undefined): string => time?.toISOString().replace(/\.\d+Z$/, 'Z') ?? '-';

const cells = ({ name, time, kind, bytes, storedBytes, fault }: RestorePoint): string[] => [
  ...[
    name,
    timeText(time),
    kind,
    humanBytes(BigInt(bytes)),
    storedBytes === undefined ? '-' : humanBytes(BigInt(storedBytes)),
  ],
  fault === undefined ? '' : oneLine(fault),
];

export const pointsTable = (points: readonly RestorePoint[]): string => {
  const rows = [HEADINGS, ...points.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
};

export const pointsJson = (points: readonly RestorePoint[]): unknown[] =>
  points.map(({ name, time, kind, bytes, storedBytes, fault }) => ({
    ...{ name, time: time?.toISOString(), kind, bytes },
    ...{ stored_bytes: storedBytes, note: fault },
  }));
