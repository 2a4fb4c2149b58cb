/** The device that tracks a volume for its backups: how it is found, and its changes of state. */

import { dirname } from 'node:path';
import type { Driver } from '../driver/driver.js';
import { GroupError } from '../driver/driver.js';
import type { DeviceStatus } from '../driver/status.js';
import { describeState, readStatus } from '../driver/status.js';
import { EBUSY, ENOENT, errnoOf, RefusalError, SystemError } from '../errors.js';
import {
  CONTROL_NODE,
  SNAPSHOT_NODE_PREFIX,
  STATE_BIT_ACTIVE,
  STATE_BIT_SNAPSHOT,
  STATE_BIT_UNVERIFIED,
  STATES,
} from '../layout.js';
import { pause } from '../system/clock.js';
import { deviceNumber } from '../system/mounts.js';
import { makeOwnFolder } from '../system/safe-files.js';
import { isOwnCow } from './cow-files.js';
import type { Volume } from './volume.js';
import { isMissing } from './volume.js';

/** How long to retry while another process has a device open: udev opens each new one. */
const BUSY_MS = 30_000;
const BUSY_STEP_MS = 100;

const stateValue = (name: string): number => STATES.find((state) => state.name === name)?.value ?? NaN;
const ACTIVE_SNAPSHOT = stateValue('ACTIVE_SNAPSHOT');

export const isSnapshot = (device: DeviceStatus): boolean => device.state === ACTIVE_SNAPSHOT;

export const snapshotNode = (minor: number): string => `${SNAPSHOT_NODE_PREFIX}${minor}`;

/** All devices. Throws a RefusalError NO_DRIVER if there is no driver. */
const devices = (): readonly DeviceStatus[] => {
  try {
    return readStatus().devices;
  } catch (error) {
    if (!isMissing(error)) throw error;
    const message = `cannot back up: the driver is not loaded, there is no ${CONTROL_NODE}; \`modprobe dattobd\` loads it`;
    throw new RefusalError('NO_DRIVER', message);
  }
};

/** Retries `run` while another process has the device open. Returns the error of the last try, if it failed. */
const lastError = (run: () => void): unknown => {
  for (let waited = 0; ; waited += BUSY_STEP_MS) {
    try {
      run();
      return undefined;
    } catch (error) {
      const isDone = error instanceof GroupError && error.taken;
      if (errnoOf(error) !== EBUSY || isDone || waited >= BUSY_MS) return error;
      pause(BUSY_STEP_MS);
    }
  }
};

/** Retries like lastError(). Throws the error with `call` and `subject`. */
const whileBusy = (call: string, subject: string, run: () => void): void => {
  const error = lastError(run);
  if (error === undefined) return;
  const errno = errnoOf(error);
  throw errno === undefined ? error : new SystemError(errno, call, subject);
};

/**
 * Makes sure that a device can be worked with: active, and without error.
 *
 * @param restart the remedy that starts a new series, for the message
 * @throws RefusalError DEVICE_FAILED, DEVICE_UNVERIFIED, VOLUME_NOT_MOUNTED
 */
export const requireHealthy = ({ minor, state, error = 0, blockDevice }: DeviceStatus, restart: string): void => {
  const about = `cannot continue with minor ${minor}, which tracks ${blockDevice}: it is ${describeState(state, error)}`;
  if (error !== 0) throw new RefusalError('DEVICE_FAILED', `${about}; ${restart}`);
  if ((state & STATE_BIT_UNVERIFIED) !== 0) {
    throw new RefusalError('DEVICE_UNVERIFIED', `${about}; hint: mount the volume read-write; or ${restart}`);
  }
  if ((state & STATE_BIT_ACTIVE) === 0) {
    throw new RefusalError('VOLUME_NOT_MOUNTED', `${about}; mount the volume read-write`);
  }
};

/**
 * A device that has failed and holds no snapshot, or was not resumed after a reboot: a power cut, a volume that was written
 * elsewhere. Its list of changes is lost, so a full copy is needed. A failure in snapshot mode may recur: the
 * administrator should know of it.
 */
export const isLost = ({ state, error = 0 }: DeviceStatus): boolean =>
  error !== 0 && ((state & STATE_BIT_SNAPSHOT) === 0 || (state & STATE_BIT_UNVERIFIED) !== 0);

/** A snapshot to be taken. */
export interface Next {
  readonly volume: string;
  /** Of the device; if it is a new one, that was requested. */
  readonly minor: number | undefined;
  readonly isTracked: boolean;
  readonly cowFile: string;
  /** If 0, the driver's choice. */
  readonly cowMib: number;
}

/** The driver refused a snapshot of one of several volumes, or failed after it was taken. */
export interface MemberFailure {
  /** Index of the volume; undefined if it was no single one. */
  readonly member: number | undefined;
  readonly error: SystemError;
  /** The snapshots were taken all the same. */
  readonly taken: boolean;
}

/**
 * Takes the next snapshots of volumes that are tracked, at one instant: of all of them or of none.
 *
 * @returns what failed, if anything
 * @throws RefusalError FILE_UNSAFE of a COW file's folder; SystemError
 */
export const toSnapshots = (driver: Driver, nexts: readonly Next[]): MemberFailure | undefined => {
  for (const { cowFile } of nexts) makeOwnFolder(dirname(cowFile));
  const members = nexts.map(({ minor = 0, cowFile, cowMib }) => ({ minor, cowFile, fallocateMib: BigInt(cowMib) }));
  const error = lastError(() => driver.transitionToSnapshotGroup(members));
  if (error === undefined) return undefined;
  if (!(error instanceof GroupError)) throw error;
  const { errno, member, taken } = error;
  const failed = nexts.filter((_, index) => member === undefined || index === member);
  const volumes = failed.map(({ volume }) => volume).join(', ');
  return { member, taken, error: new SystemError(errno, 'take the next snapshot of', volumes) };
};

/** The hold on a volume through the driver. */
export class Tracking {
  readonly #driver: Driver;
  readonly #volume: Volume;

  constructor(driver: Driver, volume: Volume) {
    this.#driver = driver;
    this.#volume = volume;
  }

  /**
   * The device of the volume's backups.
   *
   * @param series of what the target has, by which a device is known too, 32 hex digits
   * @returns undefined if nothing tracks the volume
   * @throws RefusalError NO_DRIVER; DEVICE_FOREIGN if another program tracks the volume
   */
  find(series: string | undefined): DeviceStatus | undefined {
    const { path, number } = this.#volume;
    for (const device of devices()) {
      if (deviceNumber(device.blockDevice) !== number) continue;
      const isOwn = isOwnCow(device.cowFile) || (series !== undefined && device.uuid === series);
      if (isOwn) return device;
      const remedy = `\`dbdctl destroy ${device.minor}\` ends that`;
      const message = `cannot back up ${path}: minor ${device.minor} tracks it for another program; ${remedy}`;
      throw new RefusalError('DEVICE_FOREIGN', message);
    }
    return undefined;
  }

  /** Throws a RefusalError MINOR_TAKEN if a requested minor is in use. */
  requireFree(minor: number | undefined): void {
    const taken = devices().find((device) => device.minor === minor);
    if (!taken) return;
    const message = `cannot use minor ${minor}: it tracks ${taken.blockDevice}; leave --minor out, or name another`;
    throw new RefusalError('MINOR_TAKEN', message);
  }

  /** Starts a series. Throws a SystemError with the driver's errno; a RefusalError FILE_UNSAFE of the COW file's folder. */
  setUp(cowFile: string, minor: number | undefined, cowMib: number): void {
    const { path } = this.#volume;
    makeOwnFolder(dirname(cowFile));
    // Another process may take the free minor meanwhile: EBUSY.
    whileBusy('start a snapshot of', path, () =>
      this.#driver.setupSnapshot({
        minor: minor ?? this.#freeMinor(),
        blockDevice: path,
        cowFile,
        fallocateMib: BigInt(cowMib),
        cacheBytes: 0n,
      }),
    );
  }

  #freeMinor(): number {
    try {
      return this.#driver.freeMinor();
    } catch (error) {
      if (errnoOf(error) !== ENOENT) throw error;
      throw new RefusalError('MINOR_TAKEN', `cannot back up ${this.#volume.path}: all minors are used`);
    }
  }

  toSnapshot({ volume, minor = 0, cowFile, cowMib }: Next): void {
    makeOwnFolder(dirname(cowFile));
    whileBusy('take the next snapshot of', volume, () =>
      this.#driver.transitionToSnapshot(minor, cowFile, BigInt(cowMib)),
    );
  }

  toIncremental(minor: number): void {
    whileBusy('end the snapshot', snapshotNode(minor), () => this.#driver.transitionToIncremental(minor));
  }

  destroy(minor: number): void {
    whileBusy('destroy', snapshotNode(minor), () => this.#driver.destroy(minor));
  }
}
