/**
 * Sums of all blocks of a point: XXH64, 8 bytes each, in an image of their own that gets a snapshot with each point. So each
 * point has all its sums whatever others are removed. A block of zeros has the sum 0: what was never written is right.
 */

import { BLOCK_BYTES } from '../../layout.js';
import type { Xxh64 } from '../../manifest/hashing.js';
import { SUM_BYTES } from '../../manifest/hashing.js';
import type { NbdSession } from '../../nbd/server.js';
import type { SumRun } from '../sums.js';

/** Blocks whose sums are read at once. */
const RUN_BLOCKS = 256;
/** What is written of the image at once: sums of 32 MiB of the volume. */
const PAGE_BYTES = 65536;

/** Size of the image for a volume, in bytes: whole blocks, as qemu-nbd needs whole sectors. */
export const sumsBytes = (volumeBytes: number): number =>
  Math.ceil((Math.ceil(volumeBytes / BLOCK_BYTES) * SUM_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;

const rangeOf = (offset: number, bytes: number): [offset: number, bytes: number] => [
  (offset / BLOCK_BYTES) * SUM_BYTES,
  Math.ceil(bytes / BLOCK_BYTES) * SUM_BYTES,
];

const zeroSum = (xxh64: Xxh64): Buffer => Buffer.from(xxh64.blocks(Buffer.alloc(BLOCK_BYTES)));

/** A part of the image in memory. */
interface Page {
  readonly offset: number;
  readonly data: Buffer;
  /** What of it was changed. */
  from: number;
  to: number;
}

/**
 * Writes sums of what is written at the same time. They are collected in a page: the cluster takes as long for the few sums of one
 * write as for those of many.
 */
export class FlatSums {
  readonly #session: NbdSession;
  readonly #xxh64: Xxh64;
  readonly #zeroSum: Buffer;
  #page: Page | undefined;

  constructor(session: NbdSession, xxh64: Xxh64) {
    [this.#session, this.#xxh64, this.#zeroSum] = [session, xxh64, zeroSum(xxh64)];
  }

  put(data: Buffer, offset: number): void {
    const sums = this.#xxh64.blocks(data);
    for (let at = 0; at < sums.length; at += SUM_BYTES)
      if (sums.compare(this.#zeroSum, 0, SUM_BYTES, at, at + SUM_BYTES) === 0) sums.fill(0, at, at + SUM_BYTES);
    this.#change(...rangeOf(offset, data.length), (part, done) => sums.copy(part, 0, done));
  }

  zero(offset: number, bytes: number): void {
    const [start, length] = rangeOf(offset, bytes);
    if (length <= PAGE_BYTES) return this.#change(start, length, (part) => part.fill(0));
    this.#leavePage();
    this.#session.client.zero(start, length);
  }

  flush(): void {
    this.#leavePage();
    this.#session.client.flush();
  }

  /** What was not flushed is lost. */
  close(): void {
    this.#session.close();
  }

  /** Has bytes of the image set, in parts that are in one page each; `done`: what lies before the part. */
  #change(start: number, length: number, set: (part: Buffer, done: number) => void): void {
    for (let done = 0; done < length; ) {
      const page = this.#pageAt(start + done);
      const from = start + done - page.offset;
      const to = Math.min(from + length - done, PAGE_BYTES);
      set(page.data.subarray(from, to), done);
      [page.from, page.to] = [Math.min(page.from, from), Math.max(page.to, to)];
      done += to - from;
    }
  }

  #pageAt(position: number): Page {
    const offset = position - (position % PAGE_BYTES);
    if (this.#page?.offset === offset) return this.#page;
    this.#leavePage();
    const { client } = this.#session;
    const data = Buffer.alloc(PAGE_BYTES);
    client.readFull(data.subarray(0, Math.max(0, client.bytes - offset)), offset);
    this.#page = { offset, data, from: PAGE_BYTES, to: 0 };
    return this.#page;
  }

  #leavePage(): void {
    const page = this.#page;
    this.#page = undefined;
    if (page && page.from < page.to)
      this.#session.client.write(page.data.subarray(page.from, page.to), page.offset + page.from);
  }
}

/** Sums that a session holds, of a volume of `bytes`, for compareSums(). */
export function* flatSums(session: NbdSession, bytes: number, xxh64: Xxh64): Generator<SumRun> {
  const nrBlocks = Math.ceil(bytes / BLOCK_BYTES);
  const ofZeros = zeroSum(xxh64);
  const none = Buffer.alloc(SUM_BYTES);
  for (let start = 0; start < nrBlocks; start += RUN_BLOCKS) {
    const count = Math.min(RUN_BLOCKS, nrBlocks - start);
    const sums = Buffer.alloc(count * SUM_BYTES);
    session.client.readFull(sums, start * SUM_BYTES);
    for (let at = 0; at < sums.length; at += SUM_BYTES)
      if (sums.compare(none, 0, SUM_BYTES, at, at + SUM_BYTES) === 0) ofZeros.copy(sums, at);
    yield { start, count, sums };
  }
}
