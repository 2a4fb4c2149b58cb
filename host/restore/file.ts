/** Restores one file or folder of a point. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { constants, linkSync, lstatSync, mkdirSync, readlinkSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { EEXIST, ENOENT, EOPNOTSUPP, EPERM, errnoOf, RefusalError, withErrno } from '../errors.js';
import { kindOf, OpenFile } from '../system/files.js';
import { endingWithUs, environment, programMissing, runProgram } from '../system/program.js';
import { existsError, syncFolder, unfinishedName } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import { withPrivateMount } from './mount.js';
import type { OpenPoint } from './point.js';

/** Owner, mode with ACLs, times, extended attributes, holes and hard links; a link is copied, not followed. */
const COPY = [
  ...['cp', '--no-dereference', '--recursive', '--no-target-directory'],
  ...['--preserve=mode,ownership,timestamps,links,xattr', '--sparse=always', '--'],
];
const CONTENT = 'content';
/** What cp says last where a filesystem cannot keep what a file carries: a tmpfs of older kernels, or a FAT. */
const NOT_SUPPORTED = 'Operation not supported';
const KEEPS_ALL =
  'expected a destination whose filesystem keeps extended attributes and ACLs; hint: name one on another filesystem';
const MESSAGES_BYTES = 64 * 1048576;

export interface FileRequest {
  /** Absolute, in the point's filesystem. */
  readonly path: string;
  /** Name of the copy, which is not there yet. */
  readonly destination: string;
  /** Replace a regular file of that name. */
  readonly force: boolean;
}

/**
 * The place of a path below a folder. No link on the way is followed: it would lead out of the point.
 *
 * @throws RefusalError NO_POINT, IMAGE_KIND
 */
const placeOf = (root: string, path: string, label: string): string => {
  const refuse = (what: string): RefusalError =>
    new RefusalError('IMAGE_KIND', `cannot restore ${path} of ${label}: ${what}`);
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  let place = root;
  names.forEach((name, index) => {
    const here = `/${names.slice(0, index + 1).join('/')}`;
    place = join(place, name);
    const at = place;
    const stat = withErrno('read', `${here} of ${label}`, () => lstatSync(at, { throwIfNoEntry: false }));
    if (!stat) throw refuse(`there is no ${here}`);
    if (index + 1 === names.length) return;
    if (stat.isSymbolicLink())
      throw refuse(`${here} is a symbolic link to ${readlinkSync(at)}, which is not followed; hint: name its target`);
    if (!stat.isDirectory()) throw refuse(`${here} is not a folder`);
  });
  return place;
};

/** @throws RefusalError IMAGE_KIND */
const requirePath = (path: string): void => {
  const expected = 'expected an absolute path in the volume, without ..';
  if (!path.startsWith('/') || path.split('/').includes('..'))
    throw new RefusalError('IMAGE_KIND', `cannot restore ${path}: ${expected}`);
};

/** The folder that a copy is made in, by its descriptor: whatever its name leads to by then. */
class Place {
  readonly #folder: OpenFile;
  readonly #name: string;
  /** The destination, as it was named. */
  readonly shown: string;
  readonly #force: boolean;
  /** Of this process alone, with a random name. */
  readonly staging: OpenFile;
  readonly #stagingPath: string;

  constructor(destination: string, force: boolean) {
    [this.shown, this.#force, this.#name] = [destination, force, basename(resolve(destination))];
    const folder = dirname(resolve(destination));
    const flags = constants.O_RDONLY | constants.O_DIRECTORY;
    this.#folder = OpenFile.openWith(folder, flags);
    this.#stagingPath = this.#within(basename(unfinishedName(this.#name || randomBytes(4).toString('hex'))));
    try {
      this.#requireFree();
      withErrno('create', destination, () => mkdirSync(this.#stagingPath, 0o700));
      this.staging = OpenFile.openWith(this.#stagingPath, flags | constants.O_NOFOLLOW, destination);
    } catch (error) {
      this.#folder.close();
      throw error;
    }
  }

  /** Gives the content its name. */
  finish(): void {
    this.#requireFree();
    const from = this.#contentPath();
    const isFolder = lstatSync(from).isDirectory();
    // A link, unlike a rename, never replaces what another process made meanwhile. Folders have none.
    if (this.#force || isFolder || !this.#tryLink(from))
      withErrno('create', this.shown, () => renameSync(from, this.#within(this.#name)));
    syncFolder(this.#within('.'));
  }

  /** Removes what has not been given its name. */
  close(): void {
    this.staging.close();
    withErrno('remove', this.#stagingPath, () => rmSync(this.#stagingPath, { recursive: true, force: true }));
    this.#folder.close();
  }

  #within(name: string): string {
    return `/proc/self/fd/${this.#folder.fd}/${name}`;
  }

  #contentPath(): string {
    return `/proc/self/fd/${this.staging.fd}/${CONTENT}`;
  }

  #requireFree(): void {
    const stat: BigIntStats | undefined = lstatSync(this.#within(this.#name), { bigint: true, throwIfNoEntry: false });
    if (!stat) return;
    if (!this.#force) throw existsError(this.shown);
    if (stat.isFile()) return;
    const message = `cannot replace ${this.shown}: it is ${kindOf(stat)}, expected a regular file`;
    throw new RefusalError('IMAGE_KIND', message);
  }

  #tryLink(from: string): boolean {
    try {
      linkSync(from, this.#within(this.#name));
      unlinkSync(from);
      return true;
    } catch (error) {
      if (errnoOf(error) === EEXIST) throw existsError(this.shown);
      if ([EPERM, EOPNOTSUPP].includes(errnoOf(error) ?? 0)) return false;
      throw error;
    }
  }
}

const copyTree = (from: string, place: Place, path: string, label: string): void => {
  const [program, args] = endingWithUs('KILL', [...COPY, from, CONTENT]);
  const { status, signal, stderr, error } = spawnSync(program, args, {
    // By its descriptor, as no name is to be trusted.
    cwd: `/proc/${process.pid}/fd/${place.staging.fd}`,
    stdio: ['ignore', 'ignore', 'pipe'],
    maxBuffer: MESSAGES_BYTES,
    env: environment({}),
  });
  if (errnoOf(error) === ENOENT) throw programMissing({ name: program, package: 'util-linux' });
  if (status === 0) return;
  const [first = '', ...others] = stderr.toString('latin1').trim().split('\n');
  const more = others.length > 0 ? `, and ${others.length} more` : '';
  const said = first.replace(/^cp: /, '').replaceAll(from, path).replaceAll(`'${CONTENT}`, `'${place.shown}`);
  const why = said.endsWith(NOT_SUPPORTED) ? `${said}${more}; ${KEEPS_ALL}` : `${said}${more}`;
  throw new RefusalError('PROGRAM_FAILED', `cannot restore ${path} of ${label}: ${why || `cp was ended by ${signal}`}`);
};

/**
 * Copies a file or a folder out of a point, with owner, mode, ACLs, times, extended attributes, holes and hard links. The copy
 * has its name once it is complete and on disk.
 *
 * @throws RefusalError OUTPUT_EXISTS, IMAGE_KIND, FILESYSTEM_UNKNOWN, PROGRAM_MISSING, PROGRAM_FAILED; SystemError
 */
export const restoreFile = (opened: OpenPoint, { path, destination, force }: FileRequest, syscalls: Syscalls): void => {
  requirePath(path);
  const place = new Place(destination, force);
  try {
    withPrivateMount(opened, syscalls, (root) => {
      copyTree(placeOf(root, path, opened.label), place, path, opened.label);
      runProgram(
        { name: 'sync', package: 'coreutils' },
        ['--file-system', '.'],
        '',
        `/proc/${process.pid}/fd/${place.staging.fd}`,
      );
    });
    place.finish();
  } finally {
    place.close();
  }
};
