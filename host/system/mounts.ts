/** Block devices, and where the filesystems on them are mounted. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { ENOENT, errnoOf, withErrno } from '../errors.js';
import { majorMinor } from './files.js';

/** Every mount that this process sees; see proc_pid_mountinfo(5). */
export const MOUNTS = '/proc/self/mountinfo';

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
 * Where a filesystem is mounted, in whatever way; undefined if nowhere.
 *
 * @param mounts text of /proc/self/mountinfo
 * @param number `major:minor` of its block device
 */
export const anyMountOf = (mounts: string, number: string): string | undefined => {
  const [, , , , point] =
    mounts
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, , device]) => device === number) ?? [];
  return point === undefined ? undefined : decodeOctal(point);
};

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

/**
 * Whether something is mounted at a path: also a filesystem whose program has died, which no call can look at.
 *
 * @param path absolute, without links
 */
export const isMountPoint = (path: string): boolean =>
  readFileSync(MOUNTS, 'utf8')
    .split('\n')
    .some((line) => decodeOctal(line.split(' ')[4] ?? '') === path);
