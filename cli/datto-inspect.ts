/**
 * datto-inspect: looks into COW files, on any machine.
 *
 * Exit status: 0; 1 for an error; 2 for a wrong command line; 3 if `check` found violations.
 */
import { CommanderError } from 'commander';
import { inspectProgram } from './inspect/program.js';
import { ReaderGoneError } from './terminal/standard-output.js';
import type { Streams } from './terminal/terminal.js';
import { reportFailure, usageLine } from './terminal/terminal.js';

export { inspectProgram as makeProgram } from './inspect/program.js';

export const FAILED = 1;
export const USAGE = 2;

const report = (error: unknown, argv: readonly string[], streams: Streams): number => {
  if (error instanceof ReaderGoneError) return FAILED;
  reportFailure('datto-inspect', error, argv.includes('--json'), streams);
  return FAILED;
};

/**
 * Runs datto-inspect.
 *
 * @param argv arguments without the program
 * @returns the exit status
 */
export const dattoInspect = (argv: readonly string[], streams: Streams): number => {
  let status = 0;
  const program = inspectProgram(streams, (exitStatus) => (status = exitStatus));
  try {
    if (argv.length === 0) throw new CommanderError(USAGE, 'usage', 'no sub-command');
    program.parse(argv, { from: 'user' });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(error, argv, streams);
    if (error.exitCode === 0) return 0;
    streams.err(usageLine('datto-inspect', error));
    return USAGE;
  }
};
