/** Statistics of changed blocks: their number, their runs, and the lengths of these. */

import { BLOCK_BYTES } from '../layout.js';
import type { BlockRun } from './runs.js';

/** Runs of `from` to `to` blocks. */
export interface LengthClass {
  readonly from: number;
  readonly to: number;
  readonly runs: number;
  readonly blocks: number;
}

export interface RunStatistics {
  readonly blocks: number;
  readonly bytes: number;
  readonly runs: number;
  readonly longest: number;
  /** By powers of two, from 1 to the longest; classes between may be empty. */
  readonly histogram: readonly LengthClass[];
}

/** Counts ascending, joined runs. `bytes` are those of whole blocks. */
export const countRuns = (runs: Iterable<BlockRun>): RunStatistics => {
  const classes: Array<{ runs: number; blocks: number }> = [];
  let [blocks, nrRuns, longest] = [0, 0, 0];
  for (const { count } of runs) {
    const power = Math.floor(Math.log2(count));
    while (classes.length <= power) classes.push({ runs: 0, blocks: 0 });
    const counted = classes[power];
    if (counted) {
      counted.runs++;
      counted.blocks += count;
    }
    blocks += count;
    nrRuns++;
    longest = Math.max(longest, count);
  }
  const histogram = classes.map((counted, power) => ({ from: 2 ** power, to: 2 ** (power + 1) - 1, ...counted }));
  return { blocks, bytes: blocks * BLOCK_BYTES, runs: nrRuns, longest, histogram };
};
