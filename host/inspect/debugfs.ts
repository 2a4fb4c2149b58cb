/** Questions to debugfs, which reads ext2 to ext4. */
import { resolve } from 'node:path';
import { runProgram } from './program.js';

const DEBUGFS = { name: 'debugfs', package: 'e2fsprogs' };

/** Largest argument of a program, less some room. Each command looks at every inode, so few are wanted. */
const COMMAND_MAX = 120_000;

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

/**
 * Asks one thing of many blocks or inodes.
 *
 * @returns lines of the answers
 */
export const ask = (image: string, command: string, numbers: Iterable<number>): string[] =>
  split(command, numbers).flatMap((text) => runProgram(DEBUGFS, ['-R', text, resolve(image)], '').split('\n'));

/** Asks many short things at once; empty ones are left out. Returns the lines of the answers, with the commands. */
export const askAll = (image: string, commands: readonly string[]): string[] =>
  runProgram(DEBUGFS, ['-f', '-', resolve(image)], commands.map((text) => text && `${text}\n`).join('')).split('\n');
