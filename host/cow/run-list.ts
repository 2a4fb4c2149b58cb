/** Short runs of blocks, of which very many must be kept: each takes 8 bytes. */
import type { BlockRun } from './runs.js';

/** A run is kept as one number, start * UNIT + count, which is exact for every origin. */
const UNIT = 1024;
const FIRST_LENGTH = 1024;

export class RunList {
  #runs = new Float64Array(FIRST_LENGTH);
  #length = 0;

  /** @param count blocks, less than 1024 */
  add({ start, count }: BlockRun): void {
    if (count >= UNIT) throw new RangeError(`a run of ${count} blocks, expected less than ${UNIT}`);
    if (this.#length === this.#runs.length) {
      const larger = new Float64Array(2 * this.#length);
      larger.set(this.#runs);
      this.#runs = larger;
    }
    this.#runs[this.#length++] = start * UNIT + count;
  }

  /** The blocks of all runs, ascending and each once, as often as wanted. */
  *[Symbol.iterator](): Generator<BlockRun> {
    let open: { start: number; count: number } | undefined;
    for (const run of this.#runs.subarray(0, this.#length).sort()) {
      const [start, count] = [Math.floor(run / UNIT), run % UNIT];
      if (open && start <= open.start + open.count) {
        open.count = Math.max(open.count, start + count - open.start);
        continue;
      }
      if (open) yield open;
      open = { start, count };
    }
    if (open) yield open;
  }

  /** Blocks, each counted once. */
  get blocks(): number {
    let blocks = 0;
    for (const { count } of this) blocks += count;
    return blocks;
  }
}
