/** Standard output that says when it fails: a full disk is an error, a reader that left is not worth a word. */
import { writeSync } from 'node:fs';
import { errnoOf, withErrno } from '../../host/errors.js';
import type { Streams } from './terminal.js';
import { errorLine } from './terminal.js';

const BATCH = 65536;
const [STDOUT, STDERR] = [1, 2];
const [EAGAIN, EPIPE] = [11, 32];
const WAIT_MS = 5;
const STATUS_MAX = 255;

/** Whoever read standard output has closed it. */
export class ReaderGoneError extends Error {}

const writeAll = (bytes: Buffer): void => {
  let done = 0;
  while (done < bytes.length) {
    try {
      done += writeSync(STDOUT, bytes, done);
    } catch (error) {
      if (errnoOf(error) === EPIPE) throw new ReaderGoneError();
      // Somebody else made the pipe non-blocking, and it is full.
      if (errnoOf(error) === EAGAIN) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
      else
        withErrno('write', 'standard output', () => {
          throw error;
        });
    }
  }
};

/** Standard error is the last place to say something: where that fails there is nothing left to do. */
const writeError = (text: string): void => {
  try {
    writeSync(STDERR, text);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
};

export interface ProcessStreams extends Streams {
  /**
   * The exit status of a run: `status`, or `failure` if what a run that went well had to say could not be written; that is
   * told. A reader that left has seen what it wanted.
   *
   * @param failure the errno if left out
   */
  readonly finish: (tool: string, status: number, failure?: number) => number;
}

/** A process has 8 bits for its status: an errno of the driver beyond them must not read as success, or as another one. */
const clamp = (status: number): number => Math.min(status, STATUS_MAX);

/** Streams of a tool whose work goes on whatever becomes of its output. */
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

/** Streams that gather output; `flush` writes what is left. */
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
