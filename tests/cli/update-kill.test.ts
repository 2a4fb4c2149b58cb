import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { killRounds } from './kill-rounds.js';

test('an update killed at 15 random points is resumed or rolled back, and the state never lies', async () => {
  const seed = Date.now() % 2 ** 32;
  console.log(`seed ${seed}`);
  const tally = await killRounds(15, seed);
  console.log(tally);
  assert.is(tally.resumed + tally.rolledBack, 15);
  // Seldom, a process that is killed by the clock was too quick.
  assert.ok(tally.killed >= 10);
});

test.run();
