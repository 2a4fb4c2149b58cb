/**
 * Owners of the blocks of an xfs image, through xfs_db: blockget reads the filesystem, blockuse prints the use of each block.
 *
 * Names are looked up afterwards, for one block of each inode, between random marks: a name may have line ends, and what
 * follows one may look like the output for another block.
 */

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { BlockRun } from '../../cow/runs.js';
import { RefusalError } from '../../errors.js';
import { linesOf, runProgram } from '../../system/program.js';
import type { Filesystem } from './filesystem.js';
import type { BlockOwner, OwnerSource, TakeOwned } from './owner.js';
import type { OwnerName } from './owner-names.js';
import { nameOfLatin1 } from './owner-names.js';
import { withMetadataCopy } from './xfs-metadata.js';

const XFS_DB = { name: 'xfs_db', package: 'xfsprogs' };
const SECTOR = 512;

/** Kinds of blocks that hold nothing. */
const FREE = /^(free[0-9]|unknown)/;
/** Kinds of blocks that belong to a file or folder. */
const OF_FILES = new Set(['data', 'dir', 'attr', 'btbmapa', 'btbmapd', 'symlink', 'rtdata', 'cowdata']);

/** Data with more than one owner; xfs_db prints none of them. */
const SHARED = 'rldata';

/** Blocks, and inodes, of one run: its output must fit into memory. Each run reads the filesystem. */
const BLOCKS_MAX = 2 ** 22;
const INODES_MAX = 2 ** 17;

/** Runs, cut where an allocation group ends: a command of xfs_db covers blocks of one group only. */
function* byGroup(runs: readonly BlockRun[], groupBlocks: number): Generator<BlockRun> {
  for (const run of runs) {
    const end = run.start + run.count;
    for (let start = run.start; start < end; ) {
      const count = Math.min(end, (Math.floor(start / groupBlocks) + 1) * groupBlocks, start + BLOCKS_MAX) - start;
      yield { start, count };
      start += count;
    }
  }
}

/** The output of xfs_db; for a copy of the metadata if it refuses the image, mostly for its log. */
const usageOf = (image: string, filesystem: Filesystem, commands: string): Buffer => {
  try {
    return runProgram(XFS_DB, ['-r', '-f', image], commands);
  } catch (error) {
    if (!(error instanceof RefusalError) || error.code !== 'PROGRAM_FAILED') throw error;
    return withMetadataCopy(image, filesystem, (copy) => runProgram(XFS_DB, ['-r', '-f', copy], commands));
  }
};

/** Cuts a list into parts for one run each. */
function* parts<T>(items: Iterable<T>, sizeOf: (item: T) => number, most: number): Generator<T[]> {
  let part: T[] = [];
  let size = 0;
  for (const item of items) {
    part.push(item);
    size += sizeOf(item);
    if (size < most) continue;
    yield part;
    [part, size] = [[], 0];
  }
  if (part.length > 0) yield part;
}

const daddrOf = (block: number, { blockBytes }: Filesystem): number => (block * blockBytes) / SECTOR;

/** A path of each inode, by one of its blocks. */
const namesOf = (
  image: string,
  filesystem: Filesystem,
  blocks: ReadonlyMap<number, number>,
): Map<number, OwnerName> => {
  const names = new Map<number, OwnerName>();
  for (const part of parts(blocks, () => 1, INODES_MAX)) {
    const mark = randomBytes(16).toString('hex');
    const commands = part.map(
      ([inode, block]) => `daddr ${daddrOf(block, filesystem)}\nblockuse -n -c 1\necho ${mark} ${inode}\n`,
    );
    let lines: string[] = [];
    for (const line of linesOf(usageOf(image, filesystem, `blockget -n\n${commands.join('')}`))) {
      if (!line.startsWith(mark)) {
        lines.push(line);
        continue;
      }
      const inode = Number(line.slice(mark.length));
      const match = /^block \d+ \(\d+\/\d+\) type \S+ inode (\d+) (.+)$/s.exec(lines.join('\n'));
      if (match && Number(match[1]) === inode) names.set(inode, nameOfLatin1(`/${match[2]}`));
      lines = [];
    }
  }
  return names;
};

const ofNoFile = (type: string): BlockOwner =>
  type === SHARED
    ? { kind: 'file', inode: undefined, name: 'files that share blocks' }
    : { kind: 'metadata', inode: undefined, name: type };

/** Blocks with their inode, as they come; those next to each other are one run. */
class InodeRuns {
  readonly #runs: Array<{ readonly inode: number; readonly start: number; count: number }> = [];
  /** One block of each inode. */
  readonly examples = new Map<number, number>();

  add(inode: number, block: number): void {
    const last = this.#runs.at(-1);
    if (last?.inode === inode && last.start + last.count === block) last.count++;
    else this.#runs.push({ inode, start: block, count: 1 });
    if (!this.examples.has(inode)) this.examples.set(inode, block);
  }

  give(names: ReadonlyMap<number, OwnerName>, take: TakeOwned): void {
    for (const { inode, start, count } of this.#runs)
      take({ kind: 'file', inode, name: undefined, ...names.get(inode) }, { start, count });
  }
}

/** Reports owners. */
export const xfsOwners: OwnerSource = (imagePath, filesystem, runs, take) => {
  const image = resolve(imagePath);
  const { groupBlocks } = filesystem;
  const found = new InodeRuns();
  for (const part of parts(byGroup(runs, groupBlocks), ({ count }) => count, BLOCKS_MAX)) {
    const commands = part.map(({ start, count }) => `daddr ${daddrOf(start, filesystem)}\nblockuse -c ${count}\n`);
    for (const line of linesOf(usageOf(image, filesystem, `blockget\n${commands.join('')}`))) {
      const match = /^block \d+ \((\d+)\/(\d+)\) type (\S+)(?: inode (\d+))?$/.exec(line);
      if (!match) continue;
      const [, group, number, type = '', inode] = match;
      if (FREE.test(type)) continue;
      const block = Number(group) * groupBlocks + Number(number);
      if (inode !== undefined && OF_FILES.has(type)) found.add(Number(inode), block);
      else take(ofNoFile(type), { start: block, count: 1 });
    }
  }
  found.give(namesOf(image, filesystem, found.examples), take);
};
