/** Copies blocks of a snapshot into a restore point. */
import { Checkpoints } from '../copy/checkpoints.js';
import { areZeros, HOLE_BYTES, readAhead } from '../copy/copy.js';
import type { Pace } from '../copy/pace.js';
import type { Piece } from '../cow/runs.js';
import { PIECE_BYTES } from '../cow/runs.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { PointWriter } from './target.js';

export interface PointCopyOptions {
  readonly syscalls: Syscalls;
  /** Limits the rate. */
  readonly pace: Pace | undefined;
  /** Bytes from one checkpoint to the next; if undefined, as usual. */
  readonly checkpointBytes: number | undefined;
  readonly onProgress: (doneBytes: number) => void;
}

export interface PointCopy {
  /** Bytes that were read from the snapshot. */
  readonly copiedBytes: number;
  /** Of these, zeros that are not stored. */
  readonly zeroBytes: number;
}

/** Puts data into a point: runs of zeros are not stored. Returns the bytes of these. */
const put = (writer: PointWriter, data: Buffer, offset: number): number => {
  if (areZeros(data)) {
    writer.zero(offset, data.length);
    return data.length;
  }
  let [start, zeroBytes] = [0, 0];
  const write = (end: number): void => {
    if (end > start) writer.write(data.subarray(start, end), offset + start);
  };
  for (let at = 0; at < data.length; at += HOLE_BYTES) {
    const part = data.subarray(at, at + HOLE_BYTES);
    if (!areZeros(part)) continue;
    write(at);
    writer.zero(offset + at, part.length);
    zeroBytes += part.length;
    start = at + part.length;
  }
  write(data.length);
  return zeroBytes;
};

/**
 * Copies pieces, with checkpoints.
 *
 * @param pieces ascending, those before the writer's cursor left out
 * @throws SystemError at the first byte that cannot be read or written
 */
export const copyToPoint = (
  snapshot: OpenFile,
  writer: PointWriter,
  pieces: Iterable<Piece>,
  { syscalls, pace, checkpointBytes, onProgress }: PointCopyOptions,
): PointCopy => {
  const buffer = Buffer.alloc(PIECE_BYTES);
  const checkpoints = new Checkpoints(checkpointBytes);
  let [copiedBytes, zeroBytes] = [0, 0];
  // With a limit of the rate nothing is read ahead: that would be a burst.
  for (const { offset, bytes } of pace ? pace.paced(pieces) : readAhead(pieces, snapshot, syscalls)) {
    const data = buffer.subarray(0, bytes);
    snapshot.readFull(data, offset);
    zeroBytes += put(writer, data, offset);
    copiedBytes += bytes;
    checkpoints.pass(copiedBytes, () => writer.checkpoint(offset + bytes));
    onProgress(copiedBytes);
  }
  return { copiedBytes, zeroBytes };
};
