/** A full copy of a snapshot, sparse, which resumes where an interrupted one stopped. */

import { ftruncateSync } from 'node:fs';
import { Checkpoints } from '../copy/checkpoints.js';
import { compareRuns } from '../copy/compare.js';
import { HOLE_BYTES, WINDOW_BYTES, ZEROS } from '../copy/copy.js';
import type { Pace } from '../copy/pace.js';
import type { BlockRun } from '../cow/runs.js';
import { PIECE_BYTES } from '../cow/runs.js';
import { withErrno } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';

export interface FullCopyOptions {
  readonly syscalls: Syscalls;
  /** Where to resume, in bytes, a multiple of BLOCK_BYTES. */
  readonly cursor: number;
  /** Bytes from one checkpoint to the next; if undefined, as usual. */
  readonly checkpointBytes: number | undefined;
  /** What is before the offset is on disk. */
  readonly onCheckpoint: (cursor: number) => void;
  readonly onProgress: (doneBytes: number) => void;
  /** Limits the rate. */
  readonly pace: Pace | undefined;
}

/** Writes what is not zeros. Returns the bytes written. */
const writeSparse = (target: OpenFile, data: Buffer, offset: number): number => {
  let start = -1;
  let written = 0;
  const flush = (end: number): void => {
    if (start < 0) return;
    target.writeFull(data.subarray(start, end), offset + start);
    written += end - start;
    start = -1;
  };
  for (let at = 0; at < data.length; at += HOLE_BYTES) {
    const part = data.subarray(at, at + HOLE_BYTES);
    if (part.equals(ZEROS.subarray(0, part.length))) flush(at);
    else if (start < 0) start = at;
  }
  flush(data.length);
  return written;
};

/**
 * Copies all of a snapshot into a file. The copy is on disk when this returns.
 *
 * @param bytes size of the snapshot
 * @returns bytes that are not holes, of what was copied now
 * @throws SystemError at the first byte that cannot be read or written
 */
export const copyFull = (source: OpenFile, target: OpenFile, bytes: number, options: FullCopyOptions): number => {
  const { syscalls, cursor, pace } = options;
  withErrno('resize', target.path, () => {
    // What is behind the cursor may be incomplete.
    ftruncateSync(target.fd, cursor);
    ftruncateSync(target.fd, bytes);
  });
  const buffer = Buffer.alloc(pace?.chunkBytes ?? PIECE_BYTES);
  const checkpoints = new Checkpoints(options.checkpointBytes, cursor);
  let advised = cursor;
  let written = 0;
  for (let at = cursor; at < bytes; at += buffer.length) {
    // With a limit of the rate nothing is read ahead: that would be a burst.
    if (!pace && advised - at < WINDOW_BYTES / 2) {
      syscalls.adviseWillNeed(source.fd, advised, WINDOW_BYTES);
      advised += WINDOW_BYTES;
    }
    const data = buffer.subarray(0, Math.min(buffer.length, bytes - at));
    pace?.take(data.length);
    source.readFull(data, at);
    written += writeSparse(target, data, at);
    const end = at + data.length;
    if (end < bytes)
      checkpoints.pass(end, () => {
        target.sync();
        options.onCheckpoint(end);
      });
    options.onProgress(end);
  }
  target.sync();
  return written;
};

/**
 * Compares all of an image, read from the disk, with its snapshot.
 *
 * @returns blocks that differ
 */
export const compareFull = (
  snapshot: OpenFile,
  image: OpenFile,
  bytes: number,
  syscalls: Syscalls,
  onDifference: (run: BlockRun) => void,
  onProgress: (doneBytes: number) => void,
  pace: Pace | undefined,
): number => {
  syscalls.adviseDontNeed(image.fd);
  const all = [{ start: 0, count: Math.ceil(bytes / BLOCK_BYTES) }];
  return compareRuns(snapshot, image, all, bytes, onDifference, onProgress, pace);
};
