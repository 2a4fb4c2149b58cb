/**
 * COW files of a volume's backups, on the volume: where they are made, and which of those found may be trusted. They are in
 * a folder of their own, which only root can write to.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DeviceStatus } from '../driver/status.js';
import { ENOENT, ENOTDIR, errnoOf, withErrno } from '../errors.js';
import { isOwnFile, requireOwnFolder } from '../system/safe-files.js';
import { folderOnVolume } from './volume.js';

/** One for the COW files of all backups of a volume. */
export const COW_FOLDER = '.datto-backup-files';

/** Of this version and of earlier ones. */
const isName = (name: string): boolean => /^[0-9a-z-]+-[0-9a-f]{16}$/.test(name);

/** True if a path is that of a COW file of datto-backup. */
export const isOwnCow = (path: string): boolean => isName(basename(path)) && basename(dirname(path)) === COW_FOLDER;

/**
 * The folder above that of the COW files, from the root of the volume's filesystem.
 *
 * @param named by the user; the root if undefined
 * @throws RefusalError COW_FOLDER, FILE_UNSAFE; SystemError
 */
export const cowParent = (named: string | undefined, mountPoint: string): string => {
  const parent = named === undefined ? '/' : folderOnVolume(named, mountPoint);
  requireOwnFolder(join(mountPoint, parent, COW_FOLDER));
  return parent;
};

/** A new name that cannot be predicted. */
export const cowPath = (parent: string): string => join(parent, COW_FOLDER, `cow-${randomBytes(8).toString('hex')}`);

const namesIn = (folder: string): readonly string[] => {
  try {
    return withErrno('read', folder, () => readdirSync(folder));
  } catch (error) {
    if (errnoOf(error) !== ENOENT && errnoOf(error) !== ENOTDIR) throw error;
    return [];
  }
};

/**
 * COW files of a volume's backups, without that of the device: those of earlier links of the series. Only regular files of
 * root count.
 *
 * @param folders that COW files were put into, from the root of the volume's filesystem
 */
export const closedCowFiles = (
  folders: readonly string[],
  mountPoint: string,
  device: DeviceStatus | undefined,
): readonly string[] => {
  const parents = new Set(folders);
  if (device && isOwnCow(device.cowFile)) parents.add(dirname(dirname(device.cowFile)));
  const live = device && join(mountPoint, device.cowFile);
  return [...parents].flatMap((parent) => {
    const folder = join(mountPoint, parent, COW_FOLDER);
    return namesIn(folder)
      .filter(isName)
      .map((name) => join(folder, name))
      .filter((file) => file !== live && isOwnFile(file));
  });
};
