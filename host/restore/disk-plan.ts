/** What a disk gets that is rebuilt around a volume: what was recorded with the point. */
import { join } from 'node:path';
import { COW_FOLDER } from '../backup/cow-files.js';
import type { KeptPart } from '../disk/kept-part.js';
import { LoadedPart } from '../disk/kept-part.js';
import type { DiskRecord } from '../disk/record.js';
import { readRecord } from '../disk/record.js';
import type { TablePartition } from '../disk/table.js';
import { isExtended } from '../disk/table.js';
import { RefusalError } from '../errors.js';
import type { Syscalls } from '../system/syscalls.js';
import { withPrivateMount } from './mount.js';
import type { OpenPoint, RestorePoint, Source } from './point.js';

export interface PlannedPartition {
  readonly number: number;
  readonly bytes: number;
  /** `point`: the volume. `kept`: as it was when the point was made. `empty`: its content is in no record. */
  readonly content: 'point' | 'kept' | 'empty';
  /** What it held, in words. */
  readonly holds: string;
}

/** A record with all that it refers to. */
export interface LoadedRecord {
  readonly record: DiskRecord;
  readonly head: LoadedPart;
  /** By the number of their partition. */
  readonly parts: ReadonlyMap<number, LoadedPart>;
}

/** The volume's partition. */
const volumePartition = ({ table, volume }: DiskRecord): TablePartition => {
  const found = table.partitions.find(({ number }) => number === volume);
  if (!found) throw new RangeError(`no partition ${volume}`);
  return found;
};

const requireSize = (record: DiskRecord, { label, point }: OpenPoint): void => {
  const { number, sectors } = volumePartition(record);
  const bytes = sectors * record.table.sectorBytes;
  if (bytes >= point.bytes) return;
  const found = `partition ${number} has ${bytes} bytes there, expected ${point.bytes} as the volume has`;
  throw new RefusalError('NO_DISK_RECORD', `cannot use the record of the disk in ${label}: ${found}`);
};

/**
 * Loads the record that is in a point.
 *
 * @throws RefusalError NO_DISK_RECORD, and what opens and mounts a point; SystemError
 */
export const loadRecord = (source: Source, point: RestorePoint, syscalls: Syscalls): LoadedRecord => {
  const opened = source.open(point);
  try {
    const loaded: LoadedRecord[] = [];
    withPrivateMount(opened, syscalls, (root) => {
      const folder = join(root, COW_FOLDER);
      const shown = `/${COW_FOLDER} of ${opened.label}`;
      const record = readRecord(folder, shown);
      if (!record) {
        const why = 'it has no record of the disk; datto-backup keeps one of a volume that is a partition';
        const hint = 'hint: make partitions by hand, then datto-restore copy';
        throw new RefusalError('NO_DISK_RECORD', `cannot rebuild a disk from ${opened.label}: ${why}; ${hint}`);
      }
      requireSize(record, opened);
      const load = (part: KeptPart): LoadedPart =>
        new LoadedPart(part, join(folder, part.file), join(shown, part.file));
      const kept = record.others.flatMap(({ number, kept: part }) => (part ? [[number, load(part)] as const] : []));
      const head = load(record.head);
      loaded.push({ record, head, parts: new Map(kept) });
    });
    const [one] = loaded;
    if (!one) throw new RangeError('a mount that was not used');
    return one;
  } finally {
    opened.close();
  }
};

/** What each partition gets, in their order on the disk. */
export const planOf = ({ record, parts }: LoadedRecord, point: RestorePoint): PlannedPartition[] => {
  const { table, volume, others } = record;
  return [...table.partitions]
    .filter((partition) => !isExtended(table, partition))
    .sort((a, b) => a.start - b.start)
    .map(({ number, sectors }) => {
      const bytes = sectors * table.sectorBytes;
      if (number === volume) return { number, bytes, content: 'point', holds: `restore point ${point.name}` };
      const holds = others.find((other) => other.number === number)?.holds ?? 'unknown content';
      return { number, bytes, content: parts.has(number) ? 'kept' : 'empty', holds };
    });
};
