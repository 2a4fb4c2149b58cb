/** Backs a volume up to a target: a full copy the first time, then what changed; from wherever the last run ended. */
import { planGroup, runGroup } from './group.js';
import { placeOf, taskOf, withLocks } from './locked-place.js';
import { unwrapped } from './member.js';
import type { BackupContext, BackupEvents, BackupPlan, BackupRequest, BackupResult } from './request.js';
import type { Ended } from './targets.js';
import { endTarget } from './targets.js';

/**
 * Returns what a backup would do. Nothing is changed.
 *
 * @throws what runBackup() throws before it changes something
 */
export const planBackup = (request: BackupRequest, context: BackupContext): BackupPlan => {
  const [plan] = planGroup([{ request }], context);
  if (!plan) throw new RangeError('a group of one has one plan');
  return plan;
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
export const runBackup = (request: BackupRequest, context: BackupContext, events: BackupEvents = {}): BackupResult => {
  const [outcome] = runGroup([{ request, events }], context);
  if (!outcome) throw new RangeError('a group of one has one outcome');
  if ('error' in outcome) throw outcome.error;
  return outcome.result;
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
  const task = taskOf(request, context);
  return unwrapped(() =>
    withLocks([task], () => {
      const place = placeOf(task);
      return endTarget(place, place.target, place.destination.series(), context);
    }),
  );
};
