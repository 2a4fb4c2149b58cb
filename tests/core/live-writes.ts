// How a store notes a write in either mode. Each returns whether the write may go now; else it waits for the dirty map.

import * as assert from 'uvu/assert';
import { COMMIT_BLOCKS_MAX, COPIED_WAITS, SLICE_BLOCKS } from '../../host/layout.js';
import type { Bench } from './harness.js';
import { REGION } from './live-driver.js';
import type { Write } from './live-origin.js';

/** A block and a count for each slice of blocks first..last. */
const slicesOf = function* ({ first, last }: Write): Generator<[at: number, count: number]> {
  for (let at = first; at <= last; at += SLICE_BLOCKS) yield [at, Math.min(SLICE_BLOCKS, last - at + 1)];
};

/** Incremental mode: its blocks are marked. `skip`: sectors of the first block that it leaves alone. */
export const markWrite = (bench: Bench, write: Write, skip: number): boolean => {
  let goes = true;
  for (const [at, count] of slicesOf(write)) {
    const result = write.discard
      ? bench.call('mark_unmasked', at, count)
      : bench.call('mark', at * 8 + skip, count * 8 - 7);
    if (result === REGION) goes = false;
    else assert.ok(result >= 0n, `mark: ${result}`);
  }
  return goes;
};

/** Snapshot mode: its blocks are copied. */
export const copyWrite = (bench: Bench, write: Write): boolean => {
  let goes = true;
  for (const [at, count] of slicesOf(write)) {
    for (let block = at; block < at + count; ) {
      const [run] = bench.planCopy([[BigInt(block) * 8n, 8n]]) as [unknown?];
      if (run === undefined) block++;
      else block += copyFrom(bench, block, at + count - block);
    }
    const copied = bench.call('is_copied', at * 8, count * 8);
    assert.ok(copied === 1n || copied === BigInt(COPIED_WAITS), `is_copied: ${copied}`);
    if (copied !== 1n) goes = false;
  }
  return goes;
};

/** Copies what is not from a block on, as much as one call takes. Returns how many blocks. */
const copyFrom = (bench: Bench, block: number, most: number): number => {
  const committed = bench.served('commit_copy', block, Math.min(most, COMMIT_BLOCKS_MAX));
  assert.ok(committed > 0n, `commit_copy: ${committed}`);
  return Number(committed);
};
