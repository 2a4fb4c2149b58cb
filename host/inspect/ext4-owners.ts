/** Owners of the blocks of an ext4 image, through debugfs: icheck for inodes, ncheck for names, testb for the rest. */
import type { BlockRun } from '../cow-file.js';
import type { BlockOwner, OwnerSource } from './block-owners.js';
import { ask, askAll } from './debugfs.js';
import { inodesOfBlocks } from './ext4-inodes.js';

/** Inodes that the filesystem keeps for itself, by number. */
const RESERVED: Readonly<Record<number, string>> = {
  1: 'bad blocks',
  3: 'user quota',
  4: 'group quota',
  7: 'reserved group descriptors',
  8: 'journal',
};

/** A path of each inode; the first, if links give it several. Names are bytes, mostly of UTF-8. */
const namesOf = (image: string, inodes: ReadonlySet<number>): Map<number, string> => {
  const names = new Map<number, string>();
  for (const line of ask(image, 'ncheck', inodes)) {
    const match = /^(\d+)\t(.+)$/.exec(line);
    if (!match || names.has(Number(match[1]))) continue;
    const path = Buffer.from(match[2] ?? '', 'latin1').toString('utf8');
    names.set(Number(match[1]), path.replace(/^\/+/, '/'));
  }
  return names;
};

/** Blocks that are in use. */
const usedOf = (image: string, runs: readonly BlockRun[], firstBlock: number): Set<number> => {
  const used = new Set<number>();
  const commands = runs.map(({ start, count }) => {
    // debugfs takes no block 0. Where it is the filesystem's, the superblock lies in it.
    if (start === 0 && firstBlock === 0) used.add(0);
    const from = Math.max(start, firstBlock, 1);
    return from < start + count ? `testb ${from} ${start + count - from}` : '';
  });
  for (const line of askAll(image, commands)) {
    const match = /^Block (\d+) marked in use$/.exec(line);
    if (match) used.add(Number(match[1]));
  }
  return used;
};

/** Answers owners; blocks in use that no inode has are the filesystem's own. */
export const ext4Owners: OwnerSource = (image, { firstBlock }, runs) => {
  const used = usedOf(image, runs, firstBlock);
  const inodes = inodesOfBlocks(
    image,
    [...used].filter((block) => block > 0),
  );
  const names = namesOf(image, new Set(inodes.values()));
  const owners = new Map<number, BlockOwner>();
  for (const block of used) {
    const inode = inodes.get(block);
    const reserved = inode === undefined ? 'superblock, group, bitmap or inode table' : RESERVED[inode];
    if (reserved !== undefined) owners.set(block, { kind: 'metadata', inode, name: reserved });
    else owners.set(block, { kind: 'file', inode, name: inode === 2 ? '/' : names.get(inode ?? 0) });
  }
  return owners;
};
