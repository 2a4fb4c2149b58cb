/** Backs a volume up into a folder: a full copy the first time, then what changed; from wherever the last run ended. */
import { RefusalError } from '../errors.js';
import { secondsSince } from '../system/clock.js';
import { removeFile } from '../system/safe-files.js';
import { requireKeepRules } from '../targets/keep.js';
import { hasPoints, Qcow2Target } from '../targets/qcow2.js';
import { requireFolder, requireVolume } from './checks.js';
import { closedCowFiles } from './cow-files.js';
import type { Work } from './destination.js';
import type { Names } from './folder.js';
import { KeptMemory, namesIn, newMemory, readMemory, requireOwnFiles, withLock } from './folder.js';
import { hooksOf } from './hooks.js';
import { ImageDestination } from './image-destination.js';
import { PointsDestination } from './points-destination.js';
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

/** A request for one image, or for restore points. Throws a RefusalError CONFIG_WRONG for a mixture. */
const requireOneKind = ({ folder, keep, keepPrevious, manifest }: BackupRequest): void => {
  if (keep === undefined) {
    if (!hasPoints(folder)) return;
    const hint = 'hint: --keep latest7 keeps the last seven of them, or use another folder';
    throw new RefusalError('CONFIG_WRONG', `cannot keep one image in ${folder}: it has restore points; ${hint}`);
  }
  requireKeepRules(keep);
  const option = keepPrevious === 'undo' ? '--keep-previous' : manifest === true ? '--manifest' : undefined;
  if (option === undefined) return;
  const why = 'they include what was before, and sums';
  throw new RefusalError('CONFIG_WRONG', `cannot use ${option} with restore points (--keep): ${why}`);
};

const place = (volume: Volume, names: Names, { keep }: Pick<BackupRequest, 'keep'>, work: Work): Place => {
  requireOwnFiles(names);
  const found = readMemory(names);
  const { filesystem, mountPoint } = requireVolume(volume, found, names);
  const memory = new KeptMemory(names, found ?? newMemory(filesystem));
  const destination =
    keep === undefined
      ? new ImageDestination(work, volume, names, memory)
      : new PointsDestination(
          work,
          volume,
          new Qcow2Target(names.folder, work.context.syscalls),
          requireKeepRules(keep),
        );
  return { volume, mountPoint, memory, destination };
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
  requireOneKind(request);
  const work = { request, context, events: {}, bytes: volume.bytes };
  return new Run(request, context, {}, place(volume, namesIn(request.folder), request, work)).plan();
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
  requireOneKind(request);
  const work = { request, context, events, bytes: volume.bytes };
  return withLock(names, context.syscalls, () => {
    const attempt = (): BackupResult =>
      timed(new Run(request, context, events, place(volume, names, request, work)).run());
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
  request: Pick<BackupRequest, 'volume' | 'folder' | 'keep'>,
  context: BackupContext,
): number | undefined => {
  const volume = lookAtVolume(request.volume, context.syscalls);
  requireFolder(request.folder, volume);
  const names = namesIn(request.folder);
  return withLock(names, context.syscalls, () => {
    const work = { request, context, events: {}, bytes: volume.bytes };
    const { memory, mountPoint, destination } = place(volume, names, request, work);
    const tracking = new Tracking(context.driver, volume);
    const device = tracking.find(memory.value, destination.series());
    if (device) tracking.destroy(device.minor);
    keepReloadScript(volume, undefined);
    for (const path of closedCowFiles(memory.value, mountPoint, undefined)) removeFile(path);
    return device?.minor;
  });
};
