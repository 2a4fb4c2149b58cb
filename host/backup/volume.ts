/** The volume to back up: its disk, its mount point and its filesystem. */
import { readFileSync, realpathSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ENOENT, RefusalError, SystemError, withErrno } from '../errors.js';
import { OpenFile } from '../system/files.js';
import { deviceNumber, MOUNTS, mountPointOf } from '../system/mounts.js';
import type { Syscalls } from '../system/syscalls.js';

/** Bytes from the start of a volume that hold the superblock of ext4 or xfs. */
const HEAD_BYTES = 2048;
const EXT = { magicOffset: 1024 + 56, magic: 0xef53, uuidOffset: 1024 + 104 };
const XFS = { magic: 0x58465342, uuidOffset: 32 };

/** A mounted volume. */
export interface Volume {
  /** As the caller named it. */
  readonly path: string;
  /** `major:minor`. */
  readonly number: string;
  readonly bytes: number;
  /** Where the root of its filesystem is mounted read-write; undefined if nowhere. */
  readonly mountPoint: string | undefined;
  /** Id of its filesystem, 32 hex digits; undefined if that is neither ext4 nor xfs. */
  readonly filesystem: string | undefined;
}

const filesystemId = (head: Buffer): string | undefined => {
  if (head.readUInt16LE(EXT.magicOffset) === EXT.magic)
    return head.toString('hex', EXT.uuidOffset, EXT.uuidOffset + 16);
  if (head.readUInt32BE(0) === XFS.magic) return head.toString('hex', XFS.uuidOffset, XFS.uuidOffset + 16);
  return undefined;
};

/**
 * Looks at a volume.
 *
 * @throws RefusalError VOLUME_KIND if it is no block device; SystemError if it cannot be opened or read
 */
export const lookAtVolume = (path: string, syscalls: Syscalls): Volume => {
  const file = OpenFile.open(path, 'r');
  try {
    const number = deviceNumber(path);
    if (number === undefined) throw new RefusalError('VOLUME_KIND', `cannot back up ${path}: expected a block device`);
    const head = Buffer.alloc(HEAD_BYTES);
    file.read(head, 0);
    const mounts = withErrno('read', MOUNTS, () => readFileSync(MOUNTS, 'utf8'));
    return {
      path,
      number,
      bytes: file.blockDeviceBytes(syscalls),
      mountPoint: mountPointOf(mounts, number),
      filesystem: filesystemId(head),
    };
  } finally {
    file.close();
  }
};

/** Path of a folder from the root of the volume's filesystem. Throws a RefusalError COW_FOLDER if it is not on it. */
export const folderOnVolume = (folder: string, mountPoint: string): string => {
  const real = withErrno('resolve', folder, () => realpathSync(folder));
  const inside = relative(mountPoint, real);
  if (inside !== '..' && !inside.startsWith('../')) return join('/', inside);
  const message = `cannot put COW files into ${folder}: expected a folder below ${mountPoint}, on the volume itself`;
  throw new RefusalError('COW_FOLDER', message);
};

/** True for the error of a file that does not exist. */
export const isMissing = (error: unknown): boolean => error instanceof SystemError && error.errno === ENOENT;
