/** What the tools share: where bytes go, and how errors read. */
import { SystemError } from '../host/errors.js';

/** Standard streams of a tool, so that it can be run without a process. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Standard error is a terminal. */
  readonly interactive: boolean;
}

export const processStreams = (): Streams => ({
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  interactive: process.stderr.isTTY === true,
});

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
