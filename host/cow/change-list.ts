/** The blocks that one or several COW files list, walked as often as needed and never kept. */

import { RefusalError } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import type { CowFile } from './cow-file.js';
import type { BlockRun, Piece } from './runs.js';
import { toPieces } from './runs.js';

/** Two ascending sequences of runs as one without overlap. */
export function* mergeRuns(left: Iterable<BlockRun>, right: Iterable<BlockRun>): Generator<BlockRun> {
  const [a, b] = [left[Symbol.iterator](), right[Symbol.iterator]()];
  let [nextA, nextB] = [a.next(), b.next()];
  let end = 0;
  while (!nextA.done || !nextB.done) {
    let run: BlockRun;
    if (!nextA.done && (nextB.done || nextA.value.start <= nextB.value.start)) {
      run = nextA.value;
      nextA = a.next();
    } else if (!nextB.done) {
      run = nextB.value;
      nextB = b.next();
    } else {
      return;
    }
    const start = Math.max(run.start, end);
    const runEnd = run.start + run.count;
    if (runEnd > start) yield { start, count: runEnd - start };
    end = Math.max(end, runEnd);
  }
}

const mergeAll = ([first, ...more]: ReadonlyArray<Iterable<BlockRun>>): Iterable<BlockRun> =>
  more.reduce((merged, runs) => mergeRuns(merged, runs), first ?? []);

/** The same runs; `onBlocks` is called with the number of blocks of each. */
function* counted(runs: Iterable<BlockRun>, onBlocks: (count: number) => void): Generator<BlockRun> {
  for (const run of runs) {
    onBlocks(run.count);
    yield run;
  }
}

/** The blocks to copy. */
export class ChangeList {
  readonly #files: readonly CowFile[];
  /** Size of the snapshot, in bytes. */
  readonly #bytes: number;
  readonly snapshotBlocks: number;
  readonly changedBlocks: number;
  readonly changedBytes: number;

  /**
   * Walks the files once, to count the blocks and to check them before the first is copied.
   *
   * @param path of the files, for the error
   * @throws RefusalError INDEX_BEYOND_END, COUNTER_MISMATCH
   */
  constructor(files: readonly CowFile[], path: string, bytes: number) {
    this.#files = files;
    this.#bytes = bytes;
    this.snapshotBlocks = Math.ceil(bytes / BLOCK_BYTES);
    let [changedBlocks, changedBytes] = [0, 0];
    const listed = files.map(() => 0);
    const lists = files.map((file, index) =>
      counted(file.changedRuns(), (count) => {
        listed[index] = (listed[index] ?? 0) + count;
      }),
    );
    for (const { start, count } of mergeAll(lists)) {
      if (start + count > this.snapshotBlocks) {
        const last = start + count - 1;
        const message = `cannot use ${path}: it lists block ${last}, expected less than ${this.snapshotBlocks}`;
        throw new RefusalError('INDEX_BEYOND_END', message);
      }
      changedBlocks += count;
      changedBytes += Math.min((start + count) * BLOCK_BYTES, bytes) - start * BLOCK_BYTES;
    }
    files.forEach((file, index) => file.requireCount(listed[index] ?? 0));
    this.changedBlocks = changedBlocks;
    this.changedBytes = changedBytes;
  }

  /** Ascending runs; neighbours may touch. */
  runs(): Iterable<BlockRun> {
    return mergeAll(this.#files.map((file) => file.changedRuns()));
  }

  /** Pieces to copy, those that end at or before `cursor` left out. */
  *pieces(cursor = 0): Generator<Piece> {
    for (const piece of toPieces(this.runs(), this.#bytes)) if (piece.offset + piece.bytes > cursor) yield piece;
  }
}
