/** Block devices that a volume is restored onto: nothing else uses them, now or while they are written. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readStatus } from '../driver/status.js';
import { ENOENT, errnoOf, RefusalError, withErrno } from '../errors.js';
import { openImage } from '../image/open-image.js';
import type { OpenFile } from '../system/files.js';
import { majorMinor } from '../system/files.js';
import { anyMountOf, deviceNumber, MOUNTS } from '../system/mounts.js';

const SWAPS = '/proc/swaps';

const sysFolder = (number: string): string => `/sys/dev/block/${number}`;

/** Names in a folder of sysfs; none if it does not exist. */
const namesIn = (folder: string): string[] =>
  existsSync(folder) ? withErrno('read', folder, () => readdirSync(folder)) : [];

/** Partitions of a disk: name and number. */
const partitionsOf = (number: string): Array<readonly [name: string, number: string]> =>
  namesIn(sysFolder(number))
    .filter((name) => existsSync(join(sysFolder(number), name, 'partition')))
    .map((name) => [name, readFileSync(join(sysFolder(number), name, 'dev'), 'utf8').trim()]);

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
  for (const [name, partition] of partitionsOf(number)) {
    const use = useOf(partition);
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
  if (tracked) throw busy(path, `it is tracked as minor ${tracked.minor}`, `; hint: dbdctl destroy ${tracked.minor}`);
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
    const [partition] = partitionsOf(found);
    if (partition && !force) {
      const expected = 'expected a partition or a disk without any; --force overwrites all of it';
      throw new RefusalError('IMAGE_KIND', `cannot write ${named}: it has partitions (${partition[0]}), ${expected}`);
    }
    requireUntracked(named, found);
    return device;
  } catch (error) {
    device.close();
    throw error;
  }
};
