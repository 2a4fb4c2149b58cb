/**
 * Progress of a copy: one line that is replaced on a terminal, one line after another in a log, or objects of JSON, one a
 * line, for programs.
 */
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Streams } from './terminal.js';

/** Least time between two updates, in milliseconds. */
const INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 5000;
const JSON_INTERVAL_MS = 1000;
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

/** true: always; false: never; undefined: on a terminal; json: always, for programs. */
export type ProgressKind = boolean | 'json' | undefined;

/** What the option --progress, or --no-progress, has. */
export type ProgressOption = boolean | 'always' | 'json';

/** Adds --progress and --no-progress. */
export const addProgress = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '--progress [how]',
        'show progress even without a terminal; json: as one JSON object a line, on standard error',
      ).choices(['always', 'json']),
    )
    .option('--no-progress', 'do not show progress on a terminal');

/**
 * A command line whose --progress has its value with it: the word after it is its value only if that is `json`, and else what
 * it was before the option took one.
 */
export const withProgressValue = (argv: readonly string[]): string[] => {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  return argv.flatMap((word, at) => {
    if (at < end && word === '--progress') return [`--progress=${argv[at + 1] === 'json' ? 'json' : 'always'}`];
    return at > 0 && at < end && word === 'json' && argv[at - 1] === '--progress' ? [] : [word];
  });
};

export class Progress {
  readonly #streams: Streams;
  readonly #wanted: boolean;
  readonly #isJson: boolean;
  readonly #now: () => number;
  /** Earlier progress, oldest first. */
  #samples: Sample[] = [];
  #total = 0;
  #shownAt = 0;
  #shown = false;

  /** @param now returns the time in milliseconds */
  constructor(streams: Streams, kind?: ProgressKind, now: () => number = Date.now) {
    this.#streams = streams;
    this.#isJson = kind === 'json';
    this.#wanted = kind === undefined ? streams.interactive : kind !== false;
    this.#now = now;
  }

  /** Names the step that begins, for programs; people are shown it by other means. */
  step(text: string): void {
    if (this.#isJson) this.#json({ event: 'step', text });
  }

  /** Shows `done` of `total` bytes, if the last update is long enough ago. */
  update(done: number, total: number): void {
    if (!this.#wanted) return;
    const now = this.#now();
    this.#sample({ time: now, done }, total);
    if (now - this.#shownAt < this.#interval() && done < total) return;
    this.#shownAt = now;
    const left = this.#secondsLeft(now, done, total);
    if (this.#isJson) {
      const rate = this.#rate(now, done);
      const bytes = { done_bytes: done, total_bytes: total, bytes_per_second: rate && Math.round(rate) };
      this.#json({ event: 'progress', ...bytes, seconds_left: left });
    } else this.#line(done, total, left);
  }

  /** Removes the line, so that other text can follow. */
  clear(): void {
    if (this.#shown) this.#streams.err('\r\u001b[K');
    this.#shown = false;
  }

  #interval(): number {
    if (this.#isJson) return JSON_INTERVAL_MS;
    return this.#streams.interactive ? INTERVAL_MS : LOG_INTERVAL_MS;
  }

  /** One object; what is undefined is null. */
  #json(event: Readonly<Record<string, unknown>>): void {
    this.#streams.err(`${JSON.stringify(event, (_key, value: unknown) => value ?? null)}\n`);
  }

  #line(done: number, total: number, left: number | undefined): void {
    const { interactive } = this.#streams;
    this.#shown = interactive;
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    const mib = (bytes: number): string => (bytes / 1048576).toFixed(0);
    const time = left === undefined || left > LEFT_MAX_SECONDS ? '' : `, ${duration(left)} left`;
    const line = `${`${percent}`.padStart(3)} %  ${mib(done)} of ${mib(total)} MiB${time}`;
    this.#streams.err(interactive ? `\r${line}\u001b[K` : `${line}\n`);
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

  /** Bytes per second, once there are enough samples. */
  #rate(now: number, done: number): number | undefined {
    const [first] = this.#samples;
    if (!first || now - first.time < LEAST_MS || done <= first.done) return undefined;
    return ((done - first.done) / (now - first.time)) * 1000;
  }

  #secondsLeft(now: number, done: number, total: number): number | undefined {
    if (done >= total) return undefined;
    const rate = this.#rate(now, done);
    return rate && Math.ceil((total - done) / rate);
  }
}
