/** Questions to debugfs, which reads ext2 to ext4. */
import { resolve } from 'node:path';
import { linesOf, runProgram } from '../../system/program.js';

const DEBUGFS = { name: 'debugfs', package: 'e2fsprogs' };

/** Largest argument of a program, less some room. Each command looks at every inode, so few are wanted. */
const COMMAND_MAX = 120_000;
/** Longest line that debugfs reads from a file of commands; it would take the rest for another command. */
export const LINE_MAX = 8000;
/** Lines of answers that one run is to print, about: they must be held. */
const ANSWERS_MAX = 2 ** 22;

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
 * Asks one thing of many blocks or inodes.
 *
 * @yields lines of the answers
 */
export function* ask(image: string, command: string, numbers: Iterable<number>): Generator<string> {
  for (const text of split(command, numbers)) yield* linesOf(runProgram(DEBUGFS, ['-R', text, resolve(image)], ''));
}

/** A command of at most LINE_MAX characters. */
export interface Question {
  readonly command: string;
  /** Lines that answer it, about. */
  readonly answers: number;
}

/**
 * Asks many short things.
 *
 * @yields lines of the answers, those of each command after a line with the command
 */
export function* askAll(image: string, questions: Iterable<Question>): Generator<string> {
  let batch: string[] = [];
  let answers = 0;
  const run = (): Generator<string> =>
    linesOf(runProgram(DEBUGFS, ['-f', '-', resolve(image)], batch.map((text) => `${text}\n`).join('')));
  for (const question of questions) {
    batch.push(question.command);
    answers += question.answers;
    if (answers < ANSWERS_MAX) continue;
    yield* run();
    [batch, answers] = [[], 0];
  }
  if (batch.length > 0) yield* run();
}
