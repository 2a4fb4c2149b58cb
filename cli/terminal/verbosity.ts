/** How much a tool prints, the same for all of them. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { secondsSince } from '../../host/system/clock.js';
import { oneLine } from './printable.js';
import type { ProgressKind, ProgressOption } from './progress.js';
import type { Streams } from './terminal.js';

export interface VerbosityOptions {
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly progress?: ProgressOption;
}

/** Adds --quiet and --verbose. */
export const addVerbosity = (command: Command): Command =>
  command
    .addOption(new Option('-q, --quiet', 'print only errors, notices and data that was requested').conflicts('verbose'))
    .option('-v, --verbose', 'print details on standard error, each with the seconds since the start');

/** What prints as much as the options want. */
export interface Voice {
  /** Lines on standard output that nobody has requested as data. */
  readonly say: (text: string) => void;
  /** A detail, without an end of line. */
  readonly detail: (text: string) => void;
  /** Whether progress is shown, as Progress has it. */
  readonly progress: ProgressKind;
}

export const voiceOf = (
  tool: string,
  { quiet, verbose, progress }: VerbosityOptions,
  streams: Pick<Streams, 'out' | 'err'>,
): Voice => {
  const began = performance.now();
  return {
    say: (text) => {
      if (quiet !== true) streams.out(text);
    },
    detail: (text) => {
      if (verbose === true) streams.err(`${tool}: ${secondsSince(began).toFixed(2)} s: ${oneLine(text)}\n`);
    },
    progress: progress === 'always' ? true : (progress ?? (quiet === true ? false : undefined)),
  };
};
