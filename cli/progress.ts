/** A line that says how far a copy is: replaced in place on a terminal, one after another in a log. */
import type { Streams } from './terminal.js';

/** Least time between two updates, in milliseconds. */
const INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 5000;

export class Progress {
  readonly #streams: Streams;
  readonly #wanted: boolean;
  readonly #startedAt = Date.now();
  #shownAt = 0;
  #shown = false;

  /** @param wanted true: also where there is no terminal; false: never; undefined: on a terminal */
  constructor(streams: Streams, wanted?: boolean) {
    this.#streams = streams;
    this.#wanted = wanted ?? streams.interactive;
  }

  /** Shows `done` of `total` bytes, if it is time to. */
  update(done: number, total: number): void {
    const { interactive } = this.#streams;
    const now = Date.now();
    const interval = interactive ? INTERVAL_MS : LOG_INTERVAL_MS;
    if (!this.#wanted || (now - this.#shownAt < interval && done < total)) return;
    this.#shownAt = now;
    this.#shown = interactive;
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const mib = (bytes: number): string => (bytes / 1048576).toFixed(0);
    const line = `${`${percent}`.padStart(3)} %  ${mib(done)} of ${mib(total)} MiB${this.#left(now, done, total)}`;
    this.#streams.err(interactive ? `\r${line}\u001b[K` : `${line}\n`);
  }

  /** Takes the line away, so that words can follow. */
  clear(): void {
    if (this.#shown) this.#streams.err('\r\u001b[K');
    this.#shown = false;
  }

  /** Time that is left, once there is something to tell it from. */
  #left(now: number, done: number, total: number): string {
    const elapsed = now - this.#startedAt;
    if (elapsed < 2000 || done === 0 || done >= total) return '';
    const seconds = Math.ceil(((elapsed / done) * (total - done)) / 1000);
    return `, ${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, '0')} left`;
  }
}
