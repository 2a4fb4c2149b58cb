/** Block devices as sysfs shows them: disks, their partitions, and what was written to them. */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { withErrno } from '../errors.js';
import { kernelText } from './kernel-text.js';

export interface Partition {
  /** Name of its node in /dev. */
  readonly name: string;
  /** `major:minor`. */
  readonly device: string;
  /** From 1 on. */
  readonly number: number;
  /** Where it is on its disk. */
  readonly startBytes: number;
  readonly bytes: number;
}

/** sysfs counts in these, whatever sectors a disk has. */
const SECTOR_BYTES = 512;

/** @param device `major:minor` */
export const sysFolder = (device: string): string => `/sys/dev/block/${device}`;

/** Names in a folder of sysfs; none if it does not exist. */
export const namesIn = (folder: string): string[] =>
  existsSync(folder) ? withErrno('read', folder, () => readdirSync(folder)) : [];

/** Number of a partition on its disk; undefined if the device is none. */
export const partitionNumber = (device: string): number | undefined => {
  const text = kernelText(join(sysFolder(device), 'partition'));
  return text === undefined ? undefined : Number(text);
};

/** Partitions of a disk that the kernel knows, the lowest number first. */
export const partitionsOf = (device: string): Partition[] =>
  namesIn(sysFolder(device))
    .flatMap((name) => {
      const folder = join(sysFolder(device), name);
      const [number, its, start, sectors] = ['partition', 'dev', 'start', 'size'].map((file) =>
        kernelText(join(folder, file)),
      );
      if (number === undefined || its === undefined) return [];
      const [startBytes, bytes] = [Number(start) * SECTOR_BYTES, Number(sectors) * SECTOR_BYTES];
      return [{ name, device: its, number: Number(number), startBytes, bytes }];
    })
    .sort((a, b) => a.number - b.number);

/** The folder of the disk that a partition is on: above its own, not above the link to that. */
const diskFolder = (partition: string): string =>
  dirname(withErrno('read', sysFolder(partition), () => realpathSync(sysFolder(partition))));

/** Path of the node of the disk that a partition is on. */
export const diskOf = (partition: string): string => join('/dev', basename(diskFolder(partition)).replaceAll('!', '/'));

/**
 * What changes when something is written to a partition: its numbers of writes and discards since the machine started, and
 * the start's id. What is written to the disk as a whole is not in them.
 *
 * @returns undefined if the kernel does not count
 */
export const writesOf = (partition: string): string | undefined => {
  if (kernelText(join(diskFolder(partition), 'queue/iostats')) !== '1') return undefined;
  const counts = kernelText(join(sysFolder(partition), 'stat'))?.split(/\s+/) ?? [];
  const [start, writes, discards = '0'] = [kernelText('/proc/sys/kernel/random/boot_id'), counts[4], counts[11]];
  return start === undefined || writes === undefined ? undefined : `${start} ${writes} ${discards}`;
};
