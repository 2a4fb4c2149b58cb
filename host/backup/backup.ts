/** Backs a volume up into a folder: a full copy the first time, then what changed; from wherever the last run ended. */
import { RefusalError } from '../errors.js';
import { readState } from '../image/state.js';
import { secondsSince } from '../system/clock.js';
import { removeFile } from '../system/safe-files.js';
import { requireFolder, requireVolume } from './checks.js';
import { closedCowFiles } from './cow-files.js';
import type { Names } from './folder.js';
import { namesIn, newMemory, readMemory, requireOwnFiles, withLock } from './folder.js';
import { hooksOf } from './hooks.js';
import { keepReloadScript } from './reload-script.js';
import type { BackupContext, BackupEvents, BackupPlan, BackupRequest, BackupResult, RunResult } from './request.js';
import type { Place } from './run.js';
import { Run } from './run.js';
import { Tracking } from './tracking.js';
import type { Volume } from './volume.js';
import { lookAtVolume } from './volume.js';

/** The same events, with each notice once: a run may copy more than one snapshot. */
const noticeOnce = (events: BackupEvents): BackupEvents => {
  const seen = new Set<string>();
  const onNotice = (text: string): void => {
    if (!seen.has(text)) events.onNotice?.(text);
    seen.add(text);
  };
  return { ...events, onNotice };
};

const place = (volume: Volume, names: Names): Place => {
  requireOwnFiles(names);
  const memory = readMemory(names);
  const { filesystem, mountPoint } = requireVolume(volume, memory, names);
  return { volume, mountPoint, names, memory: memory ?? newMemory(filesystem) };
};

/**
 * Returns what a backup would do. Nothing is changed.
 *
 * @throws what runBackup() throws before it changes something
 */
export const planBackup = (request: BackupRequest, context: BackupContext): BackupPlan => {
  const volume = lookAtVolume(request.volume, context.syscalls);
  requireFolder(request.folder, volume);
  hooksOf(request);
  return new Run(request, context, {}, place(volume, namesIn(request.folder))).plan();
};

/**
 * Backs a volume up. When this returns a result that isGood(), the image is the volume as it was at a moment after the
 * call, is on disk, and the volume's changes are being tracked from that moment on.
 *
 * It may be killed at any point: the next run finishes what was begun, or its error names the remedy. The last complete
 * image exists at every moment or can be restored, unless its filesystem cannot clone and the request has no undo log.
 *
 * @throws RefusalError; SystemError if something cannot be opened, read or written, or with the driver's errno
 */
export const runBackup = (request: BackupRequest, context: BackupContext, given: BackupEvents = {}): BackupResult => {
  const began = performance.now();
  const timed = (result: RunResult): BackupResult => ({ ...result, seconds: secondsSince(began) });
  const events = noticeOnce(given);
  const volume = lookAtVolume(request.volume, context.syscalls);
  requireFolder(request.folder, volume);
  const names = namesIn(request.folder);
  // A hook that must not be run is an error before anything is changed.
  hooksOf(request);
  return withLock(names, context.syscalls, () => {
    const attempt = (): BackupResult => timed(new Run(request, context, events, place(volume, names)).run());
    try {
      return attempt();
    } catch (error) {
      // A device that fails during the copy is treated like one that failed before it.
      const isFailed = error instanceof RefusalError && error.code === 'DEVICE_FAILED';
      if (!isFailed || request.restart !== true) throw error;
      events.onNotice?.(error.message);
      return attempt();
    }
  });
};

/**
 * Ends the backups of a volume into a folder: destroys the device, and removes what is there for the next run and the next
 * boot. The images stay.
 *
 * @returns the device's minor; undefined if nothing tracked the volume
 * @throws what runBackup() throws before it changes something
 */
export const endBackups = (
  request: Pick<BackupRequest, 'volume' | 'folder'>,
  context: BackupContext,
): number | undefined => {
  const volume = lookAtVolume(request.volume, context.syscalls);
  requireFolder(request.folder, volume);
  const names = namesIn(request.folder);
  return withLock(names, context.syscalls, () => {
    const { memory, mountPoint } = place(volume, names);
    const tracking = new Tracking(context.driver, volume);
    const device = tracking.find(memory, readState(`${names.image}.datto-state`)?.series);
    if (device) tracking.destroy(device.minor);
    keepReloadScript(volume, undefined);
    for (const path of closedCowFiles(memory, mountPoint, undefined)) removeFile(path);
    return device?.minor;
  });
};
