/** Which blocks two COW files list. */

import type { Side, SidedRun } from '../cow/runs.js';
import { compareRuns } from '../cow/runs.js';
import { RefusalError } from '../errors.js';
import type { InspectedCow, ListOptions } from './inspected-cow.js';

/** Blocks and runs of each kind. */
export type DiffCounts = Readonly<Record<Side, { readonly blocks: number; readonly runs: number }>>;

/**
 * Compares what two files list.
 *
 * @throws RefusalError ORIGIN_SIZE_MISMATCH if their indexes are not of one size; those of InspectedCow.changedRuns()
 */
export const diffCows = (a: InspectedCow, b: InspectedCow, options: ListOptions): Generator<SidedRun> => {
  a.requireList(options);
  b.requireList(options);
  const [left, right] = [a.requireGeometry().nrSections, b.requireGeometry().nrSections];
  if (left === right) return compareRuns(a.changedRuns(options), b.changedRuns(options));
  const found = `the index has ${left} and ${right} sections`;
  const message = `cannot compare ${a.path} with ${b.path}: ${found}, expected one size`;
  throw new RefusalError('ORIGIN_SIZE_MISMATCH', message);
};

/** Adds up, and passes each run on. */
export const countSides = (runs: Iterable<SidedRun>, onRun: (run: SidedRun) => void): DiffCounts => {
  const counts = { a: { blocks: 0, runs: 0 }, b: { blocks: 0, runs: 0 }, both: { blocks: 0, runs: 0 } };
  for (const run of runs) {
    counts[run.side].blocks += run.count;
    counts[run.side].runs++;
    onRun(run);
  }
  return counts;
};

/** How two files relate by their headers, in one sentence. */
export const relation = (a: InspectedCow, b: InspectedCow): string => {
  if (!a.header.uuid.equals(b.header.uuid)) return 'of different series: they may be of different origins';
  const [left, right] = [a.header.seqid, b.header.seqid];
  return left === right ? `of one series, both snapshot ${left}` : `of one series, snapshots ${left} and ${right}`;
};
