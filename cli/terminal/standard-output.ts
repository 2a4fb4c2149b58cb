/** Standard output with errors: a full disk is one, a closed pipe is not reported. */
import { writeSync } from 'node:fs';
import { errnoOf, withErrno } from '../../host/errors.js';
import type { Streams } from './terminal.js';
import { errorLine } from './terminal.js';

const BATCH = 65536;
const [STDOUT, STDERR] = [1, 2];
const [EAGAIN, EPIPE] = [11, 32];
const WAIT_MS = 5;
const STATUS_MAX = 255;

/** The reader of standard output has closed it. */
export class ReaderGoneError extends Error {}

const writeAll = (bytes: Buffer): void => {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(STDOUT, bytes, done);
    } catch (error) {
      if (errnoOf(error) === EPIPE) throw new ReaderGoneError();
      // Another process made the pipe non-blocking, and it is full.
      if (errnoOf(error) === EAGAIN) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
      else
        withErrno('write', 'standard output', () => {
          throw error;
        });
    }
  }
};

/** Writes to standard error. Its own errors are ignored: there is nowhere else to report them. */
const writeError = (text: string): void => {
  try {
    writeSync(STDERR, text);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
};

export interface ProcessStreams extends Streams {
  /**
   * The exit status of a run: `status`, or `failure` if the run succeeded but its output could not be written, which is
   * reported. A reader that closed the pipe has read what it wanted: no failure.
   *
   * @param failure if left out, the errno
   */
  readonly finish: (tool: string, status: number, failure?: number) => number;
}

/** A status has 8 bits: a larger errno of the driver must not become success or another errno. */
const clamp = (status: number): number => Math.min(status, STATUS_MAX);

/** Streams of a tool that continues its work even if its output cannot be written. */
export const processStreams = (): ProcessStreams => {
  let trouble: unknown;
  return {
    out: (text) => {
      if (trouble !== undefined) return;
      try {
        writeAll(Buffer.from(text));
      } catch (error) {
        trouble = error;
      }
    },
    err: writeError,
    interactive: process.stderr.isTTY === true,
    finish: (tool, status, failure) => {
      if (trouble === undefined || trouble instanceof ReaderGoneError) return clamp(status);
      writeError(`${tool}: ${errorLine(trouble)}\n`);
      return clamp(status === 0 ? (failure ?? errnoOf(trouble) ?? 1) : status);
    },
  };
};

/** Streams that collect output; `flush` writes the rest. */
export const batchedStreams = (): Streams & { readonly flush: () => void } => {
  let parts: string[] = [];
  let length = 0;
  const flush = (): void => {
    const text = parts.join('');
    [parts, length] = [[], 0];
    writeAll(Buffer.from(text));
  };
  return {
    out: (text) => {
      parts.push(text);
      length += text.length;
      if (length >= BATCH) flush();
    },
    err: writeError,
    interactive: process.stderr.isTTY === true,
    flush,
  };
};
