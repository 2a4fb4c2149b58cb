/** What COW files of one series say, together: the data of a report. */
import type { RunStatistics } from '../cow/run-statistics.js';
import { countRuns } from '../cow/run-statistics.js';
import type { BlockRun } from '../cow/runs.js';
import { runsWithout, unionRuns } from '../cow/runs.js';
import { RefusalError } from '../errors.js';
import { assumption } from '../inspect/geometry.js';
import type { InspectedCow, ListOptions } from '../inspect/inspected-cow.js';
import type { BlockOwner } from '../inspect/owners/owner.js';
import { HeatMap } from '../inspect/picture/heat-map.js';
import { BLOCK_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import type { FileReport, Named } from './files.js';
import { FREE, fileReport } from './files.js';
import { OwnedBlocks } from './owned.js';
import type { CellNames, Region } from './regions.js';
import { largestRegions } from './regions.js';

/** What changed from one snapshot to the next, or since the last one. */
export interface Point {
  readonly path: string;
  readonly sequence: bigint;
  readonly incremental: boolean;
  readonly fileBytes: number;
  /** Without those of the COW files, where they are known. */
  readonly changedBlocks: number;
}

/** Owners of the changed blocks, or in words why they are not known. */
export type Owners =
  | { readonly filesystem: string; readonly files: FileReport; readonly cowFiles: readonly Named[] }
  | { readonly why: string };

export interface Report {
  /** 32 hex digits. */
  readonly series: string;
  /** In the order of their snapshots; at least one. */
  readonly points: readonly Point[];
  readonly nrBlocks: number;
  /** What was assumed of the volume's size. */
  readonly assumed: string | undefined;
  /** Blocks that changed in any of the points, each counted once. */
  readonly changed: RunStatistics;
  readonly map: HeatMap;
  /** Owners of cells, by their steps along the curve. */
  readonly cells: ReadonlyMap<number, CellNames>;
  readonly regions: readonly Region[];
  readonly nrRegions: number;
  readonly owners: Owners;
  /** Blocks of the COW files, which are in no other figure. */
  readonly cowBlocks: number;
}

/** A side of 2^6 cells. */
const ORDER_MAX = 6;
const CELL_NAMES_MAX = 3;
const SMALLER = 'smaller files';
/** Reasons for which there are no names, and everything else. */
const NO_OWNERS = new Set(['FILESYSTEM_UNKNOWN', 'PROGRAM_MISSING', 'PROGRAM_FAILED', 'TOO_MUCH']);

const ownedOf = (
  image: OpenFile | undefined,
  runs: Iterable<BlockRun>,
  cows: readonly InspectedCow[],
): OwnedBlocks | string => {
  if (!image) return 'no image was given';
  try {
    return new OwnedBlocks(image, runs, cows);
  } catch (error) {
    if (error instanceof RefusalError && NO_OWNERS.has(error.code)) return error.message;
    throw error;
  }
};

/** Names of the cells' owners: those of the files that the report has, and one for all others. */
const cellNames = (
  owned: OwnedBlocks,
  map: HeatMap,
  files: FileReport,
  textOf: (owner: BlockOwner) => string,
): Map<number, CellNames> => {
  const known = new Set([...files.files, ...files.metadata].map(({ name }) => name));
  const cells = new Map<number, Map<string, number>>();
  for (const { step, owner, bytes } of owned.cells(map)) {
    const text = textOf(owner);
    const name = known.has(text) ? text : SMALLER;
    const names = cells.get(step) ?? new Map<string, number>();
    cells.set(step, names.set(name, (names.get(name) ?? 0) + bytes));
  }
  map.changed.forEach((changed, step) => {
    const names = cells.get(step) ?? new Map<string, number>();
    const free = changed * BLOCK_BYTES - [...names.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (free > 0) cells.set(step, names.set(FREE, free));
  });
  const largest = (names: ReadonlyMap<string, number>): CellNames =>
    [...names].sort(([, bytes], [, other]) => other - bytes).slice(0, CELL_NAMES_MAX);
  return new Map([...cells].map(([step, names]) => [step, largest(names)]));
};

const pointOf = (cow: InspectedCow, options: ListOptions, without: readonly BlockRun[]): Point => ({
  path: cow.path,
  sequence: cow.header.seqid,
  incremental: cow.incremental,
  fileBytes: cow.fileBytes,
  changedBlocks: countRuns(runsWithout(cow.changedRuns(options), without)).blocks,
});

const countOf = (runs: Iterable<BlockRun>): number => countRuns(runs).blocks;

/**
 * Puts a report together. The files are read again for each figure: without an image, memory is bounded by the cells of the map.
 *
 * @param cows of one series, in order
 * @param image whose files are looked up
 * @param textOf name of an owner: a path from `/` on for a file, where it has one
 * @throws RefusalError those of InspectedCow.changedRuns(); SystemError
 */
export const makeReport = (
  cows: readonly InspectedCow[],
  image: OpenFile | undefined,
  options: ListOptions,
  textOf: (owner: BlockOwner) => string,
): Report => {
  for (const cow of cows) cow.requireList(options);
  const last = cows.at(-1)!;
  /** Read from the files each time. */
  const all = (): Iterable<BlockRun> => unionRuns(cows.map((cow) => cow.changedRuns(options)));
  const owned = ownedOf(image, all(), cows);
  const cowRuns = typeof owned === 'string' ? [] : owned.cowRuns;
  const kept = (): Iterable<BlockRun> => runsWithout(all(), cowRuns);
  const nrBlocks = Math.max(...cows.map((cow) => cow.nrBlocks()));
  const changed = countRuns(kept());
  const map = new HeatMap(kept(), nrBlocks, ORDER_MAX);
  let owners: Owners;
  let cells: ReadonlyMap<number, CellNames> = new Map();
  if (typeof owned === 'string') owners = { why: owned };
  else {
    const files = fileReport(owned.owners(), changed.bytes, textOf);
    const cowFiles = owned.cowFiles.map(({ owner, bytes }) => ({ name: textOf(owner), bytes }));
    owners = { filesystem: owned.filesystem, files, cowFiles };
    cells = cellNames(owned, map, files, textOf);
  }
  const { regions, count } = largestRegions(map, cells);
  return {
    series: last.header.uuid.toString('hex'),
    points: cows.map((cow) => pointOf(cow, options, cowRuns)),
    ...{ nrBlocks, assumed: assumption(last.answer), changed, map, cells, regions, nrRegions: count, owners },
    cowBlocks: countOf(cowRuns),
  };
};

export const volumeBytes = ({ nrBlocks }: Report): number => nrBlocks * BLOCK_BYTES;
