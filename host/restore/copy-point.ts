/** Restores a whole volume: copies a point, and compares what is on the disk then with what was read. */
import { PIECE_BYTES } from '../cow/runs.js';
import { BLOCK_BYTES } from '../layout.js';
import { Xxh64 } from '../manifest/hashing.js';
import type { Syscalls } from '../system/syscalls.js';
import type { PointDamage } from '../targets/target.js';
import { type Output, openOutput } from './output.js';
import type { OpenPoint, RestorePoint, Source } from './point.js';

/** At the end, no more than this is left to be brought to disk. */
const SYNC_BYTES = 256 * 1048576;

export interface CopyPointRequest {
  readonly source: Source;
  readonly point: RestorePoint;
  /** A block device, or a new file. */
  readonly destination: string;
  /** Replace a regular file, or overwrite a disk that has partitions. */
  readonly force: boolean;
}

export interface CopyPointEvents {
  readonly onNotice?: (text: string) => void;
  readonly onStep?: (text: string) => void;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Blocks of the point that are not what was backed up. They are copied as they are. */
  readonly onDamage?: (damage: PointDamage) => void;
  /** Blocks that the disk returns differently from what was written. */
  readonly onDifference?: (blocks: PointDamage) => void;
}

export interface CopyPointResult {
  readonly bytes: number;
  /** undefined: the point has no sums. */
  readonly damagedBlocks: number | undefined;
  readonly differingBlocks: number;
}

/** Writes content in whole pieces, and remembers what it wrote. */
class PieceWriter {
  readonly #output: Output;
  readonly #bytes: number;
  readonly #xxh64 = new Xxh64();
  readonly #sums: BigUint64Array;
  readonly #piece = Buffer.alloc(PIECE_BYTES);
  readonly #first = Buffer.alloc(PIECE_BYTES);
  /** All before is taken. */
  #next = 0;
  #unsynced = 0;

  constructor(output: Output, bytes: number) {
    [this.#output, this.#bytes] = [output, bytes];
    this.#sums = new BigUint64Array(Math.ceil(bytes / PIECE_BYTES));
  }

  /** Takes content in ascending order. */
  put(data: Buffer, offset: number): void {
    if (offset !== this.#next) throw new RangeError(`offset ${offset}, expected ${this.#next}`);
    for (let at = 0; at < data.length; ) {
      const place = this.#next % PIECE_BYTES;
      const length = data.copy(this.#piece, place, at, Math.min(data.length, at + PIECE_BYTES - place));
      at += length;
      this.#next += length;
      if (place + length === PIECE_BYTES || this.#next === this.#bytes) this.#write(place + length);
    }
  }

  /** Writes the first piece, which makes a device one with a filesystem again. */
  putFirst(): void {
    this.#output.put(this.#first.subarray(0, this.#lengthOf(0)), 0);
  }

  /** All was taken, and all but the first piece is on disk. */
  end(): void {
    if (this.#next !== this.#bytes) throw new RangeError(`${this.#next} bytes, expected ${this.#bytes}`);
    this.#output.sync();
  }

  /**
   * Reads pieces from the disk.
   *
   * @returns blocks of those that differ
   */
  compare(from: number, to: number, { onDifference, onProgress }: CopyPointEvents): number {
    let differing = 0;
    for (let index = from; index < Math.min(to, this.#sums.length); index++) {
      const data = this.#piece.subarray(0, this.#lengthOf(index));
      this.#output.read(data, index * PIECE_BYTES);
      if (this.#xxh64.bytes(data) !== this.#sums[index]) {
        const count = Math.ceil(data.length / BLOCK_BYTES);
        differing += count;
        onDifference?.({ start: (index * PIECE_BYTES) / BLOCK_BYTES, count });
      }
      onProgress?.(index * PIECE_BYTES + data.length, this.#bytes);
    }
    return differing;
  }

  #lengthOf(index: number): number {
    return Math.min(PIECE_BYTES, this.#bytes - index * PIECE_BYTES);
  }

  #write(length: number): void {
    const data = this.#piece.subarray(0, length);
    const offset = this.#next - length;
    this.#sums[offset / PIECE_BYTES] = this.#xxh64.bytes(data);
    if (offset === 0) data.copy(this.#first);
    else this.#output.put(data, offset);
    this.#unsynced += length;
    if (this.#unsynced < SYNC_BYTES) return;
    this.#output.sync();
    this.#unsynced = 0;
  }
}

/**
 * Copies an open point, reads it back from the disk and compares. If that fails or something differs, a device holds no
 * filesystem.
 *
 * @throws RefusalError, SystemError
 */
export const copyOpened = (opened: OpenPoint, output: Output, events: CopyPointEvents): CopyPointResult => {
  output.begin(`${opened.label}, begun ${new Date().toISOString()}`);
  const { bytes } = opened.point;
  const writer = new PieceWriter(output, bytes);
  events.onStep?.('copying');
  const damagedBlocks = opened.read({
    onDamage: (damage) => events.onDamage?.(damage),
    onData: (data, offset) => {
      writer.put(data, offset);
      events.onProgress?.(offset + data.length, bytes);
    },
  });
  writer.end();
  events.onStep?.('reading back');
  output.forget();
  let differingBlocks = writer.compare(1, Infinity, events);
  if (differingBlocks === 0) {
    writer.putFirst();
    output.sync();
    output.forget();
    differingBlocks = writer.compare(0, 1, { ...events, onProgress: () => undefined });
  }
  if (differingBlocks === 0) output.finish();
  return { bytes, damagedBlocks, differingBlocks };
};

/** @throws what copyOpened() throws, once a device that is incomplete was named */
const overwrite = (opened: OpenPoint, output: Output, events: CopyPointEvents): CopyPointResult => {
  let isGood = false;
  try {
    const result = copyOpened(opened, output, events);
    isGood = result.differingBlocks === 0;
    return result;
  } finally {
    if (!isGood && output.isDevice)
      events.onNotice?.(`${output.path} holds an incomplete copy and no filesystem; run the same command again`);
  }
};

/**
 * Copies a point onto a block device or into a new file, reads it back from the disk and compares.
 *
 * A device whose copy did not end holds no filesystem, but the words of that; a file then does not exist.
 *
 * @throws RefusalError, before anything is written; SystemError
 */
export const copyPoint = (
  request: CopyPointRequest,
  syscalls: Syscalls,
  events: CopyPointEvents = {},
): CopyPointResult => {
  const { source, point, destination, force } = request;
  const opened = source.open(point);
  try {
    const output = openOutput(destination, point.bytes, source.address, force, syscalls);
    const { unfinished, restBytes } = output;
    try {
      if (unfinished !== undefined) events.onNotice?.(`${destination} holds an incomplete copy of ${unfinished}`);
      if (restBytes > 0)
        events.onNotice?.(`${destination} has ${restBytes} bytes more than the volume, which stay as they are`);
      return overwrite(opened, output, events);
    } finally {
      output.close();
    }
  } finally {
    opened.close();
  }
};
