// Histories at random of live checkpoints and power cuts. SEED=<number> repeats a run, HISTORIES=<number> sets how many there are.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compiledOnce, type Engine, V8_DEBUG, V8_RELEASE, WASM3_RELEASE } from './harness.js';
import { randomFrom } from './live-disk.js';
import { History } from './live-model.js';
import { SEEN } from './live-seen.js';

const SEED = Number(process.env.SEED ?? (Date.now() ^ (process.pid << 16)) >>> 1);
const HISTORIES = Number(process.env.HISTORIES ?? 1000);
/** So many meet everything there is. */
const ENOUGH = 500;

const runOn = (engine: Engine, wanted: number): void => {
  const ready = compiledOnce(engine);
  for (let n = 0; n < wanted; n++) {
    try {
      new History(ready, randomFrom(SEED + n)).run();
    } catch (error) {
      console.log(`\n  ${engine.name}: SEED=${SEED + n} HISTORIES=1 repeats it`);
      throw error;
    }
  }
};

// The debug build adds its asserts, and is slower. ENGINE=<part of a name> picks one.
for (const [engine, wanted] of [
  [V8_RELEASE, HISTORIES],
  [WASM3_RELEASE, process.env.HISTORIES ? HISTORIES : HISTORIES / 2],
  [V8_DEBUG, Math.ceil(HISTORIES / 10)],
] as const) {
  if (!engine.name.includes(process.env.ENGINE ?? '')) continue;
  const test = suite(`core live checkpoints at random, ${engine.name}`);
  test(`${wanted} histories lose no block, SEED=${SEED}`, () => {
    console.log(`\n  ${engine.name}: SEED=${SEED}`);
    for (const name of Object.keys(SEEN) as (keyof typeof SEEN)[]) SEEN[name] = 0;
    runOn(engine, wanted);
    const never = Object.entries(SEEN).filter(([, times]) => !times);
    if (wanted >= ENOUGH) assert.equal(never, []);
    if (process.env.HISTORIES) console.log(' ', JSON.stringify(SEEN));
  });
  test.run();
}
