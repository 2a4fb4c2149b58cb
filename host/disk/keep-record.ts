/** Keeps the record of a volume's disk on the volume. */
import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { RefusalError, withErrno } from '../errors.js';
import type { Partition } from '../system/block-devices.js';
import { diskOf, partitionNumber, partitionsOf, writesOf } from '../system/block-devices.js';
import { OpenFile } from '../system/files.js';
import { anyMountOf, deviceNumber, MOUNTS } from '../system/mounts.js';
import { runProgram } from '../system/program.js';
import { removeFile, removeRegular } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { BootEntry } from './boot-entry.js';
import { bootEntries, isEfi } from './boot-entry.js';
import type { KeptPart } from './kept-part.js';
import { isPartName, keepPart, partName, sumOfDevice } from './kept-part.js';
import type { DiskRecord, OtherPartition } from './record.js';
import { RECORD_NAME, readRecord, textOfRecord, writeRecord } from './record.js';
import type { PartitionTable, TablePartition } from './table.js';
import { isExtended, readTable } from './table.js';

/** ioctl: what the kernel caches of a device is written to it and forgotten. */
const BLKFLSBUF = 0x1261;
/** What a boot loader has before the first partition is less. */
const HEAD_BYTES_MAX = 2097152;
/** Larger partitions are not kept, nor are those whose compressed content is larger than that. */
const PART_BYTES_MAX = 4 * 1024 ** 3;
const FILE_BYTES_MAX = 256 * 1048576;
/** Such partitions are read each time: a boot loader writes them through the disk, which no partition counts. */
const SMALL_BYTES = 16 * 1048576;
/** What is kept may take so much of the space that is free. */
const SHARE_OF_FREE = 4;
/** A partition that keeps being written is read so many times. */
const TRIES = 3;

/** Partitions that firmware or a boot loader reads: by their type in GPT, and in MBR. */
const STARTS: Readonly<Record<string, string>> = {
  'C12A7328-F81F-11D2-BA4B-00A0C93EC93B': 'EFI system partition',
  '21686148-6449-6E6F-744E-656564454649': 'BIOS boot partition',
  '9E1A2D38-C612-4316-AA26-8B49521E5A8B': 'PReP boot partition',
  EF: 'EFI system partition',
  '41': 'PReP boot partition',
};

const SWAP_MAGIC = 'SWAPSPACE2';
const PAGE_BYTES = [4096, 8192, 16384, 65536];

export interface RecordEvents {
  readonly onStep?: (text: string) => void;
  readonly onNotice?: (text: string) => void;
}

const nodeOf = ({ name }: Partition): string => join('/dev', name.replaceAll('!', '/'));

/** The next read comes from the device: a filesystem writes past what earlier reads cached. */
const flush = (device: OpenFile, syscalls: Syscalls): void =>
  syscalls.ioctl(device.fd, BLKFLSBUF, Buffer.alloc(8), device.path);

const withDevice = <T>(path: string, run: (device: OpenFile) => T): T => {
  const device = OpenFile.open(path, 'r');
  try {
    return run(device);
  } finally {
    device.close();
  }
};

/** Bytes of the first page of a swap, which has its ids; undefined if a device is none. */
const swapHeadBytes = (device: OpenFile): number | undefined => {
  const head = Buffer.alloc(Math.max(...PAGE_BYTES));
  device.read(head, 0);
  return PAGE_BYTES.find((bytes) => head.toString('latin1', bytes - SWAP_MAGIC.length, bytes) === SWAP_MAGIC);
};

/** The type of what a device holds, such as `ext4`. */
const typeOf = (path: string): string => {
  const args = ['--probe', '--match-tag', 'TYPE', '--output', 'value', path];
  try {
    return runProgram({ name: 'blkid', package: 'util-linux' }, args, '').toString('latin1').trim();
  } catch (error) {
    // Nothing that it knows.
    if (error instanceof RefusalError && error.code === 'PROGRAM_FAILED') return '';
    throw error;
  }
};

/** What a table has of a partition that the kernel knows. */
const entryOf = (partition: Partition, table: PartitionTable, disk: string): TablePartition => {
  const { number, startBytes, bytes } = partition;
  const entry = table.partitions.find((one) => one.number === number);
  const isSame = entry?.start === startBytes / table.sectorBytes && entry.sectors === bytes / table.sectorBytes;
  // Of an extended partition the kernel knows the beginning only.
  if (entry && (isSame || isExtended(table, entry))) return entry;
  const found = `the kernel has another place for partition ${number} than the partition table`;
  throw new RefusalError('VOLUME_KIND', `cannot record the disk ${disk}: ${found}; hint: partprobe, or a reboot`);
};

/** Makes a record, with what an earlier one has of it. */
class Recorder {
  readonly #folder: string;
  readonly #known: DiskRecord | undefined;
  readonly #syscalls: Syscalls;
  readonly #events: RecordEvents;
  readonly #mounts = withErrno('read', MOUNTS, () => readFileSync(MOUNTS, 'utf8'));

  constructor(folder: string, known: DiskRecord | undefined, syscalls: Syscalls, events: RecordEvents) {
    [this.#folder, this.#known, this.#syscalls, this.#events] = [folder, known, syscalls, events];
  }

  record(disk: string, volume: number): DiskRecord {
    const table = readTable(disk);
    const others = partitionsOf(deviceNumber(disk) ?? '').flatMap((partition) => {
      const entry = entryOf(partition, table, disk);
      return entry.number === volume || isExtended(table, entry) ? [] : [this.#other(partition, entry)];
    });
    const bootEntry = this.#bootEntry(table);
    return { table, volume, head: this.#head(disk, table), others, ...(bootEntry ? { bootEntry } : {}) };
  }

  /** Of GPT the first sector; with MBR, a boot loader has all up to the first partition. */
  #head(disk: string, { label, partitions, sectorBytes }: PartitionTable): KeptPart {
    const start = Math.min(...partitions.map((partition) => partition.start)) * sectorBytes;
    const bytes = label === 'gpt' ? sectorBytes : Math.min(start, HEAD_BYTES_MAX);
    return withDevice(disk, (device) => this.#kept(device, bytes, this.#known?.head));
  }

  #other(partition: Partition, { type }: TablePartition): OtherPartition {
    const { number, device: id, bytes } = partition;
    const path = nodeOf(partition);
    const mountPoint = anyMountOf(this.#mounts, id);
    const role = STARTS[type.toUpperCase()];
    const where = mountPoint === undefined ? [] : [`mounted on ${mountPoint}`];
    if (role !== undefined) {
      const holds = [role, ...where].join(', ');
      return { number, holds, ...this.#whole(partition, bytes, mountPoint, role) };
    }
    // It may be in use: of what is not kept, nothing is flushed.
    return withDevice(path, (device) => {
      const swap = swapHeadBytes(device);
      if (swap !== undefined)
        return { number, holds: 'swap', kept: this.#kept(device, swap, this.#before(number)?.kept) };
      const holds = [typeOf(path) || 'unknown content', ...where].join(', ');
      if (mountPoint === '/boot' && this.#before(number)?.holds !== holds) {
        const hint = 'hint: back it up, too';
        this.#events.onNotice?.(`the machine starts from ${path} (${holds}), which is not in this backup; ${hint}`);
      }
      return { number, holds };
    });
  }

  #before(number: number): OtherPartition | undefined {
    return this.#known?.others.find((other) => other.number === number);
  }

  /** All of a partition, read again only if it was written. */
  #whole(
    partition: Partition,
    bytes: number,
    mountPoint: string | undefined,
    role: string,
  ): Pick<OtherPartition, 'kept' | 'writes'> {
    const path = nodeOf(partition);
    if (bytes > PART_BYTES_MAX) {
      this.#events.onNotice?.(`the content of ${path} (${role}) is not kept: it has more than ${PART_BYTES_MAX} bytes`);
      return {};
    }
    if (mountPoint !== undefined) runProgram({ name: 'sync', package: 'coreutils' }, ['--file-system', mountPoint], '');
    const writes = bytes > SMALL_BYTES ? writesOf(partition.device) : undefined;
    const before = this.#before(partition.number);
    if (before?.kept?.bytes === bytes && writes !== undefined && before.writes === writes)
      return { kept: before.kept, writes };
    if (bytes > SMALL_BYTES) this.#events.onStep?.(`reading ${path}, the ${role}`);
    const kept = withDevice(path, (device) => this.#kept(device, bytes, before?.kept));
    return { kept, ...(writes === undefined ? {} : { writes }) };
  }

  /** Keeps the start of a device, unless that is kept already. */
  #kept(device: OpenFile, bytes: number, before: KeptPart | undefined): KeptPart {
    for (let tries = 0; tries < TRIES; tries++) {
      flush(device, this.#syscalls);
      const sum = sumOfDevice(device, bytes);
      if (before?.sum === sum && before.bytes === bytes) return before;
      const { bavail, bsize } = withErrno('stat', this.#folder, () => statfsSync(this.#folder));
      const bytesMax = Math.min(FILE_BYTES_MAX, Math.floor((bavail * bsize) / SHARE_OF_FREE));
      const file = partName();
      flush(device, this.#syscalls);
      const kept = { file, ...keepPart(device, bytes, join(this.#folder, file), bytesMax) };
      if (kept.sum === sum) return kept;
      removeFile(join(this.#folder, file));
    }
    const message = `cannot keep the content of ${device.path}: it is being written, expected it to stay the same`;
    throw new RefusalError('IMAGE_BUSY', message);
  }

  /** The firmware's entry for one of the partitions. */
  #bootEntry({ label, partitions }: PartitionTable): BootEntry | undefined {
    if (label !== 'gpt' || !isEfi()) return undefined;
    try {
      const uuids = new Set(partitions.map(({ uuid }) => uuid?.toLowerCase()));
      return bootEntries().find(({ partition }) => uuids.has(partition));
    } catch (error) {
      if (error instanceof RefusalError) return this.#known?.bootEntry;
      throw error;
    }
  }
}

/** An earlier record, if it is complete: a damaged one is made again. */
const knownRecord = (folder: string): DiskRecord | undefined => {
  let known: DiskRecord | undefined;
  try {
    known = readRecord(folder);
  } catch (error) {
    if (!(error instanceof RefusalError) || error.code !== 'NO_DISK_RECORD') throw error;
  }
  const names = new Set(withErrno('read', folder, () => readdirSync(folder)));
  const files = [known?.head.file, ...(known?.others ?? []).map(({ kept }) => kept?.file)];
  return files.every((file) => file === undefined || names.has(file)) ? known : undefined;
};

/**
 * Makes sure that a folder of a volume has the record of the volume's disk as it is now. Little is read where nothing was
 * written; nothing is written where nothing changed. A volume that is no partition has none.
 *
 * @param volume `major:minor`
 * @param folder that only root can change; no other process keeps a record in it
 * @throws RefusalError, SystemError: an earlier record is what it was
 */
export const keepRecord = (volume: string, folder: string, syscalls: Syscalls, events: RecordEvents): void => {
  const number = partitionNumber(volume);
  const known = number === undefined ? undefined : knownRecord(folder);
  try {
    if (number === undefined) return removeFile(join(folder, RECORD_NAME));
    const record = new Recorder(folder, known, syscalls, events).record(diskOf(volume), number);
    if (!known || textOfRecord(record) !== textOfRecord(known)) writeRecord(folder, record);
  } finally {
    removeParts(folder);
  }
};

/** Removes a record. The caller keeps other processes out. */
export const removeRecord = (folder: string): void => {
  removeFile(join(folder, RECORD_NAME));
  removeParts(folder);
};

/** Removes parts that belong to no record, and what killed runs left. */
const removeParts = (folder: string): void => {
  const record = knownRecord(folder);
  const files = new Set([record?.head.file, ...(record?.others ?? []).map(({ kept }) => kept?.file)]);
  removeRegular(folder, (name, isUnfinished) =>
    isUnfinished ? isPartName(name) || name === RECORD_NAME : isPartName(name) && !files.has(name),
  );
};
