/** Restore points that are not to be kept. */
import { RefusalError, SystemError } from '../errors.js';
import type { KeepRules } from '../targets/keep.js';
import { toRemove } from '../targets/keep.js';
import type { Point } from '../targets/target.js';
import type { BackupEvents } from './request.js';

/**
 * Removes points that the rules do not keep. What fails is tried again by the next run: the new point is complete.
 *
 * @returns names of those that are removed
 */
export const removeOld = <P extends Point>(
  points: readonly P[],
  rules: KeepRules,
  remove: (point: P) => void,
  events: BackupEvents,
): string[] => {
  const removed: string[] = [];
  for (const point of toRemove(points, rules)) {
    try {
      events.onStep?.(`removing restore point ${point.name}`);
      remove(point);
      removed.push(point.name);
    } catch (error) {
      if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
      const what = `restore point ${point.name} is not removed yet: ${error.message}`;
      events.onNotice?.(`${what}; the next run tries again`);
      break;
    }
  }
  return removed;
};
