/** What the tools share: streams, JSON, and lines about errors. */

import type { Command } from 'commander';
import { CommanderError } from 'commander';
import { EINVAL, errnoOf, RefusalError, SystemError } from '../../host/errors.js';
import { oneLine } from './printable.js';

/** Streams of a tool, so that it can run without a process of its own. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Standard error is a terminal. */
  readonly interactive: boolean;
}

/** Replacer of JSON.stringify: a 64-bit integer becomes a number if that is exact, else a string of digits. */
export const jsonInteger = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'bigint') return value;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
    ? Number(value)
    : `${value}`;
};

/** Writes a value as one line of JSON. */
export const printJson = (value: unknown, streams: Streams): void =>
  streams.out(`${JSON.stringify(value, jsonInteger)}\n`);

/** One line about an error; for a bug, with its stack. */
export const errorLine = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const expected = error instanceof SystemError || error.name === 'RefusalError' || error instanceof SyntaxError;
  return expected ? oneLine(error.message) : (error.stack ?? error.message);
};

/** One line about a wrong command line: what was found, and what was expected. */
export const usageLine = (tool: string, error: CommanderError): string => {
  const [first = ''] = error.message.replace(/^error: /, '').split('\n');
  // Some messages of commander end with what it expects, as a sentence of its own.
  const what = first.replace(/\. [Ee]xpected /, ', expected ').replace(/ but got \d+\.$/, '');
  const expected = what.includes(', expected ') ? '' : `; hint: ${tool} --help`;
  return `${tool}: cannot read the command line: ${what}${expected}\n`;
};

/** An error as an object of JSON. */
export const failureJson = (error: unknown): { readonly error: unknown } => {
  const code = error instanceof RefusalError ? error.code : undefined;
  return { error: { code, errno: errnoOf(error), message: errorLine(error) } };
};

/** Reports an error on standard error; with --json on standard output too. */
export const reportFailure = (tool: string, error: unknown, json: boolean | undefined, streams: Streams): void => {
  if (json) printJson(failureJson(error), streams);
  streams.err(`${tool}: ${errorLine(error)}\n`);
};

/**
 * Reads the command line of a tool without sub-commands. For a wrong one, prints the help and a line with the reason.
 *
 * @param wrong returns what is wrong with the arguments and options, if anything
 * @returns the exit status if there is nothing to run, else undefined
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
