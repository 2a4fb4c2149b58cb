/** Restore points that are not to be kept. */
import { RefusalError, SystemError } from '../errors.js';
import type { KeepRules } from '../targets/keep.js';
import { toRemove } from '../targets/keep.js';
import type { Point } from '../targets/target.js';
import type { BackupEvents, CopyOutcome } from './request.js';

/** What became of the points of a target. */
type AfterRemoval = Required<Pick<CopyOutcome, 'removedPoints' | 'pointsKept'>>;

/**
 * Removes points that the rules do not keep. What fails is tried again by the next run: the new point is complete.
 *
 * @param points at least one, the oldest first
 */
export const removeOld = <P extends Point>(
  points: readonly P[],
  rules: KeepRules,
  remove: (point: P) => void,
  events: BackupEvents,
): AfterRemoval => {
  const removed = new Set<P>();
  for (const point of toRemove(points, rules)) {
    try {
      events.onStep?.(`removing restore point ${point.name}`);
      remove(point);
      removed.add(point);
    } catch (error) {
      if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
      const what = `restore point ${point.name} is not removed yet: ${error.message}`;
      events.onNotice?.(`${what}; the next run tries again`);
      break;
    }
  }
  const kept = points.filter((point) => !removed.has(point));
  const oldest = new Date(Math.min(...kept.map(({ time }) => time.getTime())));
  return { removedPoints: [...removed].map(({ name }) => name), pointsKept: { count: kept.length, oldest } };
};
