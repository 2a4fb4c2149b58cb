/** How much changed where: the origin laid out in a square along Hilbert's curve. */

import type { BlockRun } from '../../cow/runs.js';
import { hilbertCell } from './hilbert.js';

/** Blocks of one cell of the map. */
export interface StepPart {
  readonly step: number;
  readonly count: number;
}

export class HeatMap {
  readonly order: number;
  readonly side: number;
  readonly nrBlocks: number;
  readonly changedBlocks: number;
  /** Changed blocks of each cell, along the curve. */
  readonly changed: Float64Array;
  /** Share of each cell's blocks that changed, from 0 to 1, row by row. */
  readonly #shares: Float64Array;

  /**
   * @param runs ascending runs of changed blocks below `nrBlocks`
   * @param nrBlocks blocks of the origin
   * @param orderMax the side is 2^orderMax cells, less if the origin has not as many blocks
   */
  constructor(runs: Iterable<BlockRun>, nrBlocks: number, orderMax: number) {
    this.order = Math.max(0, Math.min(orderMax, Math.floor(Math.log2(nrBlocks) / 2)));
    this.side = 2 ** this.order;
    this.nrBlocks = nrBlocks;
    this.changed = new Float64Array(this.side ** 2);
    let changedBlocks = 0;
    for (const run of runs) {
      changedBlocks += run.count;
      for (const { step, count } of this.parts(run)) this.changed[step]! += count;
    }
    this.changedBlocks = changedBlocks;
    this.#shares = new Float64Array(this.side ** 2);
    for (let step = 0; step < this.changed.length; step++) {
      const { x, y } = hilbertCell(this.order, step);
      this.#shares[y * this.side + x] = this.#shareOf(step, step + 1);
    }
  }

  /** First block of a cell along the curve; cells differ by one block at most. */
  firstBlock(step: number): number {
    return Math.ceil((step * this.nrBlocks) / this.side ** 2);
  }

  /** Share of a cell's blocks that changed. */
  share(x: number, y: number): number {
    return this.#shares[y * this.side + x] ?? 0;
  }

  /** Share of the blocks that changed in equal parts of the origin, by their offsets: as many parts as wanted, or as there are cells. */
  strip(most: number): number[] {
    const columns = Math.min(most, this.changed.length);
    const at = (column: number): number => Math.floor((column * this.changed.length) / columns);
    return Array.from({ length: columns }, (_, column) => this.#shareOf(at(column), at(column + 1)));
  }

  /** Cuts a run where cells end. Its bounds may be fractions, as a filesystem has smaller blocks. */
  *parts({ start, count }: BlockRun): Generator<StepPart> {
    const end = start + count;
    for (let block = start; block < end; ) {
      const step = Math.floor((Math.floor(block) * this.side ** 2) / this.nrBlocks);
      const next = Math.min(end, this.firstBlock(step + 1));
      yield { step, count: next - block };
      block = next;
    }
  }

  #shareOf(from: number, to: number): number {
    const blocks = this.firstBlock(to) - this.firstBlock(from);
    let changed = 0;
    for (let step = from; step < to; step++) changed += this.changed[step] ?? 0;
    return blocks === 0 ? 0 : changed / blocks;
  }
}
