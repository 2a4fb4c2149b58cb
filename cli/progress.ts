/** A line on a terminal that says how far a copy is. */
import type { Streams } from './terminal.js';

/** Least time between two updates, in milliseconds. */
const INTERVAL_MS = 100;

export class Progress {
  readonly #streams: Streams;
  #shownAt = 0;
  #shown = false;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** Shows `done` of `total` bytes, if it is time to. */
  update(done: number, total: number): void {
    const now = Date.now();
    if (!this.#streams.interactive || (now - this.#shownAt < INTERVAL_MS && done < total)) return;
    this.#shownAt = now;
    this.#shown = true;
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const mib = (bytes: number): string => (bytes / 1048576).toFixed(0);
    this.#streams.err(`\r${`${percent}`.padStart(3)} %  ${mib(done)} of ${mib(total)} MiB\u001b[K`);
  }

  /** Takes the line away, so that words can follow. */
  clear(): void {
    if (this.#shown) this.#streams.err('\r\u001b[K');
    this.#shown = false;
  }
}
