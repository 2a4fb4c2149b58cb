/** Brings an image of a snapshot up to the next snapshot of its series. */
import { fsyncSync, realpathSync, statSync } from 'node:fs';
import { copyPieces, toPieces } from './copy.js';
import type { CopyFailure } from './copy.js';
import { Core } from './core.js';
import { CowFile } from './cow-file.js';
import type { Driver, DeviceInfo } from './driver.js';
import { RefusalError, errnoOf, withErrno } from './errors.js';
import { OpenFile } from './files.js';
import {
  BLOCK_BYTES,
  MODES,
  SECTOR_BYTES,
  SNAPSHOT_NODE_PREFIX,
  STATE_BIT_SNAPSHOT,
  STATE_BIT_UNVERIFIED,
} from './layout.js';
import { describeState } from './status.js';
import type { Syscalls } from './syscalls.js';

export interface UpdateRequest {
  /** Snapshot node, or a link to one. */
  readonly snapshot: string;
  /** COW file of the series that was closed when the snapshot began. */
  readonly cowFile: string;
  /** Image of the snapshot before: a regular file or a block device. */
  readonly image: string;
  /** Check everything, and write nothing. */
  readonly dryRun: boolean;
}

export interface UpdatePlan {
  readonly snapshotBlocks: number;
  readonly changedBlocks: number;
  readonly changedBytes: number;
}

export interface UpdateEvents {
  /** All checks were passed; copying begins unless this is a dry run. */
  readonly onPlan?: (plan: UpdatePlan) => void;
  readonly onProgress?: (doneBytes: number, plan: UpdatePlan) => void;
  readonly onFailure?: (failure: CopyFailure) => void;
}

export interface UpdateResult extends UpdatePlan {
  readonly copiedBytes: number;
  /** Of these, bytes that became holes of the image. */
  readonly punchedBytes: number;
  /** Blocks that could not be copied; the image is of no use until they are. */
  readonly failedBlocks: number;
}

interface Inputs {
  readonly snapshot: OpenFile;
  readonly cow: OpenFile;
  readonly image: OpenFile;
}

const MODE_INCREMENTAL = MODES.findIndex((mode) => mode.name === 'INCREMENTAL');

/**
 * Minor of a snapshot node.
 *
 * @throws RefusalError NOT_A_SNAPSHOT
 */
const snapshotMinor = (path: string): number => {
  const real = withErrno('resolve', path, () => realpathSync.native(path));
  const digits = real.startsWith(SNAPSHOT_NODE_PREFIX) ? /^\d+$/.exec(real.slice(SNAPSHOT_NODE_PREFIX.length)) : null;
  const minor = digits ? Number(digits[0]) : NaN;
  if (minor <= 0xffffffff) return minor;
  throw new RefusalError(
    'NOT_A_SNAPSHOT',
    `Cannot use ${path}: it is ${real}, expected ${SNAPSHOT_NODE_PREFIX}<minor>`,
  );
};

const requireUsable = (path: string, info: DeviceInfo): void => {
  const readable = (info.state & STATE_BIT_SNAPSHOT) !== 0 && (info.state & STATE_BIT_UNVERIFIED) === 0;
  if (readable && info.error === 0) return;
  const message = `Cannot use ${path}: it is ${describeState(info.state, info.error)}, expected an active snapshot`;
  throw new RefusalError('SNAPSHOT_UNUSABLE', message);
};

const requireSuccessor = (path: string, file: { uuid: Buffer; seqid: bigint }, info: DeviceInfo): void => {
  if (!file.uuid.equals(info.uuid)) {
    const [found, expected] = [file.uuid.toString('hex'), info.uuid.toString('hex')];
    const message = `Cannot use ${path}: its series is ${found}, expected ${expected}`;
    throw new RefusalError('UUID_MISMATCH', message);
  }
  if (file.seqid !== info.seqid - 1n) {
    const message = `Cannot use ${path}: it has number ${file.seqid} of its series, expected ${info.seqid - 1n}`;
    throw new RefusalError('SEQID_MISMATCH', message);
  }
};

/** Device number of a path, undefined if there is nothing. */
const deviceNumber = (path: string): bigint | undefined => {
  try {
    const stat = statSync(path, { bigint: true });
    return stat.isBlockDevice() ? stat.rdev : undefined;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
};

const requireOtherFile = ({ snapshot, cow, image }: Inputs, origin: string): void => {
  const stat = image.stat();
  const same = [snapshot, cow].some((file) => file.stat().dev === stat.dev && file.stat().ino === stat.ino);
  const sameDevice =
    stat.isBlockDevice() && [deviceNumber(snapshot.path), deviceNumber(origin)].some((rdev) => rdev === stat.rdev);
  if (!same && !sameDevice) return;
  throw new RefusalError('IMAGE_IS_INPUT', `Cannot write ${image.path}: it is what is to be copied from`);
};

/** The image must be as large as the snapshot; a block device may be larger. */
const requireImageSize = (image: OpenFile, bytes: number, syscalls: Syscalls): void => {
  const stat = image.stat();
  if (!stat.isFile() && !stat.isBlockDevice()) {
    throw new RefusalError('IMAGE_KIND', `Cannot write ${image.path}: expected a regular file or a block device`);
  }
  const size = stat.isFile() ? Number(stat.size) : image.blockDeviceBytes(syscalls);
  if (size === bytes || (stat.isBlockDevice() && size > bytes)) return;
  const message = `Cannot write ${image.path}: it has ${size} bytes, expected ${bytes} as the snapshot has`;
  throw new RefusalError('IMAGE_SIZE', message);
};

/** Walks the index once without keeping it, to know beforehand what there is to do and that it can be done. */
const planOf = (cow: CowFile, path: string, bytes: number): UpdatePlan => {
  const snapshotBlocks = Math.ceil(bytes / BLOCK_BYTES);
  let changedBlocks = 0;
  let changedBytes = 0;
  for (const { start, count } of cow.changedRuns()) {
    if (start + count > snapshotBlocks) {
      const message = `Cannot use ${path}: it lists block ${start + count - 1}, expected less than ${snapshotBlocks}`;
      throw new RefusalError('INDEX_BEYOND_END', message);
    }
    changedBlocks += count;
    changedBytes += Math.min((start + count) * BLOCK_BYTES, bytes) - start * BLOCK_BYTES;
  }
  return { snapshotBlocks, changedBlocks, changedBytes };
};

const openInputs = (request: UpdateRequest): Inputs & { close: () => void } => {
  const opened: OpenFile[] = [];
  const close = (): void => opened.forEach((file) => file.close());
  const open = (path: string, flags: 'r' | 'r+'): OpenFile => {
    const file = OpenFile.open(path, flags);
    opened.push(file);
    return file;
  };
  try {
    return {
      snapshot: open(request.snapshot, 'r'),
      cow: open(request.cowFile, 'r'),
      image: open(request.image, 'r+'),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
};

/** A core for an origin as large as the snapshot. */
const coreFor = (snapshot: OpenFile, bytes: number): Core => {
  const core = new Core();
  if (core.call('init', bytes / SECTOR_BYTES, 0, MODE_INCREMENTAL) === 0n) return core;
  throw new RefusalError('SNAPSHOT_SIZE', `Cannot use ${snapshot.path}: it has ${bytes} bytes, expected up to 16 TiB`);
};

/**
 * Copies the blocks that the COW file lists from the snapshot to the image. All checks come before the first write
 * (ABI.md, F.4, in that order, then ours); the image is on disk when this returns.
 *
 * @throws RefusalError with a code of the checks; SystemError if a file cannot be opened or read, or the driver
 * cannot be asked
 */
export const updateImage = (
  request: UpdateRequest,
  { syscalls, driver }: { readonly syscalls: Syscalls; readonly driver: Driver },
  events: UpdateEvents = {},
): UpdateResult => {
  const { close, ...inputs } = openInputs(request);
  try {
    const { snapshot, image } = inputs;
    const info = driver.info(snapshotMinor(request.snapshot));
    const bytes = snapshot.blockDeviceBytes(syscalls);
    const cow = new CowFile(coreFor(snapshot, bytes), syscalls, inputs.cow, bytes / SECTOR_BYTES);
    requireSuccessor(request.cowFile, cow.header(), info);
    cow.requireChangeList();
    requireUsable(request.snapshot, info);
    requireOtherFile(inputs, info.blockDevice);
    requireImageSize(image, bytes, syscalls);

    const plan = planOf(cow, request.cowFile, bytes);
    events.onPlan?.(plan);
    if (request.dryRun) return { ...plan, copiedBytes: 0, punchedBytes: 0, failedBlocks: 0 };
    const copied = copyPieces(snapshot, image, toPieces(cow.changedRuns(), bytes), {
      syscalls,
      punchHoles: image.stat().isFile(),
      onFailure: (failure) => events.onFailure?.(failure),
      onProgress: (done) => events.onProgress?.(done, plan),
    });
    withErrno('sync', request.image, () => fsyncSync(image.fd));
    return { ...plan, ...copied };
  } finally {
    close();
  }
};
