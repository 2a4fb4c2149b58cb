/**
 * Why the driver refused a request. One errno has many causes (docs/ABI.md, B.4): what the request named is looked up,
 * and the first cause that holds is named, in the order in which the driver checks.
 */

import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname } from 'node:path';
import { deviceErrorText } from '../errors.js';
import {
  BLOCK_SECTORS,
  COW_HEADER_SIZE,
  ORIGIN_MAX_TEXT,
  ORIGIN_SECTORS_MAX,
  SECTION_BYTES,
  SECTION_ENTRIES,
  SNAPSHOT_NODE_PREFIX,
  STATE_BIT_ACTIVE,
  STATE_BIT_SNAPSHOT,
  STATE_BIT_UNVERIFIED,
} from '../layout.js';
import { deviceNumber, filesystemNumber, MOUNTS, mountPointOf } from '../system/mounts.js';
import { type DeviceStatus, readStatus } from './status.js';

const { EBUSY, EFBIG, EINVAL, ELOOP, EMLINK, ENOSPC, EOPNOTSUPP, EPERM } = constants.errno;

/** A request that the driver refused. */
export interface Request {
  /** sub-command of dbdctl */
  readonly command: string;
  readonly minor: bigint;
  readonly blockDevice?: string;
  readonly cowFile?: string;
}

export interface Reason {
  /** no full stop: an errno's text may follow */
  readonly reason: string;
  readonly hint?: string;
}

/** What a path names. */
export type PathKind = 'missing' | 'file' | 'folder' | 'link' | 'other';

/** What is looked up of the machine. */
export interface World {
  devices(): readonly DeviceStatus[];
  /** number of minors of the driver */
  minors(): number;
  /** text of /proc/self/mountinfo */
  mounts(): string;
  /** `major:minor` of a block device; undefined if the path names none */
  deviceNumber(path: string): string | undefined;
  /** `major:minor` of the filesystem that a path lies on */
  filesystemNumber(path: string): string;
  kind(path: string): PathKind;
  /** size of a block device, in sectors; 0 if it cannot be had. @param number its `major:minor` */
  sectors(number: string): number;
  /** every option of a mounted ext4, one a line; empty if it is none. @param number `major:minor` of its device */
  ext4Options(number: string): string;
}

const DEFAULT_MINORS = 24;

const kindOf = (path: string): PathKind => {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'missing';
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'folder';
  return stat.isSymbolicLink() ? 'link' : 'other';
};

const thisMachine: World = {
  devices: () => readStatus().devices,
  minors: () => {
    try {
      return Number(readFileSync('/sys/module/dattobd/parameters/max_snap_devices', 'utf8'));
    } catch {
      return DEFAULT_MINORS;
    }
  },
  mounts: () => readFileSync(MOUNTS, 'utf8'),
  deviceNumber,
  filesystemNumber,
  kind: kindOf,
  sectors: (number) => {
    try {
      return Number(readFileSync(`/sys/dev/block/${number}/size`, 'utf8'));
    } catch {
      return 0;
    }
  },
  ext4Options: (number) => {
    try {
      const disk = basename(readlinkSync(`/sys/dev/block/${number}`));
      return readFileSync(`/proc/fs/ext4/${disk}/options`, 'utf8');
    } catch {
      return '';
    }
  },
};

const SEE_STATUS = '`dbdctl status` lists what is tracked';

/** The mount of a block device: type of the filesystem, and its options. */
const mountOf = (mounts: string, number: string): { type: string; options: string } | undefined => {
  const line = mounts.split('\n').find((text) => text.split(' ')[2] === number);
  const [type, , options] = line?.split(' - ')[1]?.split(' ') ?? [];
  return type === undefined ? undefined : { type, options: options ?? '' };
};

/** A request about a device that exists, or should. */
const ofDevice = ({ command, minor }: Request, errno: number, world: World): Reason | undefined => {
  const device = world.devices().find((candidate) => BigInt(candidate.minor) === minor);
  if (device === undefined) return { reason: `no device has minor ${minor}`, hint: SEE_STATUS };
  const node = `${SNAPSHOT_NODE_PREFIX}${minor}`;
  if (errno === EBUSY) {
    const reason = `${node} is open, its filesystem is frozen, or another request for it is still running`;
    return { reason, hint: `\`fuser -v ${node}\` names who has it open` };
  }
  if (errno === EOPNOTSUPP && command === 'expand-cow-file') {
    const hint = 'choose its size by -f when the snapshot is taken';
    return { reason: 'a COW file on a filesystem without extents (ext2, ext3) cannot grow', hint };
  }
  if (errno !== EINVAL || command === 'destroy') return undefined;
  if ((device.error ?? 0) !== 0) {
    const reason = `minor ${minor} has failed: ${deviceErrorText(device.error!)}`;
    return { reason, hint: `\`dbdctl destroy ${minor}\`; the next backup must be a full one` };
  }
  if ((device.state & STATE_BIT_ACTIVE) === 0 || (device.state & STATE_BIT_UNVERIFIED) !== 0)
    return {
      reason: `the filesystem of minor ${minor} is not mounted read-write`,
      hint: `mount ${device.blockDevice}`,
    };
  return wrongMode(command, minor, (device.state & STATE_BIT_SNAPSHOT) !== 0);
};

const wrongMode = (command: string, minor: bigint, isSnapshot: boolean): Reason | undefined => {
  if (command === 'transition-to-snapshot' && isSnapshot) {
    const hint = `\`dbdctl transition-to-incremental ${minor}\` ends this snapshot`;
    return { reason: `minor ${minor} is in snapshot mode, expected incremental mode`, hint };
  }
  if (['transition-to-incremental', 'expand-cow-file', 'reconfigure-auto-expand'].includes(command) && !isSnapshot)
    return { reason: `minor ${minor} is in incremental mode, expected snapshot mode` };
  return command === 'expand-cow-file' ? { reason: 'a COW file cannot grow by 0 MiB' } : undefined;
};

const lowestFree = (devices: readonly DeviceStatus[]): number => {
  const used = new Set(devices.map((device) => device.minor));
  let minor = 0;
  while (used.has(minor)) minor++;
  return minor;
};

/** A request for a new device. */
const ofNewDevice = (request: Request, errno: number, world: World): Reason | undefined => {
  const { minor, blockDevice = '' } = request;
  const devices = world.devices();
  const taken = devices.find((device) => BigInt(device.minor) === minor);
  if (taken) {
    const hint = `minor ${lowestFree(devices)} is free`;
    return { reason: `minor ${minor} is in use, by ${taken.blockDevice}`, hint };
  }
  const number = world.deviceNumber(blockDevice);
  if (number === undefined) {
    const kind = world.kind(blockDevice);
    return { reason: kind === 'missing' ? `there is no ${blockDevice}` : `${blockDevice} is not a block device` };
  }
  const tracked = devices.find((device) => world.deviceNumber(device.blockDevice) === number);
  if (tracked) return { reason: `${blockDevice} is tracked already, by minor ${tracked.minor}`, hint: SEE_STATUS };
  if (world.sectors(number) > ORIGIN_SECTORS_MAX) return { reason: `${blockDevice} has more than ${ORIGIN_MAX_TEXT}` };
  if (request.command !== 'setup-snapshot') return ofReload(request, errno, world, number);
  const mounted = mountPointOf(world.mounts(), number);
  if (mounted === undefined)
    return { reason: `no filesystem of ${blockDevice} is mounted read-write`, hint: `mount ${blockDevice} first` };
  return ofCowFile(request, errno, world, number);
};

const ofReload = ({ blockDevice }: Request, errno: number, world: World, number: string): Reason | undefined =>
  errno === EINVAL && mountPointOf(world.mounts(), number) !== undefined
    ? { reason: `${blockDevice} is mounted read-write`, hint: 'a reload comes before the mount, in the initramfs' }
    : undefined;

/** MiB of the smallest COW file: its index takes 8 bytes for each block of 4096. @param sectors of the volume */
export const leastCowMib = (sectors: number): number => {
  const sections = Math.ceil(Math.floor(sectors / BLOCK_SECTORS) / SECTION_ENTRIES);
  return Math.floor((COW_HEADER_SIZE + sections * SECTION_BYTES) / 2 ** 20) + 1;
};

/** What can be wrong with the COW file of a request. @param number `major:minor` of the volume */
const ofCowFile = (request: Request, errno: number, world: World, number: string): Reason | undefined => {
  const { cowFile = '' } = request;
  const mounts = world.mounts();
  const folder = dirname(cowFile);
  if (world.kind(folder) === 'missing') return { reason: `there is no folder ${folder}` };
  if (world.kind(cowFile) === 'folder') return { reason: `${cowFile} is a folder, expected a name for a file` };
  if (world.filesystemNumber(folder) !== number) {
    const hint = `choose a path below ${mountPointOf(mounts, number) ?? 'its mount point'}`;
    return { reason: `${cowFile} does not lie on the volume itself`, hint };
  }
  const kind = world.kind(cowFile);
  if (kind === 'other') return { reason: `${cowFile} is not a regular file` };
  if (errno === ELOOP) return { reason: `${cowFile} is a symbolic link`, hint: 'choose a name that is not in use' };
  if (errno === EMLINK) return { reason: `${cowFile} has several names`, hint: 'choose a name that is not in use' };
  if (errno === EPERM && kind === 'file')
    return { reason: `${cowFile} is in use, or belongs to another user`, hint: 'choose a name that is not in use' };
  if (errno === ENOSPC || errno === EFBIG) {
    const least = `a volume of this size takes ${leastCowMib(world.sectors(number))} MiB at least`;
    return {
      reason: 'the COW file is too small, or has no room on the volume',
      hint: `ask for another size with -f (${least}), or free space`,
    };
  }
  return errno === EOPNOTSUPP ? unfit(cowFile, world, number) : undefined;
};

/** Why no COW file can lie there. @param number `major:minor` of the volume */
const unfit = (cowFile: string, world: World, number: string): Reason => {
  const { type = 'this filesystem', options = '' } = mountOf(world.mounts(), number) ?? {};
  if (type === 'xfs' && options.includes('rtdev=')) {
    const hint = `\`xfs_io -c 'chattr -t' ${dirname(cowFile)}\` lets new files lie on the volume`;
    return { reason: `${cowFile} lies on the realtime device of this XFS`, hint };
  }
  if (world.ext4Options(number).split('\n').includes('data=journal')) {
    const hint = 'mount it with data=ordered';
    return { reason: 'ext4 writes its data through the journal (data=journal), a COW file is written past it', hint };
  }
  const hint = 'expected ext2, ext3, ext4 or xfs, without encryption, chattr +j or DAX';
  return { reason: `no COW file can lie on ${type} (${options})`, hint };
};

/**
 * Looks up why the driver refused a request.
 *
 * @param errno positive
 * @returns undefined if nothing that was looked up explains it
 */
export const whyRefused = (request: Request, errno: number, world: World = thisMachine): Reason | undefined => {
  try {
    const minors = world.minors();
    if (request.minor >= BigInt(minors)) {
      const hint = 'the parameter max_snap_devices of the module sets how many there are';
      return { reason: `minor ${request.minor} is out of range, expected 0 to ${minors - 1}`, hint };
    }
    if (request.blockDevice !== undefined) return ofNewDevice(request, errno, world);
    const reason = ofDevice(request, errno, world);
    if (reason !== undefined || request.cowFile === undefined) return reason;
    const device = world.devices().find((candidate) => BigInt(candidate.minor) === request.minor);
    const number = world.deviceNumber(device?.blockDevice ?? '');
    return number === undefined ? undefined : ofCowFile(request, errno, world, number);
  } catch {
    // What cannot be looked up explains nothing: the errno stands for itself.
    return undefined;
  }
};

/** A reason and its hint in one line. */
export const reasonText = ({ reason, hint }: Reason): string =>
  hint === undefined ? reason : `${reason}; hint: ${hint}`;
