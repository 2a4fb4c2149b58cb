/** Which files of an image the changed blocks belong to. */
import type { BlockRun } from '../cow-file.js';
import type { OpenFile } from '../files.js';
import { BLOCK_BYTES } from '../layout.js';
import { ext4Owners } from './ext4-owners.js';
import type { Filesystem } from './filesystem.js';
import { blocksTouched, detectFilesystem } from './filesystem.js';
import { xfsOwners } from './xfs-owners.js';

/**
 * What a block of the filesystem is for. `free`: nothing, by now. `metadata`: the filesystem itself, or the journal.
 */
export type OwnerKind = 'file' | 'metadata' | 'free';

export interface BlockOwner {
  readonly kind: OwnerKind;
  /** Number of the inode, of a file. */
  readonly inode: number | undefined;
  /** Path from the filesystem's root, or what kind of metadata it is; undefined if no name was found. */
  readonly name: string | undefined;
}

export interface OwnedBlocks extends BlockOwner {
  /** Blocks of the filesystem. */
  readonly blocks: number;
}

export interface OwnerReport {
  readonly filesystem: Filesystem;
  /** Files first, then what is none; the most blocks first. */
  readonly owners: readonly OwnedBlocks[];
}

/** Answers the owner of each block that has one; what is left out is free. */
export type OwnerSource = (
  imagePath: string,
  filesystem: Filesystem,
  runs: readonly BlockRun[],
) => ReadonlyMap<number, BlockOwner>;

const FREE: BlockOwner = { kind: 'free', inode: undefined, name: undefined };
const ORDER: readonly OwnerKind[] = ['file', 'metadata', 'free'];

const sum = (runs: readonly BlockRun[], owners: ReadonlyMap<number, BlockOwner>): OwnedBlocks[] => {
  const totals = new Map<string, { owner: BlockOwner; blocks: number }>();
  for (const { start, count } of runs) {
    for (let block = start; block < start + count; block++) {
      const owner = owners.get(block) ?? FREE;
      const key = `${owner.kind} ${owner.inode ?? ''} ${owner.name ?? ''}`;
      const total = totals.get(key);
      if (total) total.blocks++;
      else totals.set(key, { owner, blocks: 1 });
    }
  }
  return [...totals.values()]
    .map(({ owner, blocks }) => ({ ...owner, blocks }))
    .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || b.blocks - a.blocks);
};

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
 * Asks the filesystem's own tools. The image is only read.
 *
 * @param runs ascending runs of changed blocks
 * @throws RefusalError FILESYSTEM_UNKNOWN, PROGRAM_MISSING, PROGRAM_FAILED
 */
export const findOwners = (image: OpenFile, runs: Iterable<BlockRun>): OwnerReport => {
  const filesystem = detectFilesystem(image);
  const blocks = toFilesystem(filesystem, runs);
  const source = filesystem.type === 'xfs' ? xfsOwners : ext4Owners;
  const owners = blocks.length === 0 ? new Map<number, BlockOwner>() : source(image.path, filesystem, blocks);
  return { filesystem, owners: sum(blocks, owners) };
};
