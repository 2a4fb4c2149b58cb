/** What the tools share: where bytes go, and how errors read. */

import type { Command } from 'commander';
import { CommanderError } from 'commander';
import { EINVAL, errnoOf, RefusalError, SystemError } from '../../host/errors.js';
import { oneLine } from './printable.js';

/** Standard streams of a tool, so that it can be run without a process. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Standard error is a terminal. */
  readonly interactive: boolean;
}

/** Value of JSON.stringify's second argument: 64-bit integers are numbers where a number holds them, else digits. */
export const jsonInteger = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'bigint') return value;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
    ? Number(value)
    : `${value}`;
};

/** Writes a value as one line of JSON. */
export const printJson = (value: unknown, streams: Streams): void =>
  streams.out(`${JSON.stringify(value, jsonInteger)}\n`);

/** One line about an error; a bug shows where it is. */
export const errorLine = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const expected = error instanceof SystemError || error.name === 'RefusalError' || error instanceof SyntaxError;
  return expected ? oneLine(error.message) : (error.stack ?? error.message);
};

/** One line about a command line that is wrong: what, and what was expected. */
export const usageLine = (tool: string, error: CommanderError): string => {
  const [first = ''] = error.message.replace(/^error: /, '').split('\n');
  // commander says what it expects in some messages, as a sentence of its own.
  const what = first.replace(/\. [Ee]xpected /, ', expected ').replace(/ but got \d+\.$/, '');
  const expected = what.includes(', expected ') ? '' : `; hint: ${tool} --help`;
  return `${tool}: cannot read the command line: ${what}${expected}\n`;
};

/** Tells that a tool failed: for programs where they asked for it, and for people. */
export const tellFailure = (tool: string, error: unknown, json: boolean | undefined, streams: Streams): void => {
  const code = error instanceof RefusalError ? error.code : undefined;
  if (json) printJson({ error: { code, errno: errnoOf(error), message: errorLine(error) } }, streams);
  streams.err(`${tool}: ${errorLine(error)}\n`);
};

/**
 * Reads the command line of a tool without sub-commands. A wrong one gets the help, then a line of what is wrong.
 *
 * @param wrong says what is wrong with arguments and options that were read, if anything
 * @returns the exit status if that was all, undefined if there is something to run
 */
export const parseCommandLine = (
  program: Command,
  argv: readonly string[],
  streams: Streams,
  wrong: () => string | undefined,
): number | undefined => {
  const refuse = (why: string): number => {
    streams.err(program.helpInformation());
    streams.err(`${program.name()}: ${why}\n`);
    return EINVAL;
  };
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) return refuse(errorLine(error));
    return error.exitCode === 0 ? 0 : refuse(error.message.replace(/^error: /, ''));
  }
  const why = wrong();
  return why === undefined ? undefined : refuse(why);
};
