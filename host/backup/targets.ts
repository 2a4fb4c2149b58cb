/** The targets that a volume is backed up to, and how one of them is given up. */
import { join } from 'node:path';
import { removeRecord } from '../disk/keep-record.js';
import type { DeviceStatus } from '../driver/status.js';
import { RefusalError } from '../errors.js';
import { requireVolume } from './checks.js';
import { COW_FOLDER } from './cow-files.js';
import { keepReloadScript } from './reload-script.js';
import type { BackupContext } from './request.js';
import type { ListsPlace } from './retention.js';
import { removeLists } from './retention.js';
import { Tracking } from './tracking.js';
import { lookAtVolume } from './volume.js';
import type { TargetName, TargetPlace } from './volume-memory.js';
import { KeptVolume, readVolumeMemory, withVolumeLock } from './volume-memory.js';

/** How the backups of a volume to a target ended. */
export interface Ended {
  /** Of the device; undefined if nothing tracked the volume. */
  readonly minor: number | undefined;
  /** Addresses of the targets for which it goes on; if there are none, the device was destroyed. */
  readonly others: readonly string[];
}

/**
 * Gives up a target. Without others: destroys the device, and removes what is there for the next run and the next boot. What
 * the target has stays.
 *
 * @param series by which the device may be known
 * @throws RefusalError DEVICE_FOREIGN, NO_DRIVER; SystemError
 */
export const endTarget = (
  place: ListsPlace,
  target: TargetName,
  series: string | undefined,
  { driver, syscalls }: BackupContext,
): Ended => {
  const { volume, kept } = place;
  const tracking = new Tracking(driver, volume);
  const device: DeviceStatus | undefined = tracking.find(series);
  const others = device?.uuid === undefined ? [] : kept.others(target, device.uuid);
  if (others.length > 0) {
    kept.forget(target);
    removeLists(place, device, others, syscalls);
  } else {
    if (device) tracking.destroy(device.minor);
    keepReloadScript(volume, undefined);
    removeLists(place, undefined, [], syscalls);
    removeRecord(join(place.mountPoint, COW_FOLDER));
    kept.end();
  }
  return { minor: device?.minor, others: others.map(({ address }) => address) };
};

/**
 * The targets of a volume, each with the newest snapshot that it has.
 *
 * @throws RefusalError VOLUME_KIND, VOLUME_NOT_MOUNTED, STATE_UNREADABLE, FILE_UNSAFE; SystemError
 */
export const targetsOf = (path: string, { syscalls }: Pick<BackupContext, 'syscalls'>): readonly TargetPlace[] => {
  const volume = lookAtVolume(path, syscalls);
  return readVolumeMemory(requireVolume(volume, undefined, '').mountPoint).targets;
};

/**
 * Gives up a target by its address: no lists are kept for it any more.
 *
 * @param onWait called if another run for the volume is waited for
 * @throws as targetsOf() and endTarget(); RefusalError NO_TARGET
 */
export const forgetTarget = (path: string, address: string, context: BackupContext, onWait: () => void): Ended => {
  const volume = lookAtVolume(path, context.syscalls);
  const { mountPoint } = requireVolume(volume, undefined, '');
  return withVolumeLock(mountPoint, context.syscalls, onWait, () => {
    const kept = new KeptVolume(mountPoint);
    const target = kept.value.targets.find((one) => one.address === address);
    if (target) return endTarget({ volume, mountPoint, kept }, target, target.series, context);
    const known = kept.value.targets.map((one) => one.address).join(', ') || 'none';
    throw new RefusalError(
      'NO_TARGET',
      `cannot forget ${address}: it is no target of ${path}; expected one of: ${known}`,
    );
  });
};
