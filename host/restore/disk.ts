/**
 * Restores a whole disk around a volume: the partition table and what starts the machine as recorded, the volume from a point.
 * The table is written last: until then the disk has none, and nothing on it is taken for a filesystem.
 */
import type { BootEntry } from '../disk/boot-entry.js';
import { addBootEntry, bootEntries, bootEntryCommand, isEfi } from '../disk/boot-entry.js';
import type { LoadedPart } from '../disk/kept-part.js';
import type { PartitionTable } from '../disk/table.js';
import { bytesFor, checkTable, isExtended, isSameTable, readTable, writeTable } from '../disk/table.js';
import { RefusalError } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import { DeviceArea } from './area.js';
import type { CopyPointEvents, CopyPointResult } from './copy-point.js';
import { copyOpened } from './copy-point.js';
import { openDisk, rereadPartitions, sectorBytesOf } from './device.js';
import type { LoadedRecord, PlannedPartition } from './disk-plan.js';
import { loadRecord, planOf } from './disk-plan.js';
import { AreaOutput, markUnfinished, unfinishedCopy } from './output.js';
import type { RestorePoint, Source } from './point.js';

/** Boot code in the first sector; the rest of that is the table's. */
const BOOT_CODE_BYTES = 440;

export interface DiskRequest {
  readonly source: Source;
  readonly point: RestorePoint;
  /** A block device, a whole disk. */
  readonly disk: string;
  /** Overwrite a disk that has partitions. */
  readonly force: boolean;
  /** Change nothing. */
  readonly dryRun: boolean;
}

export interface DiskEvents extends CopyPointEvents {
  readonly onPlan?: (partitions: readonly PlannedPartition[]) => void;
}

export interface DiskResult extends CopyPointResult {
  readonly partitions: readonly PlannedPartition[];
}

/** A disk that is being rebuilt. */
class DiskRestore {
  readonly #loaded: LoadedRecord;
  readonly #request: DiskRequest;
  readonly #device: OpenFile;
  readonly #whole: DeviceArea;
  readonly #syscalls: Syscalls;
  readonly #events: DiskEvents;

  constructor(loaded: LoadedRecord, request: DiskRequest, device: OpenFile, syscalls: Syscalls, events: DiskEvents) {
    [this.#loaded, this.#request, this.#device, this.#syscalls] = [loaded, request, device, syscalls];
    this.#events = events;
    this.#whole = new DeviceArea(device, 0, device.blockDeviceBytes(syscalls), syscalls);
  }

  /** Throws if the disk cannot take the table. Nothing is written. */
  requireUsable(): void {
    const { table } = this.#loaded.record;
    const refuse = (what: string): RefusalError =>
      new RefusalError('IMAGE_SIZE', `cannot rebuild the disk on ${this.#request.disk}: ${what}`);
    const sectorBytes = sectorBytesOf(this.#device, this.#syscalls);
    if (sectorBytes !== table.sectorBytes)
      throw refuse(`it has sectors of ${sectorBytes} bytes, expected ${table.sectorBytes} as the disk had`);
    const bytes = bytesFor(table);
    if (this.#whole.bytes < bytes)
      throw refuse(`it has ${this.#whole.bytes} bytes, expected at least ${bytes} for the partitions`);
    checkTable(this.#device.path, table);
    const unfinished = unfinishedCopy(this.#whole);
    if (unfinished !== undefined)
      this.#events.onNotice?.(`${this.#request.disk} holds an incomplete copy of ${unfinished}`);
  }

  run(): CopyPointResult {
    let isGood = false;
    try {
      const result = this.#write();
      isGood = result.differingBlocks === 0;
      return result;
    } finally {
      if (!isGood) {
        const text = `${this.#request.disk} is incomplete and has no partitions; run the same command again`;
        this.#events.onNotice?.(text);
      }
    }
  }

  #write(): CopyPointResult {
    const { source, point } = this.#request;
    this.#whole.clearEnds();
    markUnfinished(this.#whole, `a disk around restore point ${point.name}, begun ${new Date().toISOString()}`);
    rereadPartitions(this.#device, this.#syscalls);
    this.#events.onStep?.('writing the partitions that were kept');
    this.#writeOthers();
    const result = this.#writeVolume(source, point);
    const differing = result.differingBlocks + this.#compareOthers();
    if (differing > 0) return { ...result, differingBlocks: differing };
    this.#events.onStep?.('writing the partition table');
    this.#writeTable();
    return result;
  }

  #writeOthers(): void {
    const { record, head, parts } = this.#loaded;
    const { table, volume } = record;
    for (const partition of table.partitions) {
      const { number } = partition;
      if (number === volume || isExtended(table, partition)) continue;
      const area = this.#partition(number);
      area.clearEnds();
      for (const [piece, offset] of parts.get(number)?.pieces() ?? []) area.put(piece, offset);
    }
    for (const [data, offset] of this.#gap(head)) this.#whole.put(data, offset);
    this.#whole.sync();
  }

  #writeVolume(source: Source, point: RestorePoint): CopyPointResult {
    const opened = source.open(point);
    try {
      const area = this.#partition(this.#loaded.record.volume);
      return copyOpened(opened, new AreaOutput(area, point.bytes, () => undefined), this.#events);
    } finally {
      opened.close();
    }
  }

  /** Returns the number of blocks that the disk returns differently from what was written. */
  #compareOthers(): number {
    const { record, head, parts } = this.#loaded;
    this.#whole.forget();
    const kept = record.others.flatMap(({ number }) => {
      const part = parts.get(number);
      return part ? [this.#compare(this.#partition(number), part.pieces())] : [];
    });
    return [...kept, this.#compare(this.#whole, this.#gap(head))].reduce((sum, blocks) => sum + blocks, 0);
  }

  #compare(area: DeviceArea, pieces: Iterable<readonly [piece: Buffer, offset: number]>): number {
    let differing = 0;
    for (const [piece, offset] of pieces) {
      const found = Buffer.alloc(piece.length);
      area.read(found, offset);
      if (found.equals(piece)) continue;
      differing += Math.ceil(piece.length / BLOCK_BYTES);
      this.#events.onNotice?.(`${area.path} returns other bytes than were written, from byte ${offset} on`);
    }
    return differing;
  }

  /** Writes the boot code, and then the table, which shares its sector. If that fails, the disk has no table. */
  #writeTable(): void {
    try {
      this.#tryTable();
    } catch (error) {
      this.#whole.clearEnds();
      this.#whole.sync();
      throw error;
    }
    if (rereadPartitions(this.#device, this.#syscalls)) return;
    this.#events.onNotice?.(`the kernel does not see the partitions of ${this.#request.disk} yet; hint: partprobe`);
  }

  #tryTable(): void {
    const { record, head } = this.#loaded;
    const { path } = this.#device;
    const [[first] = []] = head.pieces();
    const code = first?.subarray(0, BOOT_CODE_BYTES) ?? Buffer.alloc(0);
    this.#whole.write(code, 0);
    this.#whole.sync();
    writeTable(path, record.table);
    this.#whole.sync();
    this.#whole.forget();
    const found = Buffer.alloc(code.length);
    this.#whole.read(found, 0);
    if (!found.equals(code) || !isSameTable(readTable(path), record.table)) {
      const message = `cannot rebuild the disk on ${path}: it does not return the partition table that was written`;
      throw new RefusalError('IMAGE_DIFFERS', message);
    }
  }

  /** What is before the first partition, where a boot loader may be; GPT has its table there, and no room. */
  *#gap(head: LoadedPart): Generator<readonly [piece: Buffer, offset: number]> {
    const { label, sectorBytes } = this.#loaded.record.table;
    if (label === 'gpt') return;
    for (const [piece, offset] of head.pieces()) {
      const skip = Math.max(0, sectorBytes - offset);
      if (skip < piece.length) yield [piece.subarray(skip), offset + skip];
    }
  }

  #partition(number: number): DeviceArea {
    const { partitions, sectorBytes } = this.#loaded.record.table;
    const found = partitions.find((partition) => partition.number === number);
    if (!found) throw new RangeError(`no partition ${number}`);
    const path = `partition ${number} of ${this.#request.disk}`;
    const [base, bytes] = [found.start * sectorBytes, found.sectors * sectorBytes];
    return new DeviceArea(this.#device, base, bytes, this.#syscalls, path);
  }
}

/** The number of the partition that a boot entry is for. */
const partitionOf = ({ partitions }: PartitionTable, { partition }: BootEntry): number | undefined =>
  partitions.find(({ uuid }) => uuid?.toLowerCase() === partition)?.number;

/** The firmware finds the loader: by the entry that it has, or by a new one. */
const restoreBootEntry = (entry: BootEntry, disk: string, table: PartitionTable, events: DiskEvents): void => {
  const number = partitionOf(table, entry);
  if (number === undefined) return;
  const command = bootEntryCommand(entry, disk, number);
  if (!isEfi()) {
    const where = 'this system was not started by EFI, so the firmware got no entry for the boot loader';
    events.onNotice?.(`${where}; hint: if the machine does not start from the disk: ${command}`);
    return;
  }
  try {
    if (bootEntries().some(({ partition }) => partition === entry.partition)) return;
    addBootEntry(entry, disk, number);
    events.onNotice?.(`the firmware has a new entry, '${entry.label}', for the boot loader`);
  } catch (error) {
    if (!(error instanceof RefusalError)) throw error;
    events.onNotice?.(`the firmware got no entry for the boot loader: ${error.message}; hint: ${command}`);
  }
};

/**
 * Restores a disk, reads it back and compares. A disk whose restore did not end has no partitions.
 *
 * @throws RefusalError, before anything is written, NO_DISK_RECORD, IMAGE_BUSY, IMAGE_KIND, IMAGE_SIZE, PROGRAM_MISSING,
 *   PROGRAM_FAILED, and what openSource() and its points throw; later IMAGE_DIFFERS; SystemError
 */
export const restoreDisk = (request: DiskRequest, syscalls: Syscalls, events: DiskEvents = {}): DiskResult => {
  const { source, point, disk, force, dryRun } = request;
  events.onStep?.('reading the record of the disk');
  const loaded = loadRecord(source, point, syscalls);
  const partitions = planOf(loaded, point);
  const device = openDisk(disk, force);
  let result: CopyPointResult;
  try {
    const restore = new DiskRestore(loaded, request, device, syscalls, events);
    restore.requireUsable();
    events.onPlan?.(partitions);
    if (dryRun) return { bytes: 0, damagedBlocks: undefined, differingBlocks: 0, partitions };
    result = restore.run();
  } finally {
    device.close();
  }
  const { bootEntry, table } = loaded.record;
  if (bootEntry && result.differingBlocks === 0) restoreBootEntry(bootEntry, disk, table, events);
  return { ...result, partitions };
};
