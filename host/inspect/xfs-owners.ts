/** Owners of the blocks of an xfs image, through xfs_db: blockget reads all names, blockuse tells of each block. */
import { resolve } from 'node:path';
import type { BlockRun } from '../cow-file.js';
import { RefusalError } from '../errors.js';
import type { BlockOwner, OwnerSource } from './block-owners.js';
import type { Filesystem } from './filesystem.js';
import { runProgram } from './program.js';
import { withMetadataCopy } from './xfs-metadata.js';

const XFS_DB = { name: 'xfs_db', package: 'xfsprogs' };
const SECTOR = 512;

/** Kinds of blocks that hold nothing. */
const FREE = /^(free[0-9]|unknown)/;
/** Kinds of blocks that belong to a file or folder. */
const OF_FILES = new Set(['data', 'dir', 'attr', 'btbmapa', 'btbmapd', 'symlink', 'rtdata', 'cowdata']);

/** Data with more than one owner, of which xfs_db names none. */
const SHARED = 'rldata';

/** Runs, cut where an allocation group ends: xfs_db counts on within a group only. */
function* byGroup(runs: readonly BlockRun[], groupBlocks: number): Generator<BlockRun> {
  for (const run of runs) {
    const end = run.start + run.count;
    for (let start = run.start; start < end; ) {
      const count = Math.min(end, (Math.floor(start / groupBlocks) + 1) * groupBlocks) - start;
      yield { start, count };
      start += count;
    }
  }
}

const commandsFor = (runs: readonly BlockRun[], { blockBytes, groupBlocks }: Filesystem): string => {
  const parts = ['blockget -n\n'];
  for (const { start, count } of byGroup(runs, groupBlocks)) {
    parts.push(`daddr ${(start * blockBytes) / SECTOR}\nblockuse -n -c ${count}\n`);
  }
  return parts.join('');
};

const ownerOf = (type: string, inode: string | undefined, name: string | undefined): BlockOwner => {
  if (type === SHARED) return { kind: 'file', inode: undefined, name: 'files that share blocks' };
  if (inode === undefined || !OF_FILES.has(type)) return { kind: 'metadata', inode: undefined, name: type };
  const path = name === undefined ? undefined : `/${Buffer.from(name, 'latin1').toString('utf8')}`;
  return { kind: 'file', inode: Number(inode), name: path };
};

/** What xfs_db tells; of a copy of the metadata if it refuses the image, mostly for its log. */
const usageOf = (image: string, filesystem: Filesystem, commands: string): string => {
  try {
    return runProgram(XFS_DB, ['-r', '-f', image], commands);
  } catch (error) {
    if (!(error instanceof RefusalError) || error.code !== 'PROGRAM_FAILED') throw error;
    return withMetadataCopy(image, filesystem, (copy) => runProgram(XFS_DB, ['-r', '-f', copy], commands));
  }
};

/** Answers owners. */
export const xfsOwners: OwnerSource = (image, filesystem, runs) => {
  const owners = new Map<number, BlockOwner>();
  const output = usageOf(resolve(image), filesystem, commandsFor(runs, filesystem));
  for (const line of output.split('\n')) {
    const match = /^block \d+ \((\d+)\/(\d+)\) type (\S+)(?: inode (\d+)(?: (.+))?)?$/.exec(line);
    if (!match) continue;
    const [, group, block, type = ''] = match;
    if (FREE.test(type)) continue;
    owners.set(Number(group) * filesystem.groupBlocks + Number(block), ownerOf(type, match[4], match[5]));
  }
  return owners;
};
