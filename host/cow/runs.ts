/** Runs of blocks: joined, counted, two lists side by side, and cut into pieces to read. */
import { BLOCK_BYTES } from '../layout.js';

/** Consecutive blocks of the origin. */
export interface BlockRun {
  readonly start: number;
  readonly count: number;
}

/** Joins runs that touch. `runs` is ascending. */
export function* joinRuns(runs: Iterable<BlockRun>): Generator<BlockRun> {
  let start = 0;
  let count = 0;
  for (const run of runs) {
    if (count > 0 && start + count === run.start) {
      count += run.count;
      continue;
    }
    if (count > 0) yield { start, count };
    ({ start, count } = run);
  }
  if (count > 0) yield { start, count };
}

/** In which of two lists blocks are. */
export type Side = 'a' | 'b' | 'both';

export interface SidedRun extends BlockRun {
  readonly side: Side;
}

/** The rest of an ascending list, from a block on. */
class Rest {
  readonly #runs: Iterator<BlockRun>;
  start = Infinity;
  end = Infinity;

  constructor(runs: Iterable<BlockRun>) {
    this.#runs = runs[Symbol.iterator]();
    this.#next();
  }

  /** Drops what lies before `block`, which is not beyond the end of the first run. */
  skipTo(block: number): void {
    if (block < this.end) this.start = Math.max(this.start, block);
    else this.#next();
  }

  #next(): void {
    const { done, value } = this.#runs.next();
    [this.start, this.end] = done ? [Infinity, Infinity] : [value.start, value.start + value.count];
  }
}

/**
 * Compares two ascending lists of joined runs.
 *
 * @returns ascending runs of blocks that are in one list or in both
 */
export function* compareRuns(a: Iterable<BlockRun>, b: Iterable<BlockRun>): Generator<SidedRun> {
  const [left, right] = [new Rest(a), new Rest(b)];
  for (;;) {
    const start = Math.min(left.start, right.start);
    if (start === Infinity) return;
    const side: Side = left.start === right.start ? 'both' : left.start < right.start ? 'a' : 'b';
    const end =
      side === 'both'
        ? Math.min(left.end, right.end)
        : side === 'a'
          ? Math.min(left.end, right.start)
          : Math.min(right.end, left.start);
    yield { start, count: end - start, side };
    if (side !== 'b') left.skipTo(end);
    if (side !== 'a') right.skipTo(end);
  }
}

/** Blocks that are in any of the lists; each is ascending and joined, and so is the result. */
export const unionRuns = (lists: ReadonlyArray<Iterable<BlockRun>>): Iterable<BlockRun> =>
  lists.reduce((all, list) => joinRuns(compareRuns(all, list)));

/** Blocks of `runs` that are not in `others`; both are ascending and joined, and so is the result. */
export function* runsWithout(runs: Iterable<BlockRun>, others: Iterable<BlockRun>): Generator<BlockRun> {
  for (const { side, start, count } of compareRuns(runs, others)) if (side === 'a') yield { start, count };
}

/** Consecutive bytes. */
export interface Piece {
  readonly offset: number;
  readonly bytes: number;
}

/** Largest read. Larger ones were no faster. */
export const PIECE_BYTES = 1048576;

/**
 * Joins runs that touch, and cuts them into pieces.
 *
 * @param runs ascending runs of blocks
 * @param end size of the source in bytes; a partial last block is cut there
 */
export function* toPieces(runs: Iterable<BlockRun>, end: number): Generator<Piece> {
  let offset = 0;
  let bytes = 0;
  for (const run of runs) {
    const from = run.start * BLOCK_BYTES;
    let left = Math.min(run.count * BLOCK_BYTES, end - from);
    if (bytes > 0 && offset + bytes !== from) {
      yield { offset, bytes };
      bytes = 0;
    }
    if (bytes === 0) offset = from;
    while (left > 0) {
      const taken = Math.min(left, PIECE_BYTES - bytes);
      bytes += taken;
      left -= taken;
      if (bytes === PIECE_BYTES) {
        yield { offset, bytes };
        offset += bytes;
        bytes = 0;
      }
    }
  }
  if (bytes > 0) yield { offset, bytes };
}
