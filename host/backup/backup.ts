/** Backs a volume up into a folder: a full copy the first time, then what changed; from wherever the last run ended. */
import { RefusalError } from '../errors.js';
import { secondsSince } from '../system/clock.js';
import { shownTarget } from '../targets/open-target.js';
import { requireVolume } from './checks.js';
import type { Work } from './destination.js';
import type { Home } from './home.js';
import { homeOf } from './home.js';
import { hooksOf } from './hooks.js';
import type { BackupContext, BackupEvents, BackupPlan, BackupRequest, BackupResult, RunResult } from './request.js';
import type { Place } from './run.js';
import { Run } from './run.js';
import type { Ended } from './targets.js';
import { endTarget } from './targets.js';
import type { Volume } from './volume.js';
import { lookAtVolume } from './volume.js';
import { KeptVolume, withVolumeLock } from './volume-memory.js';

/** The same events, with each notice once: a run may copy more than one snapshot. */
const noticeOnce = (events: BackupEvents): BackupEvents => {
  const seen = new Set<string>();
  const onNotice = (text: string): void => {
    if (!seen.has(text)) events.onNotice?.(text);
    seen.add(text);
  };
  return { ...events, onNotice };
};

/** What a run works on, once its target is locked. */
const placeOf = (home: Home, volume: Volume, work: Work): Place => {
  const { filesystem, of } = home.open(work, volume);
  const mounted = requireVolume(volume, filesystem, shownTarget(work.request.folder));
  const { mountPoint } = mounted;
  return { volume, mountPoint, kept: new KeptVolume(mountPoint), ...of(mounted.filesystem) };
};

/**
 * Returns what a backup would do. Nothing is changed.
 *
 * @throws what runBackup() throws before it changes something
 */
export const planBackup = (request: BackupRequest, context: BackupContext): BackupPlan => {
  const volume = lookAtVolume(request.volume, context.syscalls);
  const home = homeOf(request, context.syscalls);
  home.requireUsable(volume);
  hooksOf(request);
  const work = { request, context, events: {}, bytes: volume.bytes };
  return new Run(request, context, {}, placeOf(home, volume, work)).plan();
};

/** Runs with the locks of the target and of the volume: other runs for the volume are waited for. */
const withLocks = <T>(home: Home, volume: Volume, work: Work, run: (place: () => Place) => T): T =>
  home.withLock(() => {
    const place = (): Place => placeOf(home, volume, work);
    const onWait = (): void =>
      work.events.onNotice?.(`another run backs up ${volume.path} to another target; its end is waited for`);
    return withVolumeLock(place().mountPoint, work.context.syscalls, onWait, () => run(place));
  });

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
  const home = homeOf(request, context.syscalls);
  home.requireUsable(volume);
  // A hook that must not be run is an error before anything is changed.
  hooksOf(request);
  const work = { request, context, events, bytes: volume.bytes };
  return withLocks(home, volume, work, (place) => {
    const attempt = (): BackupResult => timed(new Run(request, context, events, place()).run());
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
 * Ends the backups of a volume to a target, as forgetTarget() does.
 *
 * @throws what runBackup() throws before it changes something
 */
export const endBackups = (
  request: Pick<BackupRequest, 'volume' | 'folder' | 'keep'>,
  context: BackupContext,
): Ended => {
  const volume = lookAtVolume(request.volume, context.syscalls);
  const home = homeOf(request, context.syscalls);
  home.requireUsable(volume);
  const work = { request, context, events: {}, bytes: volume.bytes };
  return withLocks(home, volume, work, (open) => {
    const place = open();
    return endTarget(place, place.target, place.destination.series(), context);
  });
};
