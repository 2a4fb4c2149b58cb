/** Owners of the blocks of an ext4 image, through debugfs: icheck for inodes, ncheck for names, testb for the rest. */
import { resolve } from 'node:path';
import type { BlockRun } from '../cow-file.js';
import type { BlockOwner, OwnerSource } from './block-owners.js';
import { runProgram } from './program.js';

const DEBUGFS = { name: 'debugfs', package: 'e2fsprogs' };

/** debugfs reads lines into 8 KiB and cuts what is longer. */
const LINE_MAX = 8000;
/** Inodes that the filesystem keeps for itself, by number. */
const RESERVED: Readonly<Record<number, string>> = {
  1: 'bad blocks',
  3: 'user quota',
  4: 'group quota',
  7: 'reserved group descriptors',
  8: 'journal',
};

/** One command with many numbers, as lines that are short enough. */
const lines = (command: string, numbers: Iterable<number>): string => {
  const parts: string[] = [];
  let line = command;
  for (const number of numbers) {
    const next = `${line} ${number}`;
    if (next.length <= LINE_MAX) {
      line = next;
      continue;
    }
    parts.push(line);
    line = `${command} ${number}`;
  }
  if (line !== command) parts.push(line);
  return `${parts.join('\n')}\n`;
};

function* eachBlock(runs: readonly BlockRun[]): Generator<number> {
  for (const { start, count } of runs) for (let block = start; block < start + count; block++) yield block;
}

const debugfs = (image: string, commands: string): string[] =>
  runProgram(DEBUGFS, ['-f', '-', resolve(image)], commands).split('\n');

/** Inode of each block that has one. */
const inodesOf = (image: string, runs: readonly BlockRun[]): Map<number, number> => {
  const inodes = new Map<number, number>();
  for (const line of debugfs(image, lines('icheck', eachBlock(runs)))) {
    const match = /^(\d+)\t(\d+)$/.exec(line);
    if (match) inodes.set(Number(match[1]), Number(match[2]));
  }
  return inodes;
};

/** A path of each inode; the first, if links give it several. Names are bytes, mostly of UTF-8. */
const namesOf = (image: string, inodes: ReadonlySet<number>): Map<number, string> => {
  const names = new Map<number, string>();
  for (const line of debugfs(image, lines('ncheck', inodes))) {
    const match = /^(\d+)\t(.+)$/.exec(line);
    if (!match || names.has(Number(match[1]))) continue;
    const path = Buffer.from(match[2] ?? '', 'latin1').toString('utf8');
    names.set(Number(match[1]), path.replace(/^\/+/, '/'));
  }
  return names;
};

/** Blocks that are in use. */
const usedOf = (image: string, runs: readonly BlockRun[]): Set<number> => {
  const used = new Set<number>();
  const commands = runs.map(({ start, count }) => `testb ${start} ${count}\n`).join('');
  for (const line of debugfs(image, commands)) {
    const match = /^Block (\d+) marked in use$/.exec(line);
    if (match) used.add(Number(match[1]));
  }
  return used;
};

/** Answers owners; blocks in use that no inode has are the filesystem's own. */
export const ext4Owners: OwnerSource = (image, _filesystem, runs) => {
  const inodes = inodesOf(image, runs);
  const names = namesOf(image, new Set(inodes.values()));
  const owners = new Map<number, BlockOwner>();
  for (const block of usedOf(image, runs)) {
    const inode = inodes.get(block);
    const reserved = inode === undefined ? 'superblock, group, bitmap or inode table' : RESERVED[inode];
    if (reserved !== undefined) owners.set(block, { kind: 'metadata', inode, name: reserved });
    else owners.set(block, { kind: 'file', inode, name: inode === 2 ? '/' : names.get(inode ?? 0) });
  }
  return owners;
};
