import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { killBackups } from './backup-kill-rounds.js';

test('datto-backup killed before any change heals in the next run, and what it calls complete is', () => {
  const seed = Date.now() % 2 ** 32;
  console.log(`seed ${seed}`);
  const { killed, healed, twice } = killBackups(16, seed);
  assert.ok(killed >= 8, `${killed} killed`);
  assert.is(healed, killed);
  assert.ok(twice >= 0);
});

test.run();
