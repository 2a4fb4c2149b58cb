/** The device that tracks a volume for its backups: how it is found, and its changes of state. */

import { dirname } from 'node:path';
import type { Driver } from '../driver/driver.js';
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

/** Retries `run` while another process has the device open. The error of the last try has `call` and `subject`. */
const whileBusy = (call: string, subject: string, run: () => void): void => {
  for (let waited = 0; ; waited += BUSY_STEP_MS) {
    try {
      run();
      return;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      if (errno !== EBUSY || waited >= BUSY_MS) throw new SystemError(errno, call, subject);
      pause(BUSY_STEP_MS);
    }
  }
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

  toSnapshot(minor: number, cowFile: string, cowMib: number): void {
    makeOwnFolder(dirname(cowFile));
    whileBusy('take the next snapshot of', this.#volume.path, () =>
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
