/** Owners of the blocks of an ext4 image, through debugfs: icheck for inodes, ncheck for names, testb for the rest. */

import type { BlockRun } from '../../cow/runs.js';
import type { ShortCommand } from './debugfs.js';
import { LINE_MAX, runCommand, runCommands } from './debugfs.js';
import { inodesOfBlocks } from './ext4-inodes.js';
import type { BlockOwner, OwnerSource } from './owner.js';
import type { OwnerName } from './owner-names.js';
import { nameOfLatin1 } from './owner-names.js';

/** Inodes that the filesystem keeps for itself, by number. */
const RESERVED: Readonly<Record<number, string>> = {
  1: 'bad blocks',
  3: 'user quota',
  4: 'group quota',
  7: 'reserved group descriptors',
  8: 'journal',
};

/** Inodes that are looked up one by one, as no line holds their name: each time, debugfs reads all folders. */
const ALONE_MAX = 32;

/** The command that prints which inode a path leads to. */
const imap = (path: string): string => `imap "${path.replaceAll('"', '""')}"`;

/**
 * Which of the paths lead to the inodes that ncheck printed with them. A name may have line ends, and what follows one may
 * look like the line of another inode.
 */
const confirm = (image: string, claims: ReadonlyArray<readonly [inode: number, path: string]>): Map<number, string> => {
  const names = new Map<number, string>();
  const checked = claims.filter(([, path]) => imap(path).length <= LINE_MAX);
  const commands = checked.map(([, path]) => ({ command: imap(path), lines: 3 }));
  let at = -1;
  for (const line of runCommands(image, commands)) {
    if (line.startsWith('debugfs: imap ')) at++;
    const [inode, path] = checked[at] ?? [];
    if (inode === undefined || path === undefined || names.has(inode)) continue;
    if (line.startsWith(`Inode ${inode} is part of `)) names.set(inode, path);
  }
  return names;
};

/** The path of an inode whose name has line ends: all of the output, if that is for this inode and for one name of it. */
const nameAlone = (image: string, inode: number): string | undefined => {
  const lines = [...runCommand(image, 'ncheck', [inode])];
  const text = lines.slice(lines.findIndex((line) => line.startsWith('Inode')) + 1).join('\n');
  const path = text.startsWith(`${inode}\t/`) ? text.slice(`${inode}\t`.length) : undefined;
  return path?.includes(`\n${inode}\t/`) ? undefined : path;
};

/** A path of each inode; one of them, if links give it several. */
const namesOf = (image: string, inodes: ReadonlySet<number>): Map<number, OwnerName> => {
  const claims: Array<readonly [number, string]> = [];
  for (const line of runCommand(image, 'ncheck', inodes)) {
    const match = /^(\d+)\t(\/.*)$/.exec(line);
    if (match && inodes.has(Number(match[1]))) claims.push([Number(match[1]), match[2] ?? '']);
  }
  const names = confirm(image, claims);
  const claimed = new Set(claims.map(([inode]) => inode).filter((inode) => !names.has(inode)));
  for (const inode of [...claimed].slice(0, ALONE_MAX)) {
    const name = nameAlone(image, inode);
    if (name !== undefined) names.set(inode, name);
  }
  return new Map([...names].map(([inode, path]) => [inode, nameOfLatin1(path.replace(/^\/+/, '/'))]));
};

/** Blocks of one command. */
const TESTED_MAX = 2 ** 16;

/** Commands that print which blocks are in use. debugfs refuses block 0. */
function* tests(runs: readonly BlockRun[], firstBlock: number): Generator<ShortCommand> {
  for (const { start, count } of runs) {
    const end = start + count;
    for (let from = Math.max(start, firstBlock, 1); from < end; from += TESTED_MAX) {
      const lines = Math.min(TESTED_MAX, end - from);
      yield { command: `testb ${from} ${lines}`, lines };
    }
  }
}

/** Blocks above 0 that are in use, ascending. */
const usedOf = (image: string, runs: readonly BlockRun[], firstBlock: number): number[] => {
  const used: number[] = [];
  for (const line of runCommands(image, tests(runs, firstBlock))) {
    const match = /^Block (\d+) marked in use$/.exec(line);
    if (match) used.push(Number(match[1]));
  }
  return used;
};

/** Blocks of one inode next to each other; 0 is none. `blocks` is ascending. */
function* runsOfInodes(
  blocks: readonly number[],
  inodes: Uint32Array,
): Generator<{ readonly inode: number; readonly run: BlockRun }> {
  for (let at = 0; at < blocks.length; ) {
    const [start = 0, inode = 0] = [blocks[at], inodes[at]];
    let count = 1;
    while (blocks[at + count] === start + count && inodes[at + count] === inode) count++;
    yield { inode, run: { start, count } };
    at += count;
  }
}

/** Reports owners; blocks in use that belong to no inode are the filesystem's own. */
export const ext4Owners: OwnerSource = (image, { firstBlock }, runs, take) => {
  const used = usedOf(image, runs, firstBlock);
  const inodes = inodesOfBlocks(image, used);
  const names = namesOf(image, new Set(inodes.filter((inode) => inode !== 0)));
  const ownerOf = (inode: number): BlockOwner => {
    const reserved = inode === 0 ? 'superblock, group, bitmap or inode table' : RESERVED[inode];
    if (reserved !== undefined) return { kind: 'metadata', inode: inode === 0 ? undefined : inode, name: reserved };
    const name: OwnerName = inode === 2 ? { name: '/' } : (names.get(inode) ?? { name: undefined });
    return { kind: 'file', inode, ...name };
  };
  // If block 0 belongs to the filesystem, it holds the superblock.
  if (runs[0]?.start === 0 && firstBlock === 0) take(ownerOf(0), { start: 0, count: 1 });
  for (const { inode, run } of runsOfInodes(used, inodes)) take(ownerOf(inode), run);
};
