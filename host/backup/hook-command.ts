/** Commands of hooks: how they are read, and which programs may be run as root. */
import { lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { RefusalError, withErrno } from '../errors.js';
import { kindOf } from '../system/files.js';
import { isTrusted, requireUnshared, unsafe } from '../system/safe-files.js';
import type { Words } from './hook-guard.js';

const EXECUTABLE = 0o111n;
const STICKY = 0o1000n;
const LINKS_MAX = 16;
/** All that follows is one word: a shell's command line. */
const SHELL = /^(\/bin\/(?:ba|da)?sh) +(-c) +(.*)$/s;

/** What a command must be, in words. */
export const COMMAND_EXPECTED = 'an absolute path of a program, and its arguments after spaces';

/**
 * The words of a command: an absolute path and arguments, separated by spaces. Nothing else has a meaning, and no shell sees
 * it, unless the command is one: `/bin/sh -c` and its command line.
 *
 * @returns undefined if it is no command
 */
export const commandWords = (text: string): Words | undefined => {
  const trimmed = text.trim();
  if (!trimmed.startsWith('/') || /\p{Cc}/u.test(trimmed)) return undefined;
  return SHELL.exec(trimmed)?.slice(1) ?? trimmed.split(/ +/);
};

/** Nobody but root or the caller can change what is in the folders that lead to a path. A sticky folder is as good. */
const requireFolders = (path: string): void => {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const stat = withErrno('stat', folder, () => statSync(folder, { bigint: true }));
    if (!isTrusted(stat.uid)) throw unsafe(folder, `belongs to user ${stat.uid}`, 'root');
    if ((stat.mode & STICKY) === 0n) requireUnshared(stat, folder);
    if (folder === '/') return;
  }
};

/** The folders of each link on the way, and of what the last one leads to. */
const requireWay = (path: string): void => {
  let at = path;
  for (let links = 0; links < LINKS_MAX; links++) {
    requireFolders(at);
    const stat = withErrno('run', path, () => lstatSync(at));
    if (!stat.isSymbolicLink()) break;
    at = resolve(
      dirname(at),
      withErrno('run', path, () => readlinkSync(at)),
    );
  }
  requireFolders(withErrno('run', path, () => realpathSync(path)));
};

/**
 * Makes sure that a program is one that only root, or the caller, can change.
 *
 * @throws RefusalError FILE_UNSAFE; SystemError if it cannot be looked at
 */
export const requireProgram = (path: string): void => {
  requireWay(path);
  const stat = withErrno('run', path, () => statSync(path, { bigint: true }));
  if (!stat.isFile()) throw unsafe(path, `is ${kindOf(stat)}`, 'a program');
  if (!isTrusted(stat.uid)) throw unsafe(path, `belongs to user ${stat.uid}`, 'root');
  requireUnshared(stat, path);
  if ((stat.mode & EXECUTABLE) === 0n) throw unsafe(path, 'is not executable', 'a program; hint: chmod +x');
};

/**
 * The words of a command whose program is safe to run.
 *
 * @throws RefusalError CONFIG_WRONG, FILE_UNSAFE; SystemError
 */
export const requireCommand = (text: string | undefined): Words => {
  if (text === undefined) return [];
  const words = commandWords(text);
  const [program] = words ?? [];
  if (words === undefined || program === undefined)
    throw new RefusalError('CONFIG_WRONG', `cannot use the hook '${text}': expected ${COMMAND_EXPECTED}`);
  requireProgram(program);
  return words;
};
