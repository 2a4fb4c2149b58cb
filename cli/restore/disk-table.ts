/** What a restored disk gets, as a table. */
import { humanBytes } from '../../host/quantities.js';
import type { PlannedPartition } from '../../host/restore/disk-plan.js';
import { printable } from '../terminal/printable.js';

const contentOf = ({ content, holds }: PlannedPartition): string =>
  content === 'empty' ? `empty; it held: ${printable(holds)}` : printable(holds);

/** One line for each partition, in their order on the disk. */
export const diskTable = (partitions: readonly PlannedPartition[]): string => {
  const rows = [
    ['partition', 'size', 'content'],
    ...partitions.map((one) => [`${one.number}`, humanBytes(BigInt(one.bytes)), contentOf(one)]),
  ];
  const width = (column: number): number => Math.max(...rows.map((row) => (row[column] ?? '').length));
  const [first, second] = [width(0), width(1)];
  return rows
    .map(([number = '', size = '', content = '']) => `${number.padEnd(first)}  ${size.padStart(second)}  ${content}\n`)
    .join('');
};
