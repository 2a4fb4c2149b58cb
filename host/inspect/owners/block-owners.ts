/** Which files of an image the changed blocks belong to. */

import type { BlockRun } from '../../cow/runs.js';
import { RefusalError } from '../../errors.js';
import { BLOCK_BYTES } from '../../layout.js';
import type { OpenFile } from '../../system/files.js';
import { ext4Owners } from './ext4-owners.js';
import type { Filesystem } from './filesystem.js';
import { blocksTouched, detectFilesystem } from './filesystem.js';
import type { BlockOwner, OwnerKind, TakeOwned } from './owner.js';
import { ownerKey } from './owner.js';
import { xfsOwners } from './xfs-owners.js';

export interface OwnedBlocks extends BlockOwner {
  /** Blocks of the filesystem. */
  readonly blocks: number;
}

export interface OwnerReport {
  readonly filesystem: Filesystem;
  /** Files first, then the others; those with the most blocks first. */
  readonly owners: readonly OwnedBlocks[];
}

/** Blocks that are looked up at most: 256 GiB. */
const BLOCKS_MAX = 2 ** 26;

const FREE: BlockOwner = { kind: 'free', inode: undefined, name: undefined };
const ORDER: readonly OwnerKind[] = ['file', 'metadata', 'free'];

const countOf = (runs: readonly BlockRun[]): number => runs.reduce((sum, { count }) => sum + count, 0);

/** Blocks by their owners. */
class Totals {
  readonly #totals = new Map<string, { owner: BlockOwner; blocks: number }>();
  #blocks = 0;

  add(owner: BlockOwner, blocks: number): void {
    const key = ownerKey(owner);
    const total = this.#totals.get(key);
    if (total) total.blocks += blocks;
    else this.#totals.set(key, { owner, blocks });
    this.#blocks += blocks;
  }

  /** Owners in their order; blocks without an owner are free. */
  owned(blocks: number): OwnedBlocks[] {
    if (blocks > this.#blocks) this.add(FREE, blocks - this.#blocks);
    return [...this.#totals.values()]
      .map(({ owner, blocks: own }) => ({ ...owner, blocks: own }))
      .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || b.blocks - a.blocks);
  }
}

/** Blocks of the origin as blocks of the filesystem, each once. */
const toFilesystem = (filesystem: Filesystem, runs: Iterable<BlockRun>): BlockRun[] => {
  const found: BlockRun[] = [];
  let end = 0;
  for (const run of runs) {
    const touched = blocksTouched(filesystem, run.start * BLOCK_BYTES, run.count * BLOCK_BYTES);
    const start = Math.max(touched.start, end);
    const count = touched.start + touched.count - start;
    if (count <= 0) continue;
    found.push({ start, count });
    end = start + count;
  }
  return found;
};

/**
 * Looks owners up with the filesystem's own tools. The image is only read.
 *
 * @param runs ascending runs of changed blocks
 * @param take takes each run of blocks of the filesystem with its owner, in any order; not those that are free
 * @throws RefusalError FILESYSTEM_UNKNOWN, PROGRAM_MISSING, PROGRAM_FAILED, TOO_MUCH
 */
export const findOwners = (
  image: OpenFile,
  runs: Iterable<BlockRun>,
  take: TakeOwned = () => undefined,
): OwnerReport => {
  const filesystem = detectFilesystem(image);
  const found = toFilesystem(filesystem, runs);
  const blocks = countOf(found);
  if (blocks > BLOCKS_MAX) {
    const message = `cannot find the files of ${blocks} blocks in ${image.path}: expected up to ${BLOCKS_MAX}`;
    throw new RefusalError('TOO_MUCH', message);
  }
  const totals = new Totals();
  const source = filesystem.type === 'xfs' ? xfsOwners : ext4Owners;
  const add: TakeOwned = (owner, run) => {
    totals.add(owner, run.count);
    take(owner, run);
  };
  if (blocks > 0) source(image.path, filesystem, found, add);
  return { filesystem, owners: totals.owned(blocks) };
};
