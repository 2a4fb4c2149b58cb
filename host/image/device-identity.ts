/**
 * How an image on a block device is recognized. A device has no time of its last change, and its name may belong to another
 * disk tomorrow: one of a rotating set, or the one that was plugged in first.
 *
 * A disk's own number identifies it, if it has one. If it has none, and to notice other writers, blocks are compared: some
 * of those that the last update copied, in which older copies of the same volume differ, and some from all over.
 */

import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { BlockRun } from '../cow/runs.js';
import { errnoOf } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import { Xxh64 } from '../manifest/hashing.js';
import type { OpenFile } from '../system/files.js';
import { majorMinor } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';

export interface DeviceIdentity {
  /** Size of the device, which may be larger than the image. */
  readonly bytes: number;
  /** The disk's number, and the partition; undefined if the disk has none. */
  readonly id?: string;
  /** Blocks to compare, ascending. */
  readonly blocks: readonly number[];
  /** Their XXH64s, 16 hex digits each. */
  readonly sums: string;
}

const DIGITS = 16;
/** Blocks of each kind: copied last, and from all over. */
const SAMPLE = 32;
/** Places of a disk's number: SCSI and NVMe, virtio, device mapper, md. */
const NUMBERS = ['wwid', 'device/wwid', 'serial', 'device/serial', 'dm/uuid', 'md/uuid'];

/** Text of a file of sysfs; undefined if there is none. */
const attribute = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
};

/**
 * The number of a disk, and the place of a partition on it.
 *
 * @param device major and minor number, as sysfs names it: 8:1
 * @returns undefined if the disk has none
 */
export const diskNumber = (device: string, sysfs = '/sys'): string | undefined => {
  let folder: string;
  try {
    folder = realpathSync(join(sysfs, 'dev/block', device));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
  const partition = attribute(join(folder, 'partition'));
  const disk = partition === undefined ? folder : dirname(folder);
  const number = NUMBERS.map((name) => attribute(join(disk, name))).find((found) => found !== undefined);
  if (number === undefined || partition === undefined) return number;
  return `${number}, partition ${partition} at sector ${attribute(join(folder, 'start'))}`;
};

/** Blocks of the runs, as far from each other as they can be. */
function* spread(runs: Iterable<BlockRun>, blocks: number): Generator<number> {
  const step = Math.max(1, Math.floor(blocks / SAMPLE));
  let passed = 0;
  let next = 0;
  for (const { start, count } of runs) {
    for (; next < passed + count; next += step) yield start + next - passed;
    passed += count;
  }
}

/** Sums of blocks, in their order. The last block may be partial. */
const sumsOf = (image: OpenFile, blocks: readonly number[], imageBytes: number): string => {
  const xxh64 = new Xxh64();
  const buffer = Buffer.alloc(BLOCK_BYTES);
  return blocks
    .map((block) => {
      const data = buffer.subarray(0, Math.min(BLOCK_BYTES, imageBytes - block * BLOCK_BYTES));
      image.readFull(data, block * BLOCK_BYTES);
      return xxh64.bytes(data).toString(16).padStart(DIGITS, '0');
    })
    .join('');
};

/** Size and number of the device, without content. */
const hardware = (image: OpenFile, syscalls: Syscalls): Pick<DeviceIdentity, 'bytes' | 'id'> => {
  const id = diskNumber(majorMinor(image.stat().rdev));
  return { bytes: image.blockDeviceBytes(syscalls), ...(id === undefined ? {} : { id }) };
};

/**
 * The identity of a device as it is now. Its content must be on disk.
 *
 * @param changed blocks that were copied last
 * @param nrChanged their number
 */
export const identify = (
  image: OpenFile,
  imageBytes: number,
  changed: Iterable<BlockRun>,
  nrChanged: number,
  syscalls: Syscalls,
): DeviceIdentity => {
  const nrBlocks = Math.ceil(imageBytes / BLOCK_BYTES);
  const everywhere = spread([{ start: 0, count: nrBlocks }], nrBlocks);
  const blocks = [...new Set([...everywhere, ...spread(changed, nrChanged)])].sort((a, b) => a - b);
  return { ...hardware(image, syscalls), blocks, sums: sumsOf(image, blocks, imageBytes) };
};

/**
 * Why a device is not the known one.
 *
 * @param mayDiffer blocks that may have been written since
 * @returns words; undefined if it is the known one
 */
export const reasonForOther = (
  image: OpenFile,
  imageBytes: number,
  known: DeviceIdentity,
  mayDiffer: Iterable<BlockRun>,
  syscalls: Syscalls,
): string | undefined => {
  const { bytes, id } = hardware(image, syscalls);
  if (known.id !== undefined && id !== known.id) return `it is disk ${id ?? 'without a number'}, expected ${known.id}`;
  if (known.id === undefined && bytes !== known.bytes) return `it has ${bytes} bytes, expected ${known.bytes}`;
  const skipped = new Set<number>();
  for (const { start, count } of mayDiffer)
    for (const block of known.blocks) if (block >= start && block < start + count) skipped.add(block);
  for (const [index, block] of known.blocks.entries()) {
    if (skipped.has(block)) continue;
    const expected = known.sums.slice(index * DIGITS, (index + 1) * DIGITS);
    if (sumsOf(image, [block], imageBytes) !== expected)
      return `block ${block} has another content; it is another disk, or something else wrote it`;
  }
  return undefined;
};

/** An identity in words. */
export const identityInWords = ({ id, bytes }: DeviceIdentity): string =>
  id === undefined ? `a device of ${bytes} bytes, known by its content` : `disk ${id}`;

/** An identity out of JSON. Throws a SyntaxError if it is none. */
export const identityFrom = (value: Readonly<Record<string, unknown>>, imageBytes: number): DeviceIdentity => {
  const { bytes, id, blocks, sums } = value;
  const isBlock = (block: unknown): block is number =>
    Number.isSafeInteger(block) && Number(block) >= 0 && Number(block) * BLOCK_BYTES < imageBytes;
  const isList = Array.isArray(blocks) && blocks.every(isBlock);
  const fits = typeof sums === 'string' && /^[0-9a-f]*$/.test(sums);
  if (!isList || !fits || sums.length !== blocks.length * DIGITS) throw new SyntaxError('no device');
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes)) throw new SyntaxError('no device');
  if (id !== undefined && typeof id !== 'string') throw new SyntaxError('no device');
  return { bytes, blocks, sums, ...(id === undefined ? {} : { id }) };
};
