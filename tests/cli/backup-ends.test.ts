/** Ends of datto-backup that nobody wants, and the run after each: no state may bar the way to a good image. */
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CLONES,
  FRESH,
  IMAGE,
  assertGood,
  backUp,
  backup,
  device,
  imageState,
  makeMachine,
  volume,
  writeVolume,
} from './backup-scene.js';
import type { Fakes } from './tool.js';

const FULL: ReadonlyArray<readonly [what: string, runs: number, options: readonly string[], fakes: Fakes]> = [
  ['a first copy', 0, [], {}],
  ['changes, with a clone', 1, ['--manifest'], CLONES],
  ['changes, with an undo log', 1, ['--keep-previous', 'undo'], {}],
  ['a whole copy', 1, ['--whole', '--manifest'], {}],
];

for (const [what, runs, options, fakes] of FULL) {
  test(`no space at any write of ${what}: status 28, and no snapshot left that leads nowhere`, () => {
    for (let write = 1; ; write += 1 + Math.floor(write / 4)) {
      makeMachine();
      for (let run = 0; run < runs; run++) backUp(['--manifest'], fakes);
      const good = runs > 0 ? volume() : undefined;
      writeVolume([7, 300, 301]);
      const { status, stderr } = backup(options, { ...fakes, FAKE_FULL: `${write}` });
      const where = `write ${write}: ${stderr}`;
      if (status === 0) {
        assert.ok(write > 5, where);
        break;
      }
      assert.is(status, 28, where);
      if (device()?.state === 3) {
        assert.ok(existsSync(FRESH), where);
        assert.match(stderr, /stays, so that the next run can go on with it/);
      }
      if (good && imageState().state === 'CLEAN' && imageState().sequence === '1') assert.ok(readFileSync(IMAGE).equals(good), where);
      writeVolume([8]);
      backUp([], fakes);
      assertGood(where);
    }
  });
}

test('a whole copy that finds no space leaves nothing of it, and the image as it was', () => {
  makeMachine();
  backUp();
  const good = volume();
  writeVolume([7]);
  const { status, stderr } = backup(['--whole'], { FAKE_FULL: '4' });
  assert.is(status, 28);
  assert.match(stderr, /^datto-backup: Cannot copy all of the volume into [^\n]*: no space is left; the image there is as it was\n$/);
  assert.not.ok(existsSync(FRESH));
  assert.is(device()?.state, 2);
  assert.ok(readFileSync(IMAGE).equals(good));
});

test.run();
