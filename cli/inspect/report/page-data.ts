/** What the script of a page draws, as JSON inside the page. Names are texts that are ready to be shown. */
import type { LengthClass } from '../../../host/cow/run-statistics.js';
import { BLOCK_BYTES } from '../../../host/layout.js';
import type { TreeNode } from '../../../host/report/files.js';
import type { Report } from '../../../host/report/report.js';
import { oneLine } from '../../terminal/printable.js';

export interface PageData {
  readonly blockBytes: number;
  readonly nrBlocks: number;
  /** The map has 2^order cells on a side. */
  readonly order: number;
  /** First block of each cell along the curve, and the end. */
  readonly firstBlocks: readonly number[];
  /** Changed blocks of each cell along the curve. */
  readonly changed: readonly number[];
  /** Texts that `cells` refer to. */
  readonly names: readonly string[];
  /** Owners of cells: number of the cell, then pairs of a name's number and bytes. */
  readonly cells: ReadonlyArray<readonly number[]>;
  /** Files by what changed; undefined if they are not known. */
  readonly tree?: TreeNode;
  readonly histogram: readonly LengthClass[];
  readonly points: ReadonlyArray<{ readonly label: string; readonly blocks: number }>;
}

/** A point's snapshots in words. */
export const pointLabel = ({ sequence, incremental }: Report['points'][number]): string =>
  incremental ? `${sequence} to ${sequence + 1n}` : `since ${sequence}`;

export const pageData = ({ map, cells, owners, changed, points }: Report): PageData => {
  const numbers = new Map<string, number>();
  const numberOf = (name: string): number => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  };
  const owned = [...cells].map(([step, names]) => [step, ...names.flatMap(([name, bytes]) => [numberOf(name), bytes])]);
  return {
    ...{ blockBytes: BLOCK_BYTES, nrBlocks: map.nrBlocks, order: map.order },
    firstBlocks: Array.from({ length: map.changed.length + 1 }, (_, step) => map.firstBlock(step)),
    changed: [...map.changed],
    names: [...numbers.keys()].map(oneLine),
    cells: owned,
    ...('files' in owners ? { tree: owners.files.tree } : {}),
    histogram: changed.histogram,
    points: points.map((point) => ({ label: pointLabel(point), blocks: point.changedBlocks })),
  };
};

/** JSON for a script element: no `<`, so that nothing in it ends the element or begins a comment. */
export const scriptJson = (data: unknown): string => JSON.stringify(data).replaceAll('<', '\\u003c');
