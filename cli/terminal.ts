/** What the tools share: where bytes go, and how errors read. */
import type { CommanderError } from 'commander';
import { SystemError } from '../host/errors.js';

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

/** One line about an error; a bug shows where it is. */
export const errorLine = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const expected = error instanceof SystemError || error.name === 'RefusalError' || error instanceof SyntaxError;
  return expected ? error.message : (error.stack ?? error.message);
};

/** One line about a command line that is wrong: what, and what was expected. */
export const usageLine = (tool: string, error: CommanderError): string => {
  const [first = ''] = error.message.replace(/^error: /, '').split('\n');
  // commander says what it expects in some messages, as a sentence of its own.
  const what = first.replace(/\. [Ee]xpected /, ', expected ').replace(/ but got \d+\.$/, '');
  const expected = what.includes(', expected ') ? '' : `, expected what ${tool} --help tells`;
  return `${tool}: Cannot read the command line: ${what}${expected}\n`;
};
