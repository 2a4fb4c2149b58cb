/** Runs debugfs, which reads ext2 to ext4. */
import { resolve } from 'node:path';
import { linesOf, runProgram } from '../../system/program.js';

const DEBUGFS = { name: 'debugfs', package: 'e2fsprogs' };

/** Largest argument of a program, less some room. Each command looks at every inode, so few are wanted. */
const COMMAND_MAX = 120_000;
/** Longest line that debugfs reads from a file of commands; it would read the rest as another command. */
export const LINE_MAX = 8000;
/** Lines that one run prints, about: they must fit into memory. */
const LINES_MAX = 2 ** 22;

/** One command with many numbers, as commands that are short enough. */
function* split(command: string, numbers: Iterable<number>): Generator<string> {
  let current = command;
  for (const number of numbers) {
    if (current.length > COMMAND_MAX) {
      yield current;
      current = command;
    }
    current += ` ${number}`;
  }
  if (current !== command) yield current;
}

/**
 * Runs one command with many blocks or inodes.
 *
 * @yields the printed lines
 */
export function* runCommand(image: string, command: string, numbers: Iterable<number>): Generator<string> {
  for (const text of split(command, numbers)) yield* linesOf(runProgram(DEBUGFS, ['-R', text, resolve(image)], ''));
}

/** A command of at most LINE_MAX characters. */
export interface ShortCommand {
  readonly command: string;
  /** Lines that it prints, about. */
  readonly lines: number;
}

/**
 * Runs many short commands.
 *
 * @yields the printed lines, those of each command after a line with the command
 */
export function* runCommands(image: string, commands: Iterable<ShortCommand>): Generator<string> {
  let batch: string[] = [];
  let printed = 0;
  const run = (): Generator<string> =>
    linesOf(runProgram(DEBUGFS, ['-f', '-', resolve(image)], batch.map((text) => `${text}\n`).join('')));
  for (const { command, lines } of commands) {
    batch.push(command);
    printed += lines;
    if (printed < LINES_MAX) continue;
    yield* run();
    [batch, printed] = [[], 0];
  }
  if (batch.length > 0) yield* run();
}
