// The runs that a call answers with: { start: u64, count: u32, kind: u32 }, in the runs area.

import { RUN_BYTES } from './layout';
import { RUNS } from './memory';

const START: usize = 0;
const COUNT: usize = 8;
const KIND: usize = 12;

/** A run is not made longer than this, so that `count` cannot wrap: a run of 2^32 blocks would. */
const RUN_BLOCKS_MAX: u64 = 0x80000000;

export class Runs {
  /** Runs of the current answer, and how many it may have. */
  static nr: u32 = 0;
  static most: u32 = 0;
}

/** Starts an answer of so many runs at most. */
@inline
export function runs_clear(most: u32): void {
  Runs.nr = 0;
  Runs.most = most;
}

/**
 * Adds `count` blocks to the answer: to the last run if they go on where it ends, as a run of their own otherwise.
 *
 * @returns false if there is no room; nothing was added then
 */
export function runs_add(start: u64, count: u64, kind: u32): bool {
  const nr = Runs.nr;
  const at = RUNS + <usize>nr * RUN_BYTES;
  if (nr) {
    const last = at - RUN_BYTES;
    const length = <u64>load<u32>(last, COUNT);
    if (load<u64>(last, START) + length == start && load<u32>(last, KIND) == kind && length + count <= RUN_BLOCKS_MAX) {
      store<u32>(last, <u32>(length + count), COUNT);
      return true;
    }
    if (nr == Runs.most) return false;
  }
  store<u64>(at, start, START);
  store<u32>(at, <u32>count, COUNT);
  store<u32>(at, kind, KIND);
  Runs.nr = nr + 1;
  return true;
}
