/** Compares an image with a snapshot: blocks that changed, all of them, or a sample of those that did not change. */

import type { BlockRun, Piece } from '../cow/runs.js';
import { PIECE_BYTES, toPieces } from '../cow/runs.js';
import { BLOCK_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import type { Pace } from './pace.js';

/**
 * A reproducible sequence of numbers.
 *
 * @returns a function that returns an integer from 0 to below its argument
 */
export const randomNumbers = (seed: number): ((below: number) => number) => {
  // SplitMix32: small, and good enough to choose blocks with.
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  return (below) => Math.floor(((next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53) * below);
};

/**
 * Chooses blocks that are in none of the runs: one in each of `count` parts of equal length. Nothing is kept in memory.
 *
 * @param runs ascending
 * @param listedBlocks blocks of the runs
 * @param nrBlocks number of all blocks
 * @param count number of blocks to choose, at most as many as are unlisted
 * @param random returns an integer from 0 to below its argument
 * @yields runs of single blocks, ascending
 */
export function* sampleUnlisted(
  runs: Iterable<BlockRun>,
  listedBlocks: number,
  nrBlocks: number,
  count: number,
  random: (below: number) => number,
): Generator<BlockRun> {
  const unlisted = nrBlocks - listedBlocks;
  const step = unlisted / count;
  const all = runs[Symbol.iterator]();
  let next = all.next();
  // The rank of an unlisted block is its number less the blocks listed before it.
  let listed = 0;
  for (let part = 0, start = 0; part < count; part++) {
    const end = part + 1 === count ? unlisted : Math.max(start + 1, Math.floor((part + 1) * step));
    const rank = start + random(end - start);
    for (; !next.done && next.value.start - listed <= rank; next = all.next()) listed += next.value.count;
    yield { start: rank + listed, count: 1 };
    start = end;
  }
}

/** Number of blocks that sampleUnlisted() can choose, at most as many as requested. */
export const sampleSize = (listedBlocks: number, nrBlocks: number, asked: number): number =>
  Math.min(asked, nrBlocks - listedBlocks);

/** What is compared with a snapshot. */
export interface Compared {
  readFull(target: Uint8Array, offset: number): void;
  /** readFull() is called for this range once it was called for all that were announced before. */
  expect?(offset: number, bytes: number): void;
}

/** What is announced and not read yet: at most so many pieces, and so many bytes. */
const AHEAD_PIECES = 64;
const AHEAD_BYTES = 4 * PIECE_BYTES;

/** Passes pieces on, once the next ones are announced: a place that is far away sends them meanwhile. */
function* announced(pieces: Iterable<Piece>, image: Compared): Generator<Piece> {
  const queue: Piece[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    image.expect?.(piece.offset, piece.bytes);
    queue.push(piece);
    bytes += piece.bytes;
    while (queue.length > AHEAD_PIECES || bytes > AHEAD_BYTES) {
      const first = queue.shift()!;
      bytes -= first.bytes;
      yield first;
    }
  }
  yield* queue;
}

/**
 * Reads blocks of both files and compares them.
 *
 * @param bytes size of the snapshot
 * @param onDifference called for each run of blocks that differ, ascending
 * @param pace limits the rate
 * @returns blocks that differ
 * @throws SystemError if one of them cannot be read
 */
export const compareRuns = (
  snapshot: OpenFile,
  image: Compared,
  runs: Iterable<BlockRun>,
  bytes: number,
  onDifference: (run: BlockRun) => void,
  onProgress: (bytes: number) => void = () => undefined,
  pace?: Pace,
): number => {
  const left = Buffer.alloc(PIECE_BYTES);
  const right = Buffer.alloc(PIECE_BYTES);
  let open: { start: number; count: number } | undefined;
  let differing = 0;
  let done = 0;
  const note = (block: number): void => {
    differing++;
    if (open && open.start + open.count === block) {
      open.count++;
      return;
    }
    if (open) onDifference(open);
    open = { start: block, count: 1 };
  };
  const pieces = announced(toPieces(runs, bytes), image);
  for (const piece of pace ? pace.paced(pieces) : pieces) {
    const [wanted, found] = [left.subarray(0, piece.bytes), right.subarray(0, piece.bytes)];
    snapshot.readFull(wanted, piece.offset);
    image.readFull(found, piece.offset);
    const same = wanted.equals(found);
    for (let at = 0; !same && at < piece.bytes; at += BLOCK_BYTES) {
      const end = Math.min(piece.bytes, at + BLOCK_BYTES);
      if (wanted.compare(found, at, end, at, end) !== 0) note((piece.offset + at) / BLOCK_BYTES);
    }
    done += piece.bytes;
    onProgress(done);
  }
  if (open) onDifference(open);
  return differing;
};
