/**
 * Files that the tools rely on, in folders that others may be able to write to.
 *
 * Such a file is a regular one of root or of the caller, opened by its own name and never through a link. A new one gets a
 * random name that cannot be predicted, and its own once it is complete and on disk. Nothing here waits for a FIFO.
 */
import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import {
  constants,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { EEXIST, EINVAL, ELOOP, ENOENT, ENXIO, errnoOf, RefusalError, SystemError, withErrno } from '../errors.js';
import type { Access } from './files.js';
import { ACCESS, isSocket, kindOf, OpenFile, PRIVATE } from './files.js';
import type { Syscalls } from './syscalls.js';

const NEW_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const PUBLIC = 0o666;
export const OTHERS_WRITE = 0o022n;
/** The text files of the tools are far smaller. */
const TEXT_MAX = 1048576n;

export const unsafe = (path: string, found: string, expected: string): RefusalError =>
  new RefusalError('FILE_UNSAFE', `cannot use ${path}: it ${found}, expected ${expected}`);

/** An unpredictable name beside the final one. Killed runs leave such files; removeRegular() finds them. */
export const unfinishedName = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.partial`);

/** The final name of an unfinished file of this or an older version. */
const finalName = (name: string): string | undefined =>
  /^\.(.+)\.[0-9a-f]{16}\.partial$/.exec(name)?.[1] ?? /^(.+)\.part$/.exec(name)?.[1];

/** Owner of the files that this process makes in a folder: some filesystems choose another one (NFS, vfat). */
const ownerOfNew = (folder: string): bigint | undefined => {
  const path = unfinishedName(join(folder, 'datto-owner'));
  try {
    const file = OpenFile.openWith(path, NEW_FLAGS);
    unlinkSync(path);
    const { uid } = file.stat();
    file.close();
    return uid;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
};

export const isTrusted = (uid: bigint): boolean => uid === 0n || uid === BigInt(process.geteuid?.() ?? 0);

export const requireOwner = (stat: BigIntStats, path: string): void => {
  if (isTrusted(stat.uid) || stat.uid === ownerOfNew(dirname(path))) return;
  throw unsafe(
    path,
    `belongs to user ${stat.uid}`,
    'root or the user who runs this; if its content is yours, chown it',
  );
};

const requireOwn = (stat: BigIntStats, path: string): void => {
  if (!stat.isFile()) throw unsafe(path, `is ${kindOf(stat)}`, 'a regular file');
  requireOwner(stat, path);
};

export const requireOneName = ({ nlink }: BigIntStats, path: string): void => {
  if (nlink !== 1n) throw unsafe(path, `has ${nlink} names (hard links)`, 'one; `cp` it to have it by itself');
};

/** lstat(2); undefined if there is nothing of that name. */
const lookAt = (path: string): BigIntStats | undefined =>
  withErrno('stat', path, () => lstatSync(path, { bigint: true, throwIfNoEntry: false }));

/** Whether the path is a regular file of root or of the caller, with no other name. */
export const isOwnFile = (path: string): boolean => {
  const stat = lookAt(path);
  return stat?.isFile() === true && isTrusted(stat.uid) && stat.nlink === 1n;
};

/** Throws a RefusalError FILE_UNSAFE if users other than the owner can change a file or a folder. */
export const requireUnshared = (stat: BigIntStats, path: string): void => {
  if ((stat.mode & OTHERS_WRITE) !== 0n)
    throw unsafe(path, 'can be written to by others', 'only root to; hint: chmod go-w');
};

/**
 * Makes sure that only root or the caller can change what is in a folder, if it exists.
 *
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const requireOwnFolder = (path: string): void => {
  const stat = lookAt(path);
  if (!stat) return;
  if (!stat.isDirectory()) throw unsafe(path, `is ${kindOf(stat)}`, 'a folder');
  if (!isTrusted(stat.uid)) throw unsafe(path, `belongs to user ${stat.uid}`, 'root');
  requireUnshared(stat, path);
};

/**
 * Makes a folder, if there is none, that only root or the caller can change.
 *
 * @param options as mkdir's
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const makeOwnFolder = (path: string, options: { mode: number; recursive?: boolean } = { mode: 0o700 }): void => {
  try {
    withErrno('make', path, () => mkdirSync(path, options));
  } catch (error) {
    if (errnoOf(error) !== EEXIST) throw error;
  }
  requireOwnFolder(path);
};

const requireUsable = (stat: BigIntStats, path: string, access: Access): void => {
  requireOwn(stat, path);
  if (access === 'r+') requireOneName(stat, path);
};

/**
 * Looks at a file that is relied on.
 *
 * @param access that the caller needs
 * @returns undefined if there is none
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const lookAtOwn = (path: string, access: Access = 'r'): BigIntStats | undefined => {
  const stat = lookAt(path);
  if (stat) requireUsable(stat, path, access);
  return stat;
};

/** Opens a path without following a link at its end, whatever it is. */
export const openUnfollowed = (path: string, flags: number, name: string, call: string): OpenFile => {
  try {
    return OpenFile.openWith(path, flags | constants.O_NOFOLLOW, name, call);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === ELOOP) throw unsafe(name, 'is a symbolic link', 'a regular file');
    if (errno === ENXIO && isSocket(path)) throw unsafe(name, 'is a socket', 'a regular file');
    throw error;
  }
};

export const checked = (file: OpenFile, check: (stat: BigIntStats) => void): OpenFile => {
  try {
    check(file.stat());
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
};

/**
 * Opens a file that is relied on.
 *
 * @param call what is being done, a verb for errors
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const openOwn = (path: string, access: Access, call = 'open'): OpenFile =>
  checked(openUnfollowed(path, ACCESS[access], path, call), (stat) => requireUsable(stat, path, access));

/**
 * Reads a small file that is relied on.
 *
 * @param check a further condition; throws if it does not hold
 * @returns undefined if there is none
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const readOwn = (
  path: string,
  check: (stat: BigIntStats, path: string) => void = () => undefined,
): string | undefined => {
  let file: OpenFile;
  try {
    file = openOwn(path, 'r', 'read');
  } catch (error) {
    if (error instanceof SystemError && error.errno === ENOENT) return undefined;
    throw error;
  }
  try {
    const stat = file.stat();
    const { size } = stat;
    check(stat, path);
    if (size > TEXT_MAX) throw unsafe(path, `has ${size} bytes`, `up to ${TEXT_MAX}`);
    return withErrno('read', path, () => readFileSync(file.fd, 'utf8'));
  } finally {
    file.close();
  }
};

/**
 * Keeps other processes out while `run` runs, however that ends.
 *
 * @param refuse the error if there is one
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const withLockFile = <T>(path: string, syscalls: Syscalls, refuse: () => Error, run: () => T): T => {
  // Writable: network filesystems have no exclusive lock for a descriptor that only reads.
  const file = checked(openUnfollowed(path, ACCESS['r+'] | constants.O_CREAT, path, 'open'), (stat) =>
    requireUsable(stat, path, 'r+'),
  );
  try {
    if (!syscalls.lock(file.fd, path, 'exclusive')) throw refuse();
    return run();
  } finally {
    file.close();
  }
};

/** Makes names in a folder last. */
export const syncFolder = (path: string): void => {
  const folder = OpenFile.openWith(path, constants.O_RDONLY | constants.O_DIRECTORY, path, 'sync');
  try {
    fsyncSync(folder.fd);
  } catch (error) {
    // Some filesystems cannot sync a folder: EINVAL.
    if (errnoOf(error) !== EINVAL)
      withErrno('sync', path, () => {
        throw error;
      });
  } finally {
    folder.close();
  }
};

/** Removes a file, if it exists; of a link, the link itself. */
export const removeFile = (path: string): void => {
  try {
    withErrno('remove', path, () => unlinkSync(path));
  } catch (error) {
    if (errnoOf(error) !== ENOENT) throw error;
  }
};

export const moveFile = (from: string, to: string): void => withErrno('rename', from, () => renameSync(from, to));

/**
 * Makes a new, empty file under its own name, for content that is used before it is complete.
 *
 * @throws SystemError; EEXIST if anything has the name
 */
export const createOwn = (path: string): OpenFile => OpenFile.openWith(path, NEW_FLAGS, path, 'create');

export const existsError = (path: string): RefusalError =>
  new RefusalError('OUTPUT_EXISTS', `cannot write ${path}: it exists, expected a new file or --force`);

const requireFree = (path: string, replace: boolean): void => {
  const there = lookAt(path);
  if (!there) return;
  if (!replace) throw existsError(path);
  if (there.isFile()) return;
  throw new RefusalError('IMAGE_KIND', `cannot replace ${path}: it is ${kindOf(there)}, expected a regular file`);
};

/** A file under a name of its own beside the final one, until it is finished. */
export class NewFile {
  readonly path: string;
  /** Its errors have the final name. */
  readonly file: OpenFile;
  readonly #replace: boolean;
  readonly #partial: string;
  #isOpen = true;

  /**
   * @param replace an existing regular file of that name may be replaced
   * @param mode permissions, less the process's mask
   * @throws RefusalError OUTPUT_EXISTS, IMAGE_KIND; SystemError
   */
  constructor(path: string, replace: boolean, mode = PRIVATE) {
    requireFree(path, replace);
    this.path = path;
    this.#replace = replace;
    this.#partial = unfinishedName(path);
    this.file = OpenFile.openWith(this.#partial, NEW_FLAGS, path, 'create', mode);
  }

  /** Sets the size; what was not written is a hole. */
  resize(bytes: number): void {
    withErrno('write', this.path, () => ftruncateSync(this.file.fd, bytes));
  }

  write(source: Uint8Array, offset: number): void {
    this.file.writeFull(source, offset);
  }

  /**
   * Brings the file to disk and gives it its name.
   *
   * @throws RefusalError OUTPUT_EXISTS if another process made one meanwhile; SystemError
   */
  finish(): void {
    this.file.sync();
    this.#giveName();
    this.#close();
    syncFolder(dirname(this.path));
  }

  /** Removes what was written, unless the file is finished. */
  discard(): void {
    if (!this.#isOpen) return;
    this.#close();
    removeFile(this.#partial);
  }

  #close(): void {
    this.file.close();
    this.#isOpen = false;
  }

  #giveName(): void {
    if (!this.#replace) {
      try {
        // A link, unlike a rename, never replaces a file that another process made meanwhile.
        linkSync(this.#partial, this.path);
        unlinkSync(this.#partial);
        return;
      } catch (error) {
        if (errnoOf(error) === EEXIST) throw existsError(this.path);
        // A filesystem without links is left with the check at the start.
      }
    }
    withErrno('rename', this.path, () => renameSync(this.#partial, this.path));
  }
}

/**
 * Makes a file, or replaces a regular one. When this returns, the new one is on disk; if it fails, the old one is as it was.
 *
 * @param fill writes it; its result is returned
 * @throws RefusalError IMAGE_KIND, OUTPUT_EXISTS; SystemError
 */
export const makeFile = <T>(path: string, fill: (file: OpenFile) => T, replace = true, mode = PRIVATE): T => {
  const made = new NewFile(path, replace, mode);
  try {
    const result = fill(made.file);
    made.finish();
    return result;
  } finally {
    made.discard();
  }
};

/** Writes a file in one go, readable by all users as far as the process's mask allows. */
export const writeNewFile = (path: string, data: Uint8Array, replace: boolean): void =>
  makeFile(path, (file) => file.writeFull(data, 0), replace, PUBLIC);

/** Replaces a small file. */
export const replaceFile = (path: string, text: string): void =>
  makeFile(path, (file) => withErrno('write', path, () => writeFileSync(file.fd, text)));

/**
 * Removes regular files of a folder, such as killed runs leave. The caller holds a lock, so that no process makes them now.
 *
 * @param isWanted called with the name, for an unfinished file with its final name; returns true to remove it
 */
export const removeRegular = (folder: string, isWanted: (name: string, isUnfinished: boolean) => boolean): void => {
  for (const name of withErrno('read', folder, () => readdirSync(folder))) {
    const final = finalName(name);
    const path = join(folder, name);
    if (isWanted(final ?? name, final !== undefined) && lookAt(path)?.isFile() === true) removeFile(path);
  }
};
