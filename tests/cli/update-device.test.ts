/** update-img on an image that is a block device. */
import { readFileSync, rmSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Fakes, Outcome } from './tool.js';
import { at } from './tool.js';
import { COW, expected, IMAGE, makeScene, run, SNAPSHOT } from './update-scene.js';

const STATE = at('image-state');
const BLOCK_DEVICE: Fakes = { FAKE_BLOCK: IMAGE };

const update = (fakes: Fakes = {}, ...options: string[]): Outcome =>
  run([...options, '--state', STATE, SNAPSHOT, COW, IMAGE], { ...BLOCK_DEVICE, ...fakes });
const rollback = (fakes: Fakes = {}): Outcome =>
  run(['--rollback', '--state', STATE, IMAGE], { ...BLOCK_DEVICE, ...fakes });

test('a block device that is mounted, or in use otherwise, is not written', () => {
  const scene = makeScene();
  rmSync(STATE, { force: true });
  const busy: Fakes = { FAKE_BUSY: '1' };
  const assertBusy = ({ status, stdout, stderr }: Outcome): void => {
    assert.equal([status, stdout], [16, '']);
    assert.match(stderr, /^update-img: Cannot write [^\n]*image: it is mounted, or part of something that is in use, /);
  };
  assertBusy(update(busy));
  assertBusy(update(busy, '--dry-run'));
  assert.ok(readFileSync(IMAGE).equals(scene.image));
  assert.is(update({}, '--keep-previous').status, 0);
  const updated = expected(scene, [1, 2, 300]);
  assert.ok(readFileSync(IMAGE).equals(updated));
  assertBusy(rollback(busy));
  assert.ok(readFileSync(IMAGE).equals(updated));
  assert.is(rollback().status, 0);
  assert.ok(readFileSync(IMAGE).equals(scene.image));
});

test.run();
