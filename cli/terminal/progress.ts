/** Progress of a copy: one line that is replaced on a terminal, or one line after another in a log. */
import type { Streams } from './terminal.js';

/** Least time between two updates, in milliseconds. */
const INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 5000;
/** Window in milliseconds whose rate the estimate of the time left uses; before that there is no estimate. */
const WINDOW_MS = 30_000;
const LEAST_MS = 2000;
const SAMPLE_MS = 500;
/** A longer estimate is only a guess, and is not shown. */
const LEFT_MAX_SECONDS = 100 * 3600;

interface Sample {
  readonly time: number;
  readonly done: number;
}

const twoDigits = (value: number): string => `${value}`.padStart(2, '0');

/** Seconds as minutes and seconds, or as hours and minutes. */
const duration = (seconds: number): string =>
  seconds < 3600
    ? `${Math.floor(seconds / 60)}:${twoDigits(seconds % 60)}`
    : `${Math.floor(seconds / 3600)} h ${twoDigits(Math.floor((seconds % 3600) / 60))} min`;

export class Progress {
  readonly #streams: Streams;
  readonly #wanted: boolean;
  readonly #now: () => number;
  /** Earlier progress, oldest first. */
  #samples: Sample[] = [];
  #total = 0;
  #shownAt = 0;
  #shown = false;

  /**
   * @param wanted true: always; false: never; undefined: on a terminal
   * @param now returns the time in milliseconds
   */
  constructor(streams: Streams, wanted?: boolean, now: () => number = Date.now) {
    this.#streams = streams;
    this.#wanted = wanted ?? streams.interactive;
    this.#now = now;
  }

  /** Shows `done` of `total` bytes, if the last update is long enough ago. */
  update(done: number, total: number): void {
    if (!this.#wanted) return;
    const { interactive } = this.#streams;
    const now = this.#now();
    this.#sample({ time: now, done }, total);
    const interval = interactive ? INTERVAL_MS : LOG_INTERVAL_MS;
    if (now - this.#shownAt < interval && done < total) return;
    this.#shownAt = now;
    this.#shown = interactive;
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const mib = (bytes: number): string => (bytes / 1048576).toFixed(0);
    const line = `${`${percent}`.padStart(3)} %  ${mib(done)} of ${mib(total)} MiB${this.#left(now, done, total)}`;
    this.#streams.err(interactive ? `\r${line}\u001b[K` : `${line}\n`);
  }

  /** Removes the line, so that other text can follow. */
  clear(): void {
    if (this.#shown) this.#streams.err('\r\u001b[K');
    this.#shown = false;
  }

  #sample(sample: Sample, total: number): void {
    const last = this.#samples.at(-1);
    // Another copy has begun, with a speed of its own.
    if (total !== this.#total || (last && sample.done < last.done)) this.#samples = [];
    this.#total = total;
    if (this.#samples.length > 0 && last && sample.time - last.time < SAMPLE_MS) return;
    this.#samples.push(sample);
    while (sample.time - (this.#samples[1]?.time ?? sample.time) >= WINDOW_MS) this.#samples.shift();
  }

  /** Time left, once there are enough samples. */
  #left(now: number, done: number, total: number): string {
    const [first] = this.#samples;
    if (!first || now - first.time < LEAST_MS || done <= first.done || done >= total) return '';
    const seconds = Math.ceil((((now - first.time) / (done - first.done)) * (total - done)) / 1000);
    return seconds > LEFT_MAX_SECONDS ? '' : `, ${duration(seconds)} left`;
  }
}
