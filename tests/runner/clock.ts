/** How slow this machine is at the moment, so that a limit ends what hangs and not what is slow. */
import { availableParallelism, loadavg } from 'node:os';
import { performance } from 'node:perf_hooks';

const SAMPLE_ROUNDS = 5e6;
/** What the sample takes on the machine that the times of the tests are from: two quiet cores of 2026. */
const REFERENCE_MS = 8;
/** A measurement of slowness is good for so long. */
const FRESH_MS = 10_000;
/** Two looks at a deadline that lie further apart: this process stood still, and so may have what it waits for. */
const LONGEST_STEP_MS = 2_000;

/** Integer arithmetic only: neither memory nor special instructions count. */
const sampleMs = (): number => {
  const began = performance.now();
  let word = 1;
  for (let round = 0; round < SAMPLE_ROUNDS; round++) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
  }
  if (word === 0) throw new Error('xorshift never gets to 0');
  return performance.now() - began;
};

let measured: { readonly at: number; readonly factor: number } | undefined;

/**
 * How many times slower than the reference a process runs here now: by the speed of a core, and by how many processes
 * want one (average of the last minute).
 *
 * @returns 1 or more
 */
export function slowness(): number {
  const now = performance.now();
  if (measured === undefined || now - measured.at > FRESH_MS) {
    const core = Math.min(sampleMs(), sampleMs(), sampleMs()) / REFERENCE_MS;
    const sharing = loadavg()[0]! / availableParallelism();
    measured = { at: now, factor: Math.max(1, core) * Math.max(1, sharing) };
  }
  return measured.factor;
}

/** A limit in seconds of the reference machine. Time counts less while this machine is slower. */
export class Deadline {
  #left: number;
  #last = performance.now();

  constructor(seconds: number) {
    this.#left = seconds * 1000;
  }

  /** To be asked several times a second. @returns whether the time is over */
  over(): boolean {
    const now = performance.now();
    this.#left -= Math.min(now - this.#last, LONGEST_STEP_MS) / slowness();
    this.#last = now;
    return this.#left <= 0;
  }
}
