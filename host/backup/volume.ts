/** The volume that is backed up: which disk it is, where it is mounted, and which filesystem it holds. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ENOENT, errnoOf, RefusalError, SystemError, withErrno } from '../errors.js';
import { majorMinor, OpenFile } from '../files.js';
import type { Syscalls } from '../syscalls.js';

const MOUNTS = '/proc/self/mountinfo';
/** Bytes from the start of a volume that hold the superblock of ext4 or xfs. */
const HEAD_BYTES = 2048;
const EXT = { magicOffset: 1024 + 56, magic: 0xef53, uuidOffset: 1024 + 104 };
const XFS = { magic: 0x58465342, uuidOffset: 32 };

/** A mounted volume. */
export interface Volume {
  /** As it was named. */
  readonly path: string;
  /** `major:minor`. */
  readonly number: string;
  readonly bytes: number;
  /** Where the root of its filesystem is mounted read-write; undefined if nowhere. */
  readonly mountPoint: string | undefined;
  /** Id of its filesystem, 32 hex digits; undefined if it holds none that is known. */
  readonly filesystem: string | undefined;
}

/** `major:minor` of the filesystem that a path lies on. */
export const filesystemNumber = (path: string): string =>
  majorMinor(withErrno('stat', path, () => statSync(path, { bigint: true })).dev);

/**
 * `major:minor` of a block device.
 *
 * @returns undefined if the path names none
 * @throws SystemError if it cannot be looked at, but for ENOENT
 */
export const deviceNumber = (path: string): string | undefined => {
  try {
    // By its name in sysfs, which has every disk; then by its node.
    const name = realpathSync
      .native(path)
      .replace(/^\/dev\//, '')
      .replaceAll('/', '!');
    return readFileSync(`/sys/class/block/${name}/dev`, 'utf8').trim();
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
  try {
    const stat = statSync(path, { bigint: true });
    return stat.isBlockDevice() ? majorMinor(stat.rdev) : undefined;
  } catch (error) {
    if (errnoOf(error) === ENOENT) return undefined;
    return withErrno('stat', path, () => {
      throw error;
    });
  }
};

const decodeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_all, digits: string) => String.fromCharCode(parseInt(digits, 8)));

/**
 * Where the root of a filesystem is mounted read-write.
 *
 * @param mounts text of /proc/self/mountinfo
 * @param number `major:minor` of its block device
 */
export const mountPointOf = (mounts: string, number: string): string | undefined => {
  for (const line of mounts.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [, , device, root, point, options = ''] = before.split(' ');
    const isWritable = [options, after.split(' ')[2] ?? ''].every((list) => !list.split(',').includes('ro'));
    if (device === number && root === '/' && point !== undefined && isWritable) return decodeOctal(point);
  }
  return undefined;
};

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
    if (number === undefined) throw new RefusalError('VOLUME_KIND', `Cannot back up ${path}: expected a block device`);
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
  const message = `Cannot put COW files into ${folder}: expected a folder below ${mountPoint}, on the volume itself`;
  throw new RefusalError('COW_FOLDER', message);
};

/** True if an error says that there is no such file. */
export const isMissing = (error: unknown): boolean => error instanceof SystemError && error.errno === ENOENT;
