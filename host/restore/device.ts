/** Block devices that a volume is restored onto: nothing else uses them, now or while they are written. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readStatus } from '../driver/status.js';
import { EBUSY, ENOENT, errnoOf, RefusalError, withErrno } from '../errors.js';
import { openImage } from '../image/open-image.js';
import { diskOf, namesIn, partitionNumber, partitionsOf, sysFolder } from '../system/block-devices.js';
import { pause } from '../system/clock.js';
import type { OpenFile } from '../system/files.js';
import { kindOf, majorMinor } from '../system/files.js';
import { anyMountOf, deviceNumber, MOUNTS } from '../system/mounts.js';
import type { Syscalls } from '../system/syscalls.js';

const SWAPS = '/proc/swaps';
/** ioctl: bytes of a sector, an int. */
const BLKSSZGET = 0x1268;
/** ioctl: read the partition table. */
const BLKRRPART = 0x125f;
const REREAD_TRIES = 20;
const REREAD_MS = 100;

const isSwap = (number: string): boolean =>
  withErrno('read', SWAPS, () => readFileSync(SWAPS, 'utf8'))
    .split('\n')
    .slice(1)
    .some((line) => line !== '' && deviceNumber(line.split(/\s/)[0] ?? '') === number);

/** What uses a device, in words; undefined if that cannot be seen. */
const useOf = (number: string): string | undefined => {
  const mountPoint = anyMountOf(
    withErrno('read', MOUNTS, () => readFileSync(MOUNTS, 'utf8')),
    number,
  );
  if (mountPoint !== undefined) return `is mounted on ${mountPoint}`;
  if (isSwap(number)) return 'is in use as swap';
  const [holder] = namesIn(join(sysFolder(number), 'holders'));
  return holder === undefined ? undefined : `is part of ${holder}`;
};

const whyBusy = (number: string): string => {
  const own = useOf(number);
  if (own !== undefined) return `it ${own}`;
  for (const { name, device } of partitionsOf(number)) {
    const use = useOf(device);
    if (use !== undefined) return `its partition ${name} ${use}`;
  }
  return 'it is mounted elsewhere, or another program has it for itself';
};

const busy = (path: string, why: string, hint = ''): RefusalError =>
  new RefusalError('IMAGE_BUSY', `cannot write ${path}: ${why}, expected a device that is not in use${hint}`);

/** The driver would take what is written for changes of the volume that it tracks. */
const requireUntracked = (path: string, number: string): void => {
  let devices: ReturnType<typeof readStatus>['devices'];
  try {
    ({ devices } = readStatus());
  } catch (error) {
    if (errnoOf(error) === ENOENT) return;
    throw error;
  }
  const tracked = devices.find(({ blockDevice }) => deviceNumber(blockDevice) === number);
  if (!tracked) return;
  const what = `${tracked.blockDevice} is tracked as minor ${tracked.minor}`;
  throw busy(path, what, `; hint: dbdctl destroy ${tracked.minor}`);
};

/**
 * Opens a block device for this process alone, to overwrite it.
 *
 * @param named as the user named it; links of root are followed
 * @param force also a disk that has partitions, which are none any more then
 * @throws RefusalError IMAGE_BUSY, IMAGE_KIND, FILE_UNSAFE; SystemError
 */
export const openDevice = (named: string, force: boolean): OpenFile => {
  const number = deviceNumber(named);
  let device: OpenFile;
  try {
    device = openImage(named);
  } catch (error) {
    if (!(error instanceof RefusalError) || error.code !== 'IMAGE_BUSY' || number === undefined) throw error;
    throw busy(named, whyBusy(number));
  }
  try {
    const found = majorMinor(device.stat().rdev);
    const partitions = partitionsOf(found);
    const [partition] = partitions;
    if (partition && !force) {
      const expected = 'expected a partition or a disk without any; --force overwrites all of it';
      throw new RefusalError('IMAGE_KIND', `cannot write ${named}: it has partitions (${partition.name}), ${expected}`);
    }
    for (const number of [found, ...partitions.map((one) => one.device)]) requireUntracked(named, number);
    return device;
  } catch (error) {
    device.close();
    throw error;
  }
};

/**
 * Opens a whole disk for this process alone, to overwrite it.
 *
 * @throws what openDevice() throws
 */
export const openDisk = (named: string, force: boolean): OpenFile => {
  const device = openDevice(named, force);
  const kind = kindOf(device.stat());
  const number = majorMinor(device.stat().rdev);
  if (kind === 'a block device' && partitionNumber(number) === undefined) return device;
  device.close();
  const found = kind === 'a block device' ? `partition ${partitionNumber(number)} of ${diskOf(number)}` : kind;
  throw new RefusalError('IMAGE_KIND', `cannot rebuild a disk on ${named}: it is ${found}, expected a whole disk`);
};

/** Bytes of a disk's sectors, the smallest that it reads and writes. */
export const sectorBytesOf = (disk: OpenFile, syscalls: Syscalls): number => {
  const argument = Buffer.alloc(8);
  syscalls.ioctl(disk.fd, BLKSSZGET, argument, disk.path);
  return argument.readInt32LE(0);
};

/**
 * Makes the kernel read the partition table of a disk that this process has for itself.
 *
 * @returns false if it does not
 */
export const rereadPartitions = (disk: OpenFile, syscalls: Syscalls): boolean => {
  for (let tries = 0; tries < REREAD_TRIES; tries++) {
    try {
      syscalls.ioctl(disk.fd, BLKRRPART, Buffer.alloc(8), disk.path);
      return true;
    } catch (error) {
      // Another program looks at a partition.
      if (errnoOf(error) !== EBUSY) return false;
      pause(REREAD_MS);
    }
  }
  return false;
};
