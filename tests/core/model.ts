// A plain model of the core: arrays with one element per block, and no idea of words, slots or eviction.

import { BLOCK_SECTORS, PLAN_RUNS_MAX } from '../../host/layout.js';
import { COW, ORIGIN, type Run, ZERO } from './harness.js';

export class Model {
  readonly nrBlocks: number;
  readonly nrSections: number;
  readonly dataPosition: number;
  readonly changed: Uint8Array;
  readonly masked: Uint8Array;
  /** Position per block, 0 if it is not copied. */
  readonly position: Uint32Array;
  incremental = false;
  fpos: number;
  fsize: number;
  nrChanged = 0;

  constructor(
    readonly nrSectors: number,
    fsize: number,
  ) {
    this.nrBlocks = Math.ceil(nrSectors / BLOCK_SECTORS);
    this.nrSections = Math.ceil(Math.floor(nrSectors / BLOCK_SECTORS) / 4096);
    this.dataPosition = 1 + 8 * this.nrSections;
    this.changed = new Uint8Array(this.nrBlocks);
    this.masked = new Uint8Array(this.nrBlocks);
    this.position = new Uint32Array(this.nrBlocks);
    this.fpos = this.dataPosition;
    this.fsize = fsize;
  }

  /** Blocks [first, end) that a range of sectors touches. */
  touched(sector: number, nrSectors: number): [first: number, end: number] {
    const sectorsEnd = Math.min(sector + nrSectors, this.nrSectors);
    if (sectorsEnd <= sector) return [0, 0];
    return [Math.floor(sector / BLOCK_SECTORS), Math.ceil(sectorsEnd / BLOCK_SECTORS)];
  }

  /** Sets `changed` where `which` says so, in [first, end). Returns how many were new. */
  #set(first: number, end: number, which: (block: number) => boolean): number {
    let nr = 0;
    for (let block = first; block < Math.min(end, this.nrBlocks); block++) {
      if (this.changed[block] || !which(block)) continue;
      this.changed[block] = 1;
      nr++;
    }
    this.nrChanged += nr;
    return nr;
  }

  mark(sector: number, nrSectors: number): number {
    return this.#set(...this.touched(sector, nrSectors), () => true);
  }

  markUnmasked(block: number, count: number): number {
    return this.#set(block, block + count, (candidate) => !this.masked[candidate]);
  }

  unmask(block: number, count: number): void {
    this.masked.fill(0, block, block + count);
  }

  mask(block: number, count: number): void {
    this.masked.fill(1, block, block + count);
  }

  isCopied(sector: number, nrSectors: number): boolean {
    const [first, end] = this.touched(sector, nrSectors);
    for (let block = first; block < end; block++) if (!this.changed[block]) return false;
    return true;
  }

  /** Number of blocks that ranges, sorted by sector, touch. */
  touchedBlocks(ranges: readonly (readonly [number, number])[]): number {
    let next = 0;
    let nr = 0;
    for (const [sector, nrSectors] of ranges) {
      const [first, end] = this.touched(sector, nrSectors);
      nr += Math.max(0, end - Math.max(first, next));
      next = Math.max(next, end);
    }
    return nr;
  }

  /** Runs of uncopied blocks under the ranges, at most `maxBlocks` blocks and PLAN_RUNS_MAX runs. */
  planCopy(ranges: readonly (readonly [number, number])[], maxBlocks: number): Run[] {
    const wanted = new Set<number>();
    for (const [sector, nrSectors] of ranges) {
      const [first, end] = this.touched(sector, nrSectors);
      for (let block = first; block < end; block++) if (!this.changed[block]) wanted.add(block);
    }
    const blocks = [...wanted].sort((a, b) => a - b).slice(0, maxBlocks);
    return joined(blocks.map((block) => [block, this.masked[block] ? ZERO : ORIGIN])).slice(0, PLAN_RUNS_MAX);
  }

  /** Blocks that can be committed from `block` on, as far as room and copies made before allow. */
  committable(block: number, count: number): number {
    const room = Math.max(0, Math.ceil(this.fsize / 4096) - this.fpos);
    const end = Math.min(block + count, block + room, this.nrBlocks);
    let at = block;
    while (at < end && !this.changed[at]) at++;
    return at - block;
  }

  commit(block: number, count: number): void {
    for (let at = block; at < block + count; at++) this.position[at] = this.fpos++;
    this.#set(block, block + count, () => true);
  }

  /** Runs of [first, end), or up to the first block that was marked without being copied. */
  planRead(first: number, end: number): Run[] {
    const pieces: [number, number][] = [];
    for (let block = first; block < end; block++) {
      if (!this.changed[block]) pieces.push([block, this.masked[block] ? ZERO : ORIGIN]);
      else if (this.position[block]) pieces.push([this.position[block]!, COW]);
      else break;
    }
    return joined(pieces);
  }

  changedRuns(from: number): Run[] {
    const pieces: [number, number][] = [];
    for (let block = from; block < this.nrBlocks; block++) if (this.changed[block]) pieces.push([block, 0]);
    return joined(pieces);
  }

  /** What the file holds of a section. */
  section(section: number): number[] {
    return Array.from({ length: 4096 }, (_, i) => {
      const block = section * 4096 + i;
      return (this.incremental ? this.changed[block] : this.position[block]) ?? 0;
    });
  }
}

const joined = (pieces: readonly (readonly [start: number, kind: number])[]): Run[] => {
  const runs: [number, number, number][] = [];
  for (const [start, kind] of pieces) {
    const last = runs.at(-1);
    if (last && last[2] === kind && last[0] + last[1] === start) last[1]++;
    else runs.push([start, 1, kind]);
  }
  return runs;
};
