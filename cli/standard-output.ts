/** Standard output that says when it fails: a full disk is an error, a reader that left is not worth a word. */
import { writeSync } from 'node:fs';
import { withErrno, errnoOf } from '../host/errors.js';
import type { Streams } from './terminal.js';

const BATCH = 65536;
const STDOUT = 1;
const [EAGAIN, EPIPE] = [11, 32];
const WAIT_MS = 5;

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
    err: (text) => void process.stderr.write(text),
    interactive: process.stderr.isTTY === true,
    flush,
  };
};
