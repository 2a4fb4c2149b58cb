/** When a copy syncs its target and records how far it is, so that an interrupted one can resume there. */
import { MIB_BYTES } from '../layout.js';

const USUAL_BYTES = 64 * MIB_BYTES;
/** A fast disk writes 64 MiB many times a second, and would do little else than sync. */
const USUAL_MS = 1000;

export class Checkpoints {
  readonly #bytes: number;
  readonly #milliseconds: number;
  #done: number;
  #time = Date.now();

  /**
   * @param interval bytes from one to the next; if undefined, 64 MiB and at least a second
   * @param done bytes that are copied already
   */
  constructor(interval: number | undefined, done = 0) {
    this.#bytes = interval ?? USUAL_BYTES;
    this.#milliseconds = interval === undefined ? USUAL_MS : 0;
    this.#done = done;
  }

  /** Calls `record` if the next checkpoint is due after `done` bytes. */
  pass(done: number, record: () => void): void {
    if (done - this.#done < this.#bytes || Date.now() - this.#time < this.#milliseconds) return;
    record();
    [this.#done, this.#time] = [done, Date.now()];
  }
}
