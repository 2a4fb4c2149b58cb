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

/** Size of the image for a volume, in bytes: whole blocks, as qemu-nbd needs whole sectors. */
export const sumsBytes = (volumeBytes: number): number =>
  Math.ceil((Math.ceil(volumeBytes / BLOCK_BYTES) * SUM_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;

const rangeOf = (offset: number, bytes: number): [offset: number, bytes: number] => [
  (offset / BLOCK_BYTES) * SUM_BYTES,
  Math.ceil(bytes / BLOCK_BYTES) * SUM_BYTES,
];

const zeroSum = (xxh64: Xxh64): Buffer => Buffer.from(xxh64.blocks(Buffer.alloc(BLOCK_BYTES)));

/** Writes sums of what is written at the same time. */
export class FlatSums {
  readonly #session: NbdSession;
  readonly #xxh64: Xxh64;
  readonly #zeroSum: Buffer;

  constructor(session: NbdSession, xxh64: Xxh64) {
    [this.#session, this.#xxh64, this.#zeroSum] = [session, xxh64, zeroSum(xxh64)];
  }

  put(data: Buffer, offset: number): void {
    const sums = this.#xxh64.blocks(data);
    for (let at = 0; at < sums.length; at += SUM_BYTES)
      if (sums.compare(this.#zeroSum, 0, SUM_BYTES, at, at + SUM_BYTES) === 0) sums.fill(0, at, at + SUM_BYTES);
    this.#session.client.write(sums, rangeOf(offset, 0)[0]);
  }

  zero(offset: number, bytes: number): void {
    this.#session.client.zero(...rangeOf(offset, bytes));
  }

  flush(): void {
    this.#session.client.flush();
  }

  close(): void {
    this.#session.close();
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
