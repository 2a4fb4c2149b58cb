/**
 * How long update-img will take.
 *
 * A line through two measurements: bytes at the rate of one long run, and the additional cost of each run. Both were
 * measured with a cold page cache on ext4 on a virtual disk: 200 MiB in one run took 283 ms, 20,000 blocks apart from
 * each other 300 ms, each with 60 ms of start-up.
 */
import type { RunStatistics } from '../cow/run-statistics.js';

/** Until the first byte is read. */
export const START_SECONDS = 0.06;
export const MEASURED_MIB_PER_SECOND = 900;
const RUN_SECONDS = 8e-6;
const MIB = 1048576;

export interface Estimate {
  readonly seconds: number;
  readonly basis: string;
}

/**
 * Estimates.
 *
 * @param rate MiB per second that the caller measured; the one above if undefined
 */
export const estimateUpdate = (
  { bytes, runs }: Pick<RunStatistics, 'bytes' | 'runs'>,
  rate: number | undefined,
): Estimate => {
  const used = rate ?? MEASURED_MIB_PER_SECOND;
  const seconds = START_SECONDS + bytes / MIB / used + runs * RUN_SECONDS;
  const origin =
    rate === undefined
      ? `${used} MiB/s and ${RUN_SECONDS * 1e6} µs per run, as measured on a virtual disk with ext4 and a cold cache`
      : `${used} MiB/s as given, and ${RUN_SECONDS * 1e6} µs per run as measured on a virtual disk`;
  return { seconds, basis: origin };
};
