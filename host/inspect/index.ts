/** COW files read without a driver, on any machine: what other programs may use (docs/LIBRARY.md). */
export type { BlockRun } from '../cow/runs.js';

import { OpenFile } from '../system/files.js';
import { nativeSyscalls } from '../system/syscalls.js';
import type { OriginSize } from './geometry.js';
import { InspectedCow } from './inspected-cow.js';

export type { CowHeader } from '../cow/cow-file.js';
export { countRuns } from '../cow/run-statistics.js';
export { OpenFile } from '../system/files.js';
export type { CheckReport } from './check/check.js';
export { checkCow } from './check/check.js';
export type { Rule, Violation } from './check/findings.js';
export { countSides, diffCows } from './diff.js';
export type { OriginSize } from './geometry.js';
export type { CowInfo } from './info.js';
export { describeCow } from './info.js';
export type { ListOptions } from './inspected-cow.js';
export { InspectedCow } from './inspected-cow.js';

/**
 * Opens a COW file, gives it to `run`, and closes it.
 *
 * @param origin the origin's size, where it cannot be derived from the file
 * @throws RefusalError COW_KIND, HEADER_SHORT, BAD_MAGIC, ORIGIN_SIZE_MISMATCH; SystemError
 */
export const withCowFile = <T>(path: string, run: (cow: InspectedCow) => T, origin?: OriginSize): T => {
  const file = OpenFile.open(path, 'r');
  try {
    return run(InspectedCow.of(file, nativeSyscalls(), origin));
  } finally {
    file.close();
  }
};
