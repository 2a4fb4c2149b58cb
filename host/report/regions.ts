/** Regions of the volume that changed: cells next to each other along the curve, so also on the volume, with one main owner. */
import type { HeatMap } from '../inspect/picture/heat-map.js';
import { BLOCK_BYTES } from '../layout.js';

/** Names of owners in a cell, and their bytes; those of the most bytes first. */
export type CellNames = ReadonlyArray<readonly [name: string, bytes: number]>;

export interface Region {
  /** In bytes. */
  readonly offset: number;
  readonly bytes: number;
  readonly changedBytes: number;
  /** Main owners, those of the most bytes first. */
  readonly names: readonly string[];
}

const REGIONS_MAX = 50;
const NAMES_MAX = 3;

interface OpenRegion {
  readonly first: number;
  last: number;
  changed: number;
  readonly names: Map<string, number>;
}

const regionOf = (map: HeatMap, { first, last, changed, names }: OpenRegion): Region => {
  const offset = map.firstBlock(first) * BLOCK_BYTES;
  const main = [...names].sort(([, bytes], [, other]) => other - bytes).slice(0, NAMES_MAX);
  return {
    offset,
    bytes: map.firstBlock(last + 1) * BLOCK_BYTES - offset,
    changedBytes: changed * BLOCK_BYTES,
    names: main.map(([name]) => name),
  };
};

/**
 * The regions with the most changes.
 *
 * @param cells names by cells; a cell that is missing has none
 * @returns the largest, by changed bytes, and the number of all
 */
export const largestRegions = (
  map: HeatMap,
  cells: ReadonlyMap<number, CellNames>,
): { readonly regions: readonly Region[]; readonly count: number } => {
  const all: OpenRegion[] = [];
  let main: string | undefined;
  map.changed.forEach((changed, step) => {
    if (changed === 0) return;
    const names = cells.get(step) ?? [];
    let open = all.at(-1);
    if (open?.last !== step - 1 || main !== names[0]?.[0]) {
      open = { first: step, last: step, changed: 0, names: new Map() };
      all.push(open);
      main = names[0]?.[0];
    }
    open.last = step;
    open.changed += changed;
    for (const [name, bytes] of names) open.names.set(name, (open.names.get(name) ?? 0) + bytes);
  });
  const regions = all.sort((a, b) => b.changed - a.changed).slice(0, REGIONS_MAX);
  return { regions: regions.map((region) => regionOf(map, region)), count: all.length };
};
