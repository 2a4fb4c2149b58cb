/** What must hold before a volume is backed up into a folder. */

import { statfsSync, statSync } from 'node:fs';
import { ENOTDIR, RefusalError, SystemError, withErrno } from '../errors.js';
import { filesystemNumber } from '../system/mounts.js';
import type { Volume } from './volume.js';

/** The folder must exist, and must not be on the volume itself. Throws a RefusalError FOLDER_ON_VOLUME, or a SystemError. */
export const requireFolder = (folder: string, volume: Volume): void => {
  const stat = withErrno('open', folder, () => statSync(folder));
  if (!stat.isDirectory()) throw new SystemError(ENOTDIR, 'open', folder);
  if (filesystemNumber(folder) !== volume.number) return;
  const message = `cannot back up ${volume.path} into ${folder}: it lies on the volume itself`;
  throw new RefusalError('FOLDER_ON_VOLUME', message);
};

/** Id of the volume's filesystem. Throws a RefusalError VOLUME_KIND if it is of no kind that can be tracked. */
export const requireFilesystem = ({ path, filesystem }: Volume): string => {
  if (filesystem !== undefined) return filesystem;
  throw new RefusalError('VOLUME_KIND', `cannot back up ${path}: expected ext4 or xfs on it`);
};

/**
 * The volume must be of a kind that can be tracked, the one that the target belongs to, and mounted.
 *
 * @param known id of the filesystem that the target has backups of, if it has any
 * @throws RefusalError VOLUME_KIND, VOLUME_CHANGED, VOLUME_NOT_MOUNTED
 */
export const requireVolume = (
  volume: Volume,
  known: string | undefined,
  address: string,
): { filesystem: string; mountPoint: string } => {
  const { path, mountPoint } = volume;
  const filesystem = requireFilesystem(volume);
  if (known !== undefined && known !== filesystem) {
    const why = `its filesystem is ${filesystem}, and ${address} has images of ${known}`;
    throw new RefusalError('VOLUME_CHANGED', `cannot back up ${path}: ${why}; use another target`);
  }
  if (mountPoint === undefined) {
    const message = `cannot back up ${path}: it is not mounted read-write by its root`;
    throw new RefusalError('VOLUME_NOT_MOUNTED', message);
  }
  return { filesystem, mountPoint };
};

/**
 * What the volume's files take must fit beside what the folder has.
 *
 * @param reusable bytes in the folder that a full copy replaces
 * @param onNotice called if there is room for that, but not for a volume without any zeros
 * @throws RefusalError NO_SPACE
 */
export const requireSpace = (
  { path, bytes }: Volume,
  mountPoint: string,
  folder: string,
  reusable: number,
  onNotice: (text: string) => void,
): void => {
  const volume = withErrno('stat', mountPoint, () => statfsSync(mountPoint));
  const target = withErrno('stat', folder, () => statfsSync(folder));
  const free = target.bavail * target.bsize + reusable;
  const used = Math.min((volume.blocks - volume.bfree) * volume.bsize, bytes);
  if (free < used) {
    const message = `cannot copy all of ${path} into ${folder}: ${free} bytes are free, expected ${used}`;
    throw new RefusalError('NO_SPACE', message);
  }
  if (free < bytes)
    onNotice(`${folder} has ${free} bytes free; the volume is larger, and fits only if much of it is zeros`);
};
