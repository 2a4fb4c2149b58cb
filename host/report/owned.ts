/** Whose the changed blocks are, by their places. */
import { basename } from 'node:path';
import type { BlockRun } from '../cow/runs.js';
import { joinRuns } from '../cow/runs.js';
import type { InspectedCow } from '../inspect/inspected-cow.js';
import { findOwners } from '../inspect/owners/block-owners.js';
import type { BlockOwner } from '../inspect/owners/owner.js';
import { ownerKey } from '../inspect/owners/owner.js';
import type { HeatMap } from '../inspect/picture/heat-map.js';
import { BLOCK_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';

/** An owner, and its changed bytes. */
export interface Owned {
  readonly owner: BlockOwner;
  readonly bytes: number;
}

/** Bytes of one owner in one cell. */
export interface CellShare extends Owned {
  /** Of the cell, along the curve. */
  readonly step: number;
}

/** Is it one of the COW files? By their names: another file of such a name is taken for one. */
const isCowFile = ({ kind, name }: BlockOwner, cows: readonly InspectedCow[]): boolean =>
  kind === 'file' &&
  name !== undefined &&
  cows.some(({ path, next }) => basename(name) === basename(path) || name === next);

interface Place {
  /** Number of the owner. */
  readonly number: number;
  /** Blocks of the origin; the bounds are fractions where the filesystem has smaller blocks. */
  readonly run: BlockRun;
}

/** Blocks of the origin that belong to the places as a whole. */
const wholeBlocks = (places: readonly Place[]): BlockRun[] => {
  const runs = [...places].sort((a, b) => a.run.start - b.run.start).map(({ run }) => run);
  return [...joinRuns(runs)]
    .map(({ start, count }) => ({ start: Math.ceil(start), end: Math.floor(start + count) }))
    .filter(({ start, end }) => end > start)
    .map(({ start, end }) => ({ start, count: end - start }));
};

/** Owners of changed blocks; those of the COW files are kept apart. */
export class OwnedBlocks {
  readonly filesystem: string;
  /** COW files on the volume, by what they changed. */
  readonly cowFiles: readonly Owned[];
  /** Their blocks, ascending. */
  readonly cowRuns: readonly BlockRun[];
  readonly #owners: Array<{ readonly owner: BlockOwner; bytes: number }> = [];
  readonly #places: readonly Place[];

  /**
   * @param runs ascending runs of changed blocks
   * @throws RefusalError those of findOwners()
   */
  constructor(image: OpenFile, runs: Iterable<BlockRun>, cows: readonly InspectedCow[]) {
    const numbers = new Map<string, number>();
    const found: Array<{ number: number; run: BlockRun }> = [];
    const { filesystem } = findOwners(image, runs, (owner, run) => {
      const key = ownerKey(owner);
      const number = numbers.get(key) ?? this.#owners.push({ owner, bytes: 0 }) - 1;
      numbers.set(key, number);
      found.push({ number, run });
    });
    this.filesystem = filesystem.type;
    const ratio = filesystem.blockBytes / BLOCK_BYTES;
    const places = found.map(({ number, run }) => ({
      number,
      run: { start: run.start * ratio, count: run.count * ratio },
    }));
    for (const { number, run } of places) this.#owners[number]!.bytes += run.count * BLOCK_BYTES;
    const isCow = this.#owners.map(({ owner }) => isCowFile(owner, cows));
    this.cowFiles = this.#owners.filter((_, number) => isCow[number]);
    this.cowRuns = wholeBlocks(places.filter(({ number }) => isCow[number]));
    this.#places = places.filter(({ number }) => !isCow[number]);
  }

  /** Owners but the COW files; those of the most bytes first. */
  owners(): Owned[] {
    return this.#owners.filter((owned) => !this.cowFiles.includes(owned)).sort((a, b) => b.bytes - a.bytes);
  }

  /** What each owner but the COW files has of the cells of a map; those of the most bytes first within a cell. */
  cells(map: HeatMap): CellShare[] {
    const cells = new Map<number, Map<number, number>>();
    for (const { number, run } of this.#places) {
      const end = Math.min(run.start + run.count, map.nrBlocks);
      for (const { step, count } of map.parts({ start: run.start, count: end - run.start })) {
        const cell = cells.get(step) ?? new Map<number, number>();
        cells.set(step, cell.set(number, (cell.get(number) ?? 0) + count * BLOCK_BYTES));
      }
    }
    return [...cells].flatMap(([step, cell]) =>
      [...cell]
        .sort(([, bytes], [, other]) => other - bytes)
        .map(([number, bytes]) => ({ step, bytes, owner: this.#owners[number]!.owner })),
    );
  }
}
