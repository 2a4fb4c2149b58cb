/** The folder of a volume's images: names in it, what is remembered there, and its lock. */

import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EMLINK, ENOSYS, EOPNOTSUPP, EPERM, errnoOf, RefusalError, withErrno } from '../errors.js';
import { removeLeftovers } from '../image/previous.js';
import type { ImageFiles } from '../image/state.js';
import { imageFiles, readState } from '../image/state.js';
import {
  lookAtOwn,
  moveFile,
  readOwn,
  removeFile,
  removeRegular,
  replaceFile,
  syncFolder,
  withLockFile,
} from '../system/safe-files.js';
import { fromSummedJson, isCount, isRecord, toSummedJson } from '../system/summed-json.js';
import type { Syscalls } from '../system/syscalls.js';

/** Files in the folder. */
export interface Names {
  readonly folder: string;
  readonly image: string;
  /** A full copy that is being made, to replace the image. */
  readonly fresh: string;
  /** The image that a full copy replaced. */
  readonly replaced: string;
  readonly memory: string;
  readonly lock: string;
}

export const namesIn = (folder: string): Names => ({
  folder,
  image: join(folder, 'volume.img'),
  fresh: join(folder, 'volume.img.new'),
  replaced: join(folder, 'volume.img.replaced'),
  memory: join(folder, 'datto-backup.json'),
  lock: join(folder, 'datto-backup.lock'),
});

/** A full copy that is not complete: of which snapshot, and up to where it is on disk, in bytes. */
export interface FullCopy {
  readonly series: string;
  readonly sequence: string;
  readonly cursor: number;
}

/** What a folder keeps from run to run. What the driver, the volume or the image's state has is not in it. */
export interface Memory {
  /** Random: the folder is known by it among the targets of its volume, wherever it is mounted. */
  readonly id: string;
  /** Id of the volume's filesystem, 32 hex digits. */
  readonly filesystem: string;
  readonly copy?: FullCopy;
}

/** Errnos of filesystems without hard links. */
const NO_LINKS = new Set([EPERM, EOPNOTSUPP, ENOSYS, EMLINK]);

const FORMAT = 'dattobd backup';
const VERSION = 1;

const copyFrom = (value: unknown): FullCopy => {
  if (!isRecord(value)) throw new SyntaxError('no copy');
  const { series, sequence, cursor } = value;
  const isPlace = typeof series === 'string' && typeof sequence === 'string' && isCount(cursor);
  if (!isPlace || !/^[0-9a-f]{32}$/.test(series) || !/^\d+$/.test(sequence)) throw new SyntaxError('no copy');
  return { series, sequence, cursor };
};

const fromJson = (text: string): Memory => {
  const value = fromSummedJson(FORMAT, VERSION, text);
  const { id, filesystem, copy } = value;
  if (typeof id !== 'string' || !/^[0-9a-f]{8}$/.test(id)) throw new SyntaxError('no id');
  if (typeof filesystem !== 'string') throw new SyntaxError('no filesystem');
  return { id, filesystem, ...(copy === undefined ? {} : { copy: copyFrom(copy) }) };
};

/**
 * Reads what a folder keeps.
 *
 * @returns undefined if nothing was backed up into it yet
 * @throws RefusalError STATE_UNREADABLE, FILE_UNSAFE; SystemError if it cannot be read
 */
export const readMemory = ({ memory }: Names): Memory | undefined => {
  const text = readOwn(memory);
  if (text === undefined) return undefined;
  try {
    return fromJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const remedy = 'move it away; the next run works without it, or starts over with a full copy';
    throw new RefusalError('STATE_UNREADABLE', `cannot use ${memory}: it is damaged (${error.message}); ${remedy}`);
  }
};

export const newMemory = (filesystem: string): Memory => ({
  id: randomBytes(4).toString('hex'),
  filesystem,
});

/** Replaces what the folder keeps. It is on disk when this returns. */
export const writeMemory = ({ memory }: Names, value: Memory): Memory => {
  replaceFile(memory, toSummedJson(FORMAT, VERSION, { ...value, time: new Date().toISOString() }));
  return value;
};

/** What a folder keeps, in memory and on disk. */
export class KeptMemory {
  readonly #names: Names;
  #value: Memory;

  constructor(names: Names, value: Memory) {
    [this.#names, this.#value] = [names, value];
  }

  get value(): Memory {
    return this.#value;
  }

  /** Writes it to disk, so that the folder keeps its id. */
  keep(): void {
    writeMemory(this.#names, this.#value);
  }

  rememberCopy(copy: FullCopy | undefined): void {
    const { copy: _old, ...memory } = this.#value;
    this.#value = writeMemory(this.#names, copy ? { ...memory, copy } : memory);
  }
}

/**
 * Keeps other runs out while `run` runs, however that ends.
 *
 * @throws RefusalError BACKUP_RUNNING, FILE_UNSAFE; SystemError if the lock cannot be opened
 */
export const withLock = <T>(names: Names, syscalls: Syscalls, run: () => T): T => {
  const { lock, folder } = names;
  const refuse = (): Error =>
    new RefusalError('BACKUP_RUNNING', `cannot back up into ${folder}: another run is in progress there`);
  return withLockFile(lock, syscalls, refuse, () => {
    // The unfinished files of the image are removed by the process that holds the image's lock.
    const isOurs = (path: string): boolean => path === names.memory || path.startsWith(`${names.fresh}.datto-`);
    removeRegular(folder, (name, isUnfinished) => isUnfinished && isOurs(join(folder, name)));
    return run();
  });
};

const filesOf = (image: string): ImageFiles => imageFiles(image, false, `${image}.datto-state`);

/**
 * Makes sure that no file that is used in the folder belongs to another user, or leads out of it.
 *
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const requireOwnFiles = (names: Names): void => {
  const images = [names.image, names.fresh, names.replaced].map(filesOf);
  const companions = images.flatMap(({ state, manifest }) => [state, manifest]);
  for (const path of [names.memory, names.image, names.fresh, names.replaced, ...companions]) lookAtOwn(path);
};

/** Renames one set of files, as far as they exist, to another. The state comes last: it marks the set as complete. */
const moveCompanions = (from: ImageFiles, to: ImageFiles): void => {
  for (const name of ['manifest', 'state'] as const) {
    if (lookAtOwn(from[name])) moveFile(from[name], to[name]);
  }
};

export const removeWithCompanions = (image: string): void => {
  const files = filesOf(image);
  for (const path of [files.state, files.manifest, image]) removeFile(path);
};

/** Gives a file a second name. Returns false where the filesystem has no hard links, such as vfat or SMB. */
const tryLink = (from: string, to: string): boolean => {
  try {
    withErrno('link', from, () => linkSync(from, to));
    return true;
  } catch (error) {
    if (NO_LINKS.has(errnoOf(error) ?? 0)) return false;
    throw error;
  }
};

/** The full copy is complete and on disk: it has a state, which is written last. */
const isComplete = ({ fresh }: Names): boolean => readState(filesOf(fresh).state)?.state === 'CLEAN';

/**
 * Puts a complete full copy in the image's place; the previous image gets the name `replaced`, if it is a snapshot.
 *
 * Repeated after an interruption at any point, it has the same result; without a complete copy it does nothing. The image
 * is never missing: one rename replaces it. Without hard links, `image` or `replaced` exists at every moment.
 *
 * @returns true if there was something to do
 */
export const swapIn = (names: Names): boolean => {
  if (!isComplete(names)) return false;
  const [image, fresh, replaced] = [names.image, names.fresh, names.replaced].map(filesOf) as [
    ImageFiles,
    ImageFiles,
    ImageFiles,
  ];
  if (existsSync(names.fresh)) {
    if (existsSync(names.image) && readState(image.state)?.state === 'CLEAN') {
      removeWithCompanions(names.replaced);
      if (tryLink(names.image, names.replaced)) {
        tryLink(image.state, replaced.state);
        if (existsSync(image.manifest)) tryLink(image.manifest, replaced.manifest);
      } else {
        moveFile(names.image, names.replaced);
        moveCompanions(image, replaced);
      }
      syncFolder(names.folder);
    } else if (!existsSync(names.image) && existsSync(names.replaced) && !existsSync(replaced.state)) {
      // Interrupted between two names, where there are no links.
      moveCompanions(image, replaced);
    }
    // Before the image is renamed: an interrupted run may have moved the new manifest there after that.
    removeFile(image.manifest);
    moveFile(names.fresh, names.image);
    syncFolder(names.folder);
  }
  moveCompanions(fresh, image);
  syncFolder(names.folder);
  removeLeftovers(image);
  return true;
};

/** Bytes that a file takes on its disk; 0 if there is none. */
export const storedBytes = (path: string): number => {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? 0 : stat.blocks * 512;
};
