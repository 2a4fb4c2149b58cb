/** Estimates how long copying pieces of a snapshot takes, from a short sample of reads past the page cache. */

import type { Piece } from '../cow/runs.js';
import { PIECE_BYTES } from '../cow/runs.js';
import { EIO, SystemError } from '../errors.js';
import type { OpenFile } from '../system/files.js';
import { ALIGNMENT, IoQueue } from '../system/io-queue.js';
import type { Syscalls } from '../system/syscalls.js';
import type { Estimate } from './update-estimate.js';
import { estimateUpdate, START_SECONDS } from './update-estimate.js';

export type { Estimate } from './update-estimate.js';

/** Reads in flight: fewer than a copy has, which writes as well. */
const DEPTH = 32;
/** Limits of the sample. */
const SAMPLE_PIECES = 16 * DEPTH;
const SAMPLE_MS = 250;

/** Pieces spread evenly over all of them, in batches that are evenly spread too. */
const chooseSample = (pieces: Iterable<Piece>, total: number): Piece[][] => {
  const step = Math.max(1, total / SAMPLE_PIECES);
  const chosen: Piece[] = [];
  let [at, next] = [0, 0];
  for (const piece of pieces) {
    if (at++ < Math.floor(next)) continue;
    next += step;
    if (piece.bytes % ALIGNMENT === 0) chosen.push(piece);
  }
  const batches = Math.ceil(chosen.length / DEPTH);
  return Array.from({ length: batches }, (_, batch) => chosen.filter((_piece, index) => index % batches === batch));
};

interface Sample {
  readonly pieces: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Reads batches until the time is over. */
const readSample = (file: OpenFile, queue: IoQueue, batches: readonly Piece[][]): Sample => {
  const began = performance.now();
  let [pieces, bytes, milliseconds] = [0, 0, 0];
  for (const batch of batches) {
    batch.forEach((piece, slot) => queue.add({ slot, command: 'read', fd: file.fd, at: slot * PIECE_BYTES, ...piece }));
    for (let left = batch.length; left > 0; ) {
      queue.wait(left, (slot, result) => {
        left--;
        if (result !== batch[slot]?.bytes) throw new SystemError(result < 0 ? -result : EIO, 'read', file.path);
        bytes += result;
      });
    }
    pieces += batch.length;
    milliseconds = performance.now() - began;
    if (milliseconds > SAMPLE_MS) break;
  }
  return { pieces, bytes, seconds: milliseconds / 1000 };
};

/**
 * Estimates.
 *
 * @param pieces returns the pieces to copy, each time it is called
 * @param rate MiB per second, instead of a sample
 * @returns seconds and their basis in words; measured only if the snapshot can be read past the page cache
 * @throws SystemError if the sample cannot be read
 */
export const estimateCopy = (
  snapshot: OpenFile,
  pieces: () => Iterable<Piece>,
  rate: number | undefined,
  syscalls: Syscalls,
): Estimate => {
  let [total, bytes] = [0, 0];
  for (const piece of pieces()) [total, bytes] = [total + 1, bytes + piece.bytes];
  const byRate = (): Estimate => estimateUpdate({ bytes, runs: total }, rate);
  if (rate !== undefined || total === 0) return byRate();
  const file = snapshot.reopenDirect('read');
  if (!file) return byRate();
  let queue: IoQueue | undefined;
  try {
    queue = new IoQueue(syscalls, DEPTH, DEPTH * PIECE_BYTES, snapshot.path);
    const sample = readSample(file, queue, chooseSample(pieces(), total));
    if (sample.pieces === 0) return byRate();
    const seconds = START_SECONDS + (sample.seconds * total) / sample.pieces;
    const what = `${sample.pieces} of ${total} pieces to copy, ${sample.bytes} bytes`;
    const how = `read from the snapshot in ${sample.seconds.toFixed(3)} s, up to ${DEPTH} at once, past the page cache`;
    return { seconds, basis: `${what}, ${how}; writes are assumed to keep up` };
  } finally {
    queue?.close();
    file.close();
  }
};
