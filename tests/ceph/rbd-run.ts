/**
 * Makes restore points in an image until it is killed.
 *
 *   rbd-run.ts ADDRESS FOLDER SEED
 */
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { requireKeepRules, toRemove } from '../../host/targets/keep.js';
import { RbdTarget } from '../../host/targets/rbd/target.js';
import { backUp } from '../host/targets/point-run.js';

const [, , address = '', folder = '', seed = ''] = process.argv;
const target = new RbdTarget(address, nativeSyscalls());
for (;;) {
  target.tidy(() => undefined);
  const newest = target.points().at(-1);
  const sequence = Number(newest?.sequence ?? target.begun()?.sequence ?? 1n) + (newest ? 1 : 0);
  backUp(target, folder, Number(seed), sequence);
  for (const point of toRemove(target.points(), requireKeepRules('latest3,days2'))) target.remove(point);
}
