/** Checks before an update: the inputs belong together (docs/COMMANDS.md, F.4). */

import { realpathSync, statSync } from 'node:fs';
import { Core } from '../cow/core.js';
import type { BlockRun } from '../cow/runs.js';
import type { DeviceInfo } from '../driver/driver.js';
import { describeState } from '../driver/status.js';
import { errnoOf, RefusalError, withErrno } from '../errors.js';
import {
  MODES,
  ORIGIN_MAX_TEXT,
  SECTOR_BYTES,
  SNAPSHOT_NODE_PREFIX,
  STATE_BIT_SNAPSHOT,
  STATE_BIT_UNVERIFIED,
} from '../layout.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import { reasonForOther } from './device-identity.js';
import type { ImageState } from './state.js';

const MODE_INCREMENTAL = MODES.findIndex((mode) => mode.name === 'INCREMENTAL');

/**
 * Minor of a snapshot node.
 *
 * @throws RefusalError NOT_A_SNAPSHOT
 */
export const snapshotMinor = (path: string): number => {
  const real = withErrno('resolve', path, () => realpathSync.native(path));
  const digits = real.startsWith(SNAPSHOT_NODE_PREFIX) ? /^\d+$/.exec(real.slice(SNAPSHOT_NODE_PREFIX.length)) : null;
  const minor = digits ? Number(digits[0]) : NaN;
  if (minor <= 0xffffffff) return minor;
  throw new RefusalError(
    'NOT_A_SNAPSHOT',
    `cannot use ${path}: it is ${real}, expected ${SNAPSHOT_NODE_PREFIX}<minor>`,
  );
};

export const requireUsable = (path: string, info: DeviceInfo): void => {
  const readable = (info.state & STATE_BIT_SNAPSHOT) !== 0 && (info.state & STATE_BIT_UNVERIFIED) === 0;
  if (readable && info.error === 0) return;
  const message = `cannot use ${path}: it is ${describeState(info.state, info.error)}, expected a snapshot that can be read`;
  throw new RefusalError('SNAPSHOT_UNUSABLE', message);
};

/** The place of a COW file in its series. */
export interface SeriesPlace {
  readonly uuid: Buffer;
  readonly seqid: bigint;
}

/** The file must belong to the series, with the number `seqid`. */
export const requirePlace = (path: string, file: SeriesPlace, uuid: Buffer, seqid: bigint): void => {
  if (!file.uuid.equals(uuid)) {
    const [found, expected] = [file.uuid.toString('hex'), uuid.toString('hex')];
    const message = `cannot use ${path}: its series is ${found}, expected ${expected}`;
    throw new RefusalError('UUID_MISMATCH', message);
  }
  if (file.seqid !== seqid) {
    const message = `cannot use ${path}: it has number ${file.seqid} of its series, expected ${seqid}`;
    throw new RefusalError('SEQID_MISMATCH', message);
  }
};

/** Device number of a path, undefined if it is not a block device. */
const deviceNumber = (path: string): bigint | undefined => {
  try {
    const stat = statSync(path, { bigint: true });
    return stat.isBlockDevice() ? stat.rdev : undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
};

export const requireOtherFile = (image: OpenFile, inputs: readonly OpenFile[], origin: string): void => {
  const stat = image.stat();
  const same = inputs.some((file) => file.stat().dev === stat.dev && file.stat().ino === stat.ino);
  const paths = [...inputs.map(({ path }) => path), origin];
  const sameDevice = stat.isBlockDevice() && paths.some((path) => deviceNumber(path) === stat.rdev);
  if (!same && !sameDevice) return;
  throw new RefusalError('IMAGE_IS_INPUT', `cannot write ${image.path}: it is one of the inputs`);
};

/** The image must be as large as the snapshot; a block device may be larger. */
export const requireImageSize = (image: OpenFile, bytes: number, syscalls: Syscalls): void => {
  const stat = image.stat();
  if (!stat.isFile() && !stat.isBlockDevice()) {
    throw new RefusalError('IMAGE_KIND', `cannot write ${image.path}: expected a regular file or a block device`);
  }
  const size = stat.isFile() ? Number(stat.size) : image.blockDeviceBytes(syscalls);
  if (size === bytes || (stat.isBlockDevice() && size > bytes)) return;
  const hint =
    stat.isFile() && size < bytes
      ? `; hint: if the volume has grown, \`truncate -s ${bytes} ${image.path}\`, then --adopt once`
      : '';
  const message = `cannot write ${image.path}: it has ${size} bytes, expected ${bytes} as the snapshot has${hint}`;
  throw new RefusalError('IMAGE_SIZE', message);
};

/**
 * An image on a block device must be on the device that its state names.
 *
 * @param written blocks that may have been written since
 * @param call the action, a verb for the message
 * @throws RefusalError IMAGE_OTHER_DEVICE
 */
export const requireSameDevice = (
  image: OpenFile,
  bytes: number,
  { device, time }: ImageState,
  written: Iterable<BlockRun>,
  call: string,
  syscalls: Syscalls,
): void => {
  const reason = device && reasonForOther(image, bytes, device, written, syscalls);
  if (reason === undefined) return;
  const hint =
    'name disks by /dev/disk/by-id, or give each a --state of its own; if it is right all the same, use --adopt';
  const message = `cannot ${call} ${image.path}: it is not as it was at ${time}: ${reason}; hint: ${hint}`;
  throw new RefusalError('IMAGE_OTHER_DEVICE', message);
};

/** A core for an origin as large as the snapshot. */
export const coreFor = (snapshot: OpenFile, bytes: number): Core => {
  const core = new Core();
  if (core.call('init', bytes / SECTOR_BYTES, 0, MODE_INCREMENTAL) === 0n) return core;
  throw new RefusalError(
    'SNAPSHOT_SIZE',
    `cannot use ${snapshot.path}: it has ${bytes} bytes, expected up to ${ORIGIN_MAX_TEXT}`,
  );
};
