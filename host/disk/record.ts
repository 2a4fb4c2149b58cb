/**
 * What a disk needs to be rebuilt around a volume: its partition table, its boot code, the partitions that a machine starts
 * from, the ids of its swap. It is kept on the volume itself, so that each restore point has the one of its time.
 */
import { join } from 'node:path';
import { RefusalError } from '../errors.js';
import { readOwn, replaceFile } from '../system/safe-files.js';
import { fromSummedJson, isCount, isRecord, toSummedJson } from '../system/summed-json.js';
import type { BootEntry } from './boot-entry.js';
import { bootEntryFrom } from './boot-entry.js';
import type { KeptPart } from './kept-part.js';
import { keptPartFrom } from './kept-part.js';
import type { PartitionTable } from './table.js';
import { tableFrom } from './table.js';

/** A partition beside the volume's. */
export interface OtherPartition {
  readonly number: number;
  /** What it holds, in words. */
  readonly holds: string;
  /** Content that is kept, from its start; without it, only what it holds is known. */
  readonly kept?: KeptPart;
  /** What writesOf() returned when that was read. */
  readonly writes?: string;
}

export interface DiskRecord {
  readonly table: PartitionTable;
  /** Number of the volume's partition. */
  readonly volume: number;
  /** What is before the first partition, where that is not the table. */
  readonly head: KeptPart;
  readonly others: readonly OtherPartition[];
  readonly bootEntry?: BootEntry;
}

const FORMAT = 'datto-backup-disk';
const VERSION = 1;

/** Name of the file. */
export const RECORD_NAME = 'disk.json';

const otherFrom = (value: unknown): OtherPartition => {
  if (!isRecord(value)) throw new SyntaxError('no partition');
  const { number, holds, kept, writes } = value;
  if (!isCount(number) || typeof holds !== 'string') throw new SyntaxError('no content of a partition');
  if (writes !== undefined && typeof writes !== 'string') throw new SyntaxError('no writes of a partition');
  return {
    ...{ number, holds },
    ...(kept === undefined ? {} : { kept: keptPartFrom(kept) }),
    ...(writes === undefined ? {} : { writes }),
  };
};

/** Each is of a partition of the table, and fits into it. */
const requireFit = ({ table, volume, head, others }: DiskRecord): void => {
  const numbers = [volume, ...others.map(({ number }) => number)];
  const sectorsOf = (number: number): number => {
    const found = table.partitions.find((partition) => partition.number === number);
    if (!found) throw new SyntaxError(`no partition ${number}`);
    return found.sectors;
  };
  for (const number of numbers) sectorsOf(number);
  if (new Set(numbers).size < numbers.length) throw new SyntaxError('a partition is named twice');
  for (const { number, kept } of others)
    if (kept && kept.bytes > sectorsOf(number) * table.sectorBytes) throw new SyntaxError('a kept part is too long');
  const start = Math.min(...table.partitions.map((partition) => partition.start));
  if (head.bytes > start * table.sectorBytes) throw new SyntaxError('what is before the first partition is too long');
};

const fromText = (text: string): DiskRecord => {
  const { table, volume, head, others, bootEntry } = fromSummedJson(FORMAT, VERSION, text);
  if (!isCount(volume) || !Array.isArray(others)) throw new SyntaxError('no partitions');
  const record: DiskRecord = {
    ...{ table: tableFrom(table), volume, head: keptPartFrom(head), others: others.map(otherFrom) },
    ...(bootEntry === undefined ? {} : { bootEntry: bootEntryFrom(bootEntry) }),
  };
  requireFit(record);
  return record;
};

export const textOfRecord = (record: DiskRecord): string => toSummedJson(FORMAT, VERSION, { ...record });

/**
 * The record in a folder; undefined if there is none.
 *
 * @param shown the folder, in errors
 * @throws RefusalError NO_DISK_RECORD, FILE_UNSAFE; SystemError
 */
export const readRecord = (folder: string, shown = folder): DiskRecord | undefined => {
  const text = readOwn(join(folder, RECORD_NAME));
  if (text === undefined) return undefined;
  try {
    return fromText(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new RefusalError(
      'NO_DISK_RECORD',
      `cannot use ${join(shown, RECORD_NAME)}: it is damaged (${error.message})`,
    );
  }
};

export const writeRecord = (folder: string, record: DiskRecord): void =>
  replaceFile(join(folder, RECORD_NAME), textOfRecord(record));
