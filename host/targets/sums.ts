/**
 * Sums of what was written for one restore point: XXH64 of each block, to find rot.
 *
 *   header    32 bytes: magic, version (u32), 0 (u32), length of the file (u64), XXH64 of these
 *   records   start block (u64), blocks (u32), kind (u32): 0 blocks of data, 1 zeros, ascending and without overlap
 *             then, of data, XXH64 of each block (u64)
 *
 * All numbers are little-endian. The last block of a volume counts as if zeros followed.
 */
import { RefusalError } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import { SUM_BYTES, type Xxh64 } from '../manifest/hashing.js';
import type { OpenFile } from '../system/files.js';

const MAGIC = Buffer.from('datto-sm', 'latin1');
const VERSION = 1;
const HEADER_BYTES = 32;
const RECORD_BYTES = 16;
const AT = { version: 8, length: 16, check: 24 };
const DATA = 0;
const ZEROS = 1;
/** Blocks of one record of data. */
const RUN_BLOCKS = 256;
const BUFFER_BYTES = 1048576;
const NO_SUMS = Buffer.alloc(0);

/** Consecutive blocks, and their sums, SUM_BYTES each; zeros have none. */
export interface SumRun {
  readonly start: number;
  readonly count: number;
  readonly sums: Buffer | undefined;
}

const cut = ({ start, sums }: SumRun, from: number, to: number): SumRun => ({
  start: from,
  count: to - from,
  sums: sums?.subarray((from - start) * SUM_BYTES, (to - start) * SUM_BYTES),
});

/** Writes sums in ascending order. */
export class SumsWriter {
  readonly #file: OpenFile;
  readonly #xxh64: Xxh64;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #buffered = 0;
  #length: number;
  #zeros = { start: 0, count: 0 };

  /** @param length of the part of the file that an earlier writer completed, from length(); 0 for a new file */
  constructor(file: OpenFile, xxh64: Xxh64, length = 0) {
    [this.#file, this.#xxh64] = [file, xxh64];
    this.#length = Math.max(length, HEADER_BYTES);
  }

  /** @param data whole blocks, or up to the end of the volume; at most 1 MiB */
  put(data: Buffer, offset: number): void {
    const sums = this.#xxh64.blocks(data);
    this.add({ start: offset / BLOCK_BYTES, count: sums.length / SUM_BYTES, sums });
  }

  add({ start, count, sums }: SumRun): void {
    if (sums === undefined) {
      const { start: first, count: blocks } = this.#zeros;
      if (blocks > 0 && first + blocks !== start) this.#endZeros();
      this.#zeros = this.#zeros.count > 0 ? { start: first, count: blocks + count } : { start, count };
      return;
    }
    this.#endZeros();
    for (let at = 0; at < count; at += RUN_BLOCKS) {
      const part = sums.subarray(at * SUM_BYTES, (at + RUN_BLOCKS) * SUM_BYTES);
      this.#record(start + at, part.length / SUM_BYTES, DATA, part);
    }
  }

  /** Brings all that was put to disk, and returns the length of it. */
  sync(): number {
    this.#endZeros();
    this.#flush();
    this.#file.sync();
    return this.#length;
  }

  /** Completes the file, on disk. */
  finish(): void {
    this.#endZeros();
    this.#flush();
    const header = Buffer.alloc(HEADER_BYTES);
    MAGIC.copy(header);
    header.writeUInt32LE(VERSION, AT.version);
    header.writeBigUInt64LE(BigInt(this.#length), AT.length);
    header.writeBigUInt64LE(this.#xxh64.bytes(header.subarray(0, AT.check)), AT.check);
    this.#file.writeFull(header, 0);
    this.#file.sync();
  }

  #endZeros(): void {
    const { start, count } = this.#zeros;
    if (count > 0) this.#record(start, count, ZEROS);
    this.#zeros = { start: 0, count: 0 };
  }

  #record(start: number, count: number, kind: number, sums: Buffer = NO_SUMS): void {
    if (this.#buffered + RECORD_BYTES + sums.length > BUFFER_BYTES) this.#flush();
    this.#buffer.writeBigUInt64LE(BigInt(start), this.#buffered);
    this.#buffer.writeUInt32LE(count, this.#buffered + 8);
    this.#buffer.writeUInt32LE(kind, this.#buffered + 12);
    sums.copy(this.#buffer, this.#buffered + RECORD_BYTES);
    this.#buffered += RECORD_BYTES + sums.length;
  }

  #flush(): void {
    this.#file.writeFull(this.#buffer.subarray(0, this.#buffered), this.#length);
    this.#length += this.#buffered;
    this.#buffered = 0;
  }
}

const damaged = ({ path }: OpenFile): RefusalError =>
  new RefusalError('NO_MANIFEST', `cannot use ${path}: it is damaged, or has no sums of a restore point`);

/**
 * The sums in a file, ascending.
 *
 * @throws RefusalError NO_MANIFEST if it is no complete file of sums; SystemError
 */
export function* readSums(file: OpenFile, xxh64: Xxh64): Generator<SumRun> {
  const header = Buffer.alloc(HEADER_BYTES);
  file.read(header, 0);
  const length = Number(header.readBigUInt64LE(AT.length));
  const isRight =
    header.subarray(0, MAGIC.length).equals(MAGIC) &&
    header.readUInt32LE(AT.version) === VERSION &&
    header.readBigUInt64LE(AT.check) === xxh64.bytes(header.subarray(0, AT.check)) &&
    length === Number(file.stat().size);
  if (!isRight) throw damaged(file);
  const buffer = Buffer.alloc(BUFFER_BYTES);
  let [from, have, end] = [HEADER_BYTES, 0, 0];
  for (let at = HEADER_BYTES; at < length; ) {
    // A record and its sums are shorter than the buffer.
    if (at - from + RECORD_BYTES + RUN_BLOCKS * SUM_BYTES > have) {
      [from, have] = [at, file.read(buffer, at)];
      if (have < RECORD_BYTES) throw damaged(file);
    }
    const record = buffer.subarray(at - from, have);
    const [start, count, kind] = [Number(record.readBigUInt64LE(0)), record.readUInt32LE(8), record.readUInt32LE(12)];
    const bytes = kind === DATA ? count * SUM_BYTES : 0;
    const isRecord = count > 0 && start >= end && (kind === ZEROS || (kind === DATA && count <= RUN_BLOCKS));
    if (!isRecord || RECORD_BYTES + bytes > record.length) throw damaged(file);
    // A copy: the buffer is filled again while callers still hold what they have got.
    const sums = kind === DATA ? Buffer.from(record.subarray(RECORD_BYTES, RECORD_BYTES + bytes)) : undefined;
    yield { start, count, sums };
    end = start + count;
    at += RECORD_BYTES + bytes;
  }
}

/** The sums of a point and of what lies below it, ascending and without overlap: the upper ones count. */
export function* overlay(upper: Iterable<SumRun>, lower: Iterable<SumRun>): Generator<SumRun> {
  const uppers = upper[Symbol.iterator]();
  let above = uppers.next();
  let covered = 0;
  for (const run of lower) {
    const end = run.start + run.count;
    let at = Math.max(run.start, Math.min(covered, end));
    while (!above.done && above.value.start < end) {
      const { start, count } = above.value;
      if (start > at) yield cut(run, at, start);
      yield above.value;
      covered = start + count;
      at = Math.max(at, Math.min(covered, end));
      above = uppers.next();
    }
    if (at < end) yield cut(run, at, end);
  }
  for (; !above.done; above = uppers.next()) yield above.value;
}

/** All blocks of a volume, ascending: those of runs, and between them those that have no sum. */
function* allBlocks(runs: Iterable<SumRun>, nrBlocks: number): Generator<SumRun & { readonly isKnown: boolean }> {
  let next = 0;
  const gap = (end: number) => ({ start: next, count: end - next, sums: undefined, isKnown: false });
  for (const run of runs) {
    if (run.start > next) yield gap(Math.min(run.start, nrBlocks));
    next = Math.min(run.start + run.count, nrBlocks);
    if (next > run.start) yield { ...run, count: next - run.start, isKnown: true };
  }
  if (next < nrBlocks) yield gap(nrBlocks);
}

/**
 * Reads all of a volume and compares it with sums.
 *
 * @param runs ascending and without overlap
 * @param bytes size of the volume
 * @param read fills its argument with the content at an offset in bytes
 * @param onDamage called for each run of blocks that differ, ascending
 * @param onData called with all content in ascending order, whatever its sums are; valid until it returns
 * @returns blocks that differ, or that have no sum
 */
export const compareSums = (
  runs: Iterable<SumRun>,
  bytes: number,
  read: (target: Buffer, offset: number) => void,
  xxh64: Xxh64,
  onDamage: (damage: { readonly start: number; readonly count: number }) => void,
  onProgress: (doneBytes: number) => void,
  onData: (data: Buffer, offset: number) => void = () => undefined,
): number => {
  const nrBlocks = Math.ceil(bytes / BLOCK_BYTES);
  const buffer = Buffer.alloc(RUN_BLOCKS * BLOCK_BYTES);
  const zeroSum = Buffer.from(xxh64.blocks(buffer.subarray(0, BLOCK_BYTES)));
  let wrong = 0;
  let open: { start: number; count: number } | undefined;
  const note = (start: number, count: number): void => {
    wrong += count;
    if (open && open.start + open.count === start) {
      open.count += count;
      return;
    }
    if (open) onDamage(open);
    open = { start, count };
  };
  for (const { start, count, sums, isKnown } of allBlocks(runs, nrBlocks)) {
    const end = start + count;
    if (!isKnown) note(start, count);
    for (let block = start; block < end; block += RUN_BLOCKS) {
      const offset = block * BLOCK_BYTES;
      const data = buffer.subarray(0, Math.min((end - block) * BLOCK_BYTES, buffer.length, bytes - offset));
      read(data, offset);
      onData(data, offset);
      const found = xxh64.blocks(data);
      for (let at = 0; isKnown && at < found.length; at += SUM_BYTES) {
        const place = (block - start) * SUM_BYTES + at;
        const wanted = sums ? sums.subarray(place, place + SUM_BYTES) : zeroSum;
        if (found.compare(wanted, 0, SUM_BYTES, at, at + SUM_BYTES) !== 0) note(block + at / SUM_BYTES, 1);
      }
      onProgress(offset + data.length);
    }
  }
  if (open) onDamage(open);
  return wrong;
};
