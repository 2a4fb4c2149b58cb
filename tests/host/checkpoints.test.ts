import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Checkpoints } from '../../host/copy/checkpoints.js';

const MIB = 1048576;
const { now } = Date;
let time = 5_000_000;

test.before.each(() => {
  Date.now = () => time;
});
test.after.each(() => {
  Date.now = now;
});

/** Where checkpoints are made, of places in MiB that a copy passes, each so many milliseconds after the one before. */
const made = (checkpoints: Checkpoints, places: readonly number[], milliseconds: number): number[] => {
  const found: number[] = [];
  for (const place of places) {
    time += milliseconds;
    checkpoints.pass(place * MIB, () => void found.push(place));
  }
  return found;
};

test('a checkpoint is made after each interval that is given, however fast the copy is', () => {
  assert.equal(made(new Checkpoints(2 * MIB), [1, 2, 3, 4, 7, 8, 9], 0), [2, 4, 7, 9]);
  assert.equal(made(new Checkpoints(0), [1, 2], 0), [1, 2]);
});

test('without an interval it is made every 64 MiB, at most once a second', () => {
  assert.equal(made(new Checkpoints(undefined), [63, 64, 127, 128], 1000), [64, 128]);
  assert.equal(made(new Checkpoints(undefined), [64, 128, 192, 256, 320, 384], 400), [192, 384]);
});

test('a copy that resumes counts from where it starts', () => {
  assert.equal(made(new Checkpoints(2 * MIB, 100 * MIB), [101, 102, 103, 104], 0), [102, 104]);
});

test('a checkpoint that fails is due again', () => {
  const checkpoints = new Checkpoints(MIB);
  const fail = (): never => {
    throw new Error('no space');
  };
  assert.throws(() => checkpoints.pass(MIB, fail), 'no space');
  assert.equal(made(checkpoints, [1], 0), [1]);
});

test.run();
