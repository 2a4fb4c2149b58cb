// Random operations on the core and on a plain model. SEED=<number> repeats a run, OPERATIONS=<number> sets its length.

import fc from 'fast-check';
import { suite } from 'uvu';
import { type Engine, V8_DEBUG, V8_RELEASE, WASM3_RELEASE } from './harness.js';
import { OPERATION_NAMES, type OperationName, Pair } from './random-operations.js';

const SEED = Number(process.env.SEED ?? (Date.now() ^ (process.pid << 16)) >>> 1);
const OPERATIONS = Number(process.env.OPERATIONS ?? 40_000);
/** Operations on one core, from init() on. */
const SEQUENCE = 4000;
/** Sequences between two looks at how many operations were done. */
const SEQUENCES = 5;

/** Many sections on 16 slots: without a tail; with one, without and with an entry for it; with many slack entries. */
const SIZES = [48 * 32768, 48 * 32768 + 5, 47 * 32768 + 8 * 77 + 1, 60 * 32768 - 8];

/** How often each operation comes, relative to the others. */
const WEIGHTS: Readonly<Record<OperationName, number>> = {
  mark: 6,
  markCopied: 10,
  isCopied: 10,
  copy: 25,
  commit: 15,
  read: 30,
  load: 10,
  failedRead: 4,
  failedWrite: 4,
  writeOne: 6,
  writeWhileCommitting: 6,
  flush: 1,
  mask: 4,
  markUnmasked: 1,
  exportMask: 2,
  importMask: 1,
  exportSection: 6,
  nextChangedSection: 4,
  changedRuns: 1,
  setCache: 1,
  limit: 2,
  unlimit: 4,
};

const operation = fc.record({
  name: fc.oneof(...OPERATION_NAMES.map((name) => ({ weight: WEIGHTS[name], arbitrary: fc.constant(name) }))),
  section: fc.nat(1000),
  offset: fc.oneof(fc.nat(200), fc.nat(4095), fc.integer({ min: 3900, max: 4095 })),
  length: fc.oneof(
    { weight: 9, arbitrary: fc.nat(5) },
    { weight: 9, arbitrary: fc.nat(200) },
    { weight: 9, arbitrary: fc.nat(5000) },
    { weight: 1, arbitrary: fc.nat(50000) },
  ),
  extra: fc.nat(),
});

/** A sequence, and how many of its operations are done before the device turns incremental. */
const sequence = fc.record({
  nrSectors: fc.constantFrom(...SIZES),
  operations: fc.array(operation, { minLength: 1, maxLength: SEQUENCE, size: 'max' }),
  incrementalAfter: fc.nat(2 * SEQUENCE),
});

const runOn = (engine: Engine, wanted: number): void => {
  let done = 0;
  let seed = SEED;
  const property = fc.property(sequence, ({ nrSectors, operations, incrementalAfter }) => {
    const pair = new Pair(engine, nrSectors);
    try {
      operations.forEach(({ name, ...place }, i) => {
        if (i === incrementalAfter) pair.toIncremental();
        pair.run(name, place);
        done++;
      });
      pair.checkAll();
    } finally {
      pair.close();
    }
  });
  while (done < wanted) fc.assert(property, { seed: seed++, numRuns: SEQUENCES, endOnFailure: false });
};

// The debug build adds its asserts, and is slower.
for (const [engine, wanted] of [
  [V8_RELEASE, OPERATIONS],
  [WASM3_RELEASE, OPERATIONS],
  [V8_DEBUG, OPERATIONS / 10],
] as const) {
  const test = suite(`core random operations, ${engine.name}`);
  test(`${wanted} operations agree with the model, SEED=${SEED}`, () => {
    console.log(`\n  ${engine.name}: SEED=${SEED}`);
    runOn(engine, wanted);
  });
  test.run();
}
