/**
 * COW files of a folder's backups, on the volume: where they are made, and which of those found may be trusted.
 *
 * They are in a folder of their own, which only root can write to. Those of older versions are beside it, with the same
 * id in their names.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DeviceStatus } from '../driver/status.js';
import { EEXIST, ENOENT, ENOTDIR, errnoOf, withErrno } from '../errors.js';
import { isOwnFile, requireOwnFolder } from '../system/safe-files.js';
import type { Memory } from './folder.js';
import { folderOnVolume } from './volume.js';

const ONLY_ROOT = 0o700;

/** One for the COW files of all backups of a volume. */
const FOLDER = '.datto-backup-files';

const isName = ({ id }: Memory, name: string): boolean =>
  name.startsWith(`${id}-`) && /^\d+-[0-9a-f]{16}$/.test(name.slice(id.length + 1));

const isOldName = ({ id }: Memory, name: string): boolean =>
  name.startsWith(`.datto-backup-${id}-`) && /^\d+$/.test(name.slice(`.datto-backup-${id}-`.length));

/** True if a path is that of a COW file of this folder's backups. */
export const isOwnCow = (memory: Memory, path: string): boolean =>
  isOldName(memory, basename(path)) || (isName(memory, basename(path)) && basename(dirname(path)) === FOLDER);

/**
 * The folder above that of the COW files, from the root of the volume's filesystem.
 *
 * @param named by the user; the root if undefined
 * @throws RefusalError COW_FOLDER, FILE_UNSAFE; SystemError
 */
export const cowParent = (named: string | undefined, mountPoint: string): string => {
  const parent = named === undefined ? '/' : folderOnVolume(named, mountPoint);
  requireOwnFolder(join(mountPoint, parent, FOLDER));
  return parent;
};

/** A new name that cannot be predicted. */
export const cowPath = (memory: Memory, parent: string): string =>
  join(parent, FOLDER, `${memory.id}-${memory.cowNumber}-${randomBytes(8).toString('hex')}`);

/**
 * Makes the folder of a new COW file, if it is missing.
 *
 * @throws RefusalError FILE_UNSAFE if it is not root's own; SystemError
 */
export const makeCowFolder = (cowFile: string): void => {
  const folder = dirname(cowFile);
  try {
    withErrno('make', folder, () => mkdirSync(folder, ONLY_ROOT));
  } catch (error) {
    if (errnoOf(error) !== EEXIST) throw error;
  }
  requireOwnFolder(folder);
};

const namesIn = (folder: string): readonly string[] => {
  try {
    return withErrno('read', folder, () => readdirSync(folder));
  } catch (error) {
    if (errnoOf(error) !== ENOENT && errnoOf(error) !== ENOTDIR) throw error;
    return [];
  }
};

/**
 * COW files of a folder's backups, without that of the device: those of earlier links of the series. Only regular files
 * of root count.
 */
export const closedCowFiles = (
  memory: Memory,
  mountPoint: string,
  device: DeviceStatus | undefined,
): readonly string[] => {
  const folders = new Set(memory.cowFolders);
  if (device) for (const folder of [dirname(device.cowFile), dirname(dirname(device.cowFile))]) folders.add(folder);
  const live = device && join(mountPoint, device.cowFile);
  return [...folders].flatMap((folder) => {
    const parent = join(mountPoint, folder);
    const own = join(parent, FOLDER);
    const old = namesIn(parent).filter((name) => isOldName(memory, name));
    const files = namesIn(own).filter((name) => isName(memory, name));
    return [...old.map((name) => join(parent, name)), ...files.map((name) => join(own, name))].filter(
      (file) => file !== live && isOwnFile(file),
    );
  });
};
