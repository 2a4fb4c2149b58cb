/** How much changed where: the origin laid out in a square along Hilbert's curve. */

import type { BlockRun } from '../../cow/runs.js';
import { hilbertCell } from './hilbert.js';

export class HeatMap {
  readonly side: number;
  readonly nrBlocks: number;
  readonly changedBlocks: number;
  /** Share of each cell's blocks that changed, from 0 to 1, row by row. */
  readonly #shares: Float64Array;

  /**
   * @param runs ascending runs of changed blocks below `nrBlocks`
   * @param nrBlocks blocks of the origin
   * @param orderMax the side is 2^orderMax cells, less if the origin has not as many blocks
   */
  constructor(runs: Iterable<BlockRun>, nrBlocks: number, orderMax: number) {
    const order = Math.max(0, Math.min(orderMax, Math.floor(Math.log2(nrBlocks) / 2)));
    this.side = 2 ** order;
    this.nrBlocks = nrBlocks;
    const cells = this.side ** 2;
    const counts = new Float64Array(cells);
    this.changedBlocks = count(runs, nrBlocks, counts);
    this.#shares = new Float64Array(cells);
    for (let step = 0; step < cells; step++) {
      const { x, y } = hilbertCell(order, step);
      const blocks = firstBlock(step + 1, nrBlocks, cells) - firstBlock(step, nrBlocks, cells);
      this.#shares[y * this.side + x] = blocks === 0 ? 0 : (counts[step] ?? 0) / blocks;
    }
  }

  /** Share of a cell's blocks that changed. */
  share(x: number, y: number): number {
    return this.#shares[y * this.side + x] ?? 0;
  }
}

/** First block of a cell; cells differ by one block at most. */
const firstBlock = (step: number, nrBlocks: number, cells: number): number => Math.ceil((step * nrBlocks) / cells);

/** Adds the blocks of each run to their cells. Returns the number of blocks. */
const count = (runs: Iterable<BlockRun>, nrBlocks: number, counts: Float64Array): number => {
  const cells = counts.length;
  let total = 0;
  for (const run of runs) {
    total += run.count;
    const end = run.start + run.count;
    for (let block = run.start; block < end; ) {
      const step = Math.floor((block * cells) / nrBlocks);
      const next = Math.min(end, firstBlock(step + 1, nrBlocks, cells));
      counts[step] = (counts[step] ?? 0) + (next - block);
      block = next;
    }
  }
  return total;
};
