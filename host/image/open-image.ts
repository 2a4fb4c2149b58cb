/** The image that a user names: its links followed, opened for exclusive writing. */
import { constants, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { EBUSY, ELOOP, errnoOf, RefusalError, SystemError, withErrno } from '../errors.js';
import { ACCESS, OpenFile } from '../system/files.js';
import {
  checked,
  isTrusted,
  OTHERS_WRITE,
  openUnfollowed,
  requireOneName,
  requireOwner,
  unsafe,
} from '../system/safe-files.js';

const STICKY = 0o1000n;
/** More links than the kernel follows. */
const LINKS_MAX = 40;

/**
 * The path of a file that a user names, its links followed. Only links that no other user can have made are followed.
 *
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const followOwnLinks = (named: string): string => {
  let path = named;
  for (let links = 0; links <= LINKS_MAX; links++) {
    const place = path;
    const stat = withErrno('open', named, () => lstatSync(place, { bigint: true }));
    const folder = withErrno('open', named, () => realpathSync(dirname(place)));
    if (!stat.isSymbolicLink()) return join(folder, basename(place));
    const { uid, mode } = withErrno('open', named, () => statSync(folder, { bigint: true }));
    const isOpen = (mode & OTHERS_WRITE) !== 0n && (mode & STICKY) === 0n;
    if (isOpen || !isTrusted(uid) || !isTrusted(stat.uid))
      throw unsafe(place, 'is a symbolic link that others can change', 'a file');
    path = resolve(
      folder,
      withErrno('open', named, () => readlinkSync(place)),
    );
  }
  throw new SystemError(ELOOP, 'open', named);
};

/** Opens an open block device exclusively: it is not mounted, and cannot be mounted meanwhile. */
const claim = (device: OpenFile): OpenFile => {
  try {
    return OpenFile.openWith(`/proc/self/fd/${device.fd}`, ACCESS['r+'] | constants.O_EXCL, device.path);
  } catch (error) {
    if (errnoOf(error) !== EBUSY) throw error;
    const why = 'it is mounted, or part of something that is in use, expected a block device that nothing else writes';
    throw new RefusalError('IMAGE_BUSY', `cannot write ${device.path}: ${why}`);
  } finally {
    device.close();
  }
};

/**
 * Opens the image that a user names, to write to it: a block device that is not in use, or a regular file that is relied on.
 *
 * @throws RefusalError FILE_UNSAFE, IMAGE_KIND, IMAGE_BUSY; SystemError
 */
export const openImage = (named: string): OpenFile => {
  const path = followOwnLinks(named);
  const file = openUnfollowed(path, ACCESS['r+'], named, 'open');
  checked(file, () => {
    const stat = file.requireContent();
    if (stat.isFile()) requireOwner(stat, path);
  });
  return file.stat().isBlockDevice() ? claim(file) : file;
};

/** An image that is written in place must have one name only: another may make it another user's file. */
export const requireSole = (image: OpenFile): void => {
  const stat = image.stat();
  if (stat.isFile()) requireOneName(stat, image.path);
};
