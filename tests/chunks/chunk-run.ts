/**
 * Makes restore points in a repository until it is killed.
 *
 *   chunk-run.ts ENGINE FOLDER SEED
 */
import type { EngineName } from './volume.js';
import { backUp, sequences, setPasswords, targetIn } from './volume.js';

const [, , engine = '', folder = '', seed = ''] = process.argv;
setPasswords();
const target = targetIn(engine as EngineName, folder);
for (;;) {
  target.tidy(() => undefined);
  process.stdout.write('begun\n');
  backUp(target, folder, Number(seed), (sequences(target).at(-1) ?? 0) + 1);
  const points = target.points();
  if (points.length > 3) target.remove([points[1]!]);
}
