/** Owners of the blocks of an ext4 image, through debugfs: icheck for inodes, ncheck for names, testb for the rest. */
import { resolve } from 'node:path';
import type { BlockRun } from '../cow-file.js';
import type { BlockOwner, OwnerSource } from './block-owners.js';
import { runProgram } from './program.js';

const DEBUGFS = { name: 'debugfs', package: 'e2fsprogs' };

/** Largest argument of a program, less some room. Each command looks at every inode, so few are wanted. */
const COMMAND_MAX = 120_000;
/** Inodes that the filesystem keeps for itself, by number. */
const RESERVED: Readonly<Record<number, string>> = {
  1: 'bad blocks',
  3: 'user quota',
  4: 'group quota',
  7: 'reserved group descriptors',
  8: 'journal',
};

/** One command with many numbers, as commands that are short enough. */
const split = (command: string, numbers: Iterable<number>): string[] => {
  const commands: string[] = [];
  let current = command;
  for (const number of numbers) {
    if (current.length > COMMAND_MAX) {
      commands.push(current);
      current = command;
    }
    current += ` ${number}`;
  }
  if (current !== command) commands.push(current);
  return commands;
};

const ask = (image: string, commands: readonly string[]): string[] =>
  commands.flatMap((command) => runProgram(DEBUGFS, ['-R', command, resolve(image)], '').split('\n'));

/** Inode of each block that has one. */
const inodesOf = (image: string, blocks: Iterable<number>): Map<number, number> => {
  const inodes = new Map<number, number>();
  for (const line of ask(image, split('icheck', blocks))) {
    const match = /^(\d+)\t(\d+)$/.exec(line);
    if (match) inodes.set(Number(match[1]), Number(match[2]));
  }
  return inodes;
};

/** A path of each inode; the first, if links give it several. Names are bytes, mostly of UTF-8. */
const namesOf = (image: string, inodes: ReadonlySet<number>): Map<number, string> => {
  const names = new Map<number, string>();
  for (const line of ask(image, split('ncheck', inodes))) {
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
    return from < start + count ? `testb ${from} ${start + count - from}\n` : '';
  });
  for (const line of runProgram(DEBUGFS, ['-f', '-', resolve(image)], commands.join('')).split('\n')) {
    const match = /^Block (\d+) marked in use$/.exec(line);
    if (match) used.add(Number(match[1]));
  }
  return used;
};

/** Answers owners; blocks in use that no inode has are the filesystem's own. */
export const ext4Owners: OwnerSource = (image, { firstBlock }, runs) => {
  const used = usedOf(image, runs, firstBlock);
  const inodes = inodesOf(
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
