/** The way back from an update: right for every byte, whatever was killed or done in between. */
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCowFile } from '../host/cow-maker.js';
import type { Fakes, Outcome } from './tool.js';
import { at as pathOf, runTool } from './tool.js';
import { BLOCK, COW, IMAGE, makeInfo, makeScene, run, SNAP, update } from './update-scene.js';

const STATE = `${IMAGE}.datto-state`;
const MANIFEST = `${IMAGE}.datto-manifest`;
const NEWER = pathOf('cow-newer');
const CLONE: Fakes = { FAKE_CLONE: '1' };
const FIRST = [1, 2, 300, 301, 302, 511];
const SECOND = [2, 7, 8, 400];

const entries = (blocks: readonly number[]): Array<readonly [number, bigint]> => blocks.map((block) => [block, 1n]);
const state = (): Record<string, unknown> => JSON.parse(readFileSync(STATE, 'utf8')) as Record<string, unknown>;
const rollback = (fakes: Fakes = {}, ...options: string[]): Outcome => run(['--rollback', ...options, IMAGE], fakes);
const done = ({ status, stderr }: Outcome, where = ''): void => assert.is(status, 0, `${where}: ${stderr}`);
const scrubIsClean = (where: string): void => {
  const { status, stdout, stderr } = runTool('datto-verify', ['scrub', IMAGE]);
  assert.is(status, 0, `${where}: ${stdout}${stderr}`);
};

/** Image of snapshot 1 with a manifest, and snapshot 2, which differs from it in the blocks FIRST. */
const makeFirst = (): Buffer => {
  const { snapshot, image } = makeScene({ entries: entries(FIRST) });
  const second = Buffer.from(image);
  for (const block of FIRST) snapshot.copy(second, block * BLOCK, block * BLOCK, (block + 1) * BLOCK);
  writeFileSync(SNAP, second);
  done(runTool('datto-verify', ['manifest', IMAGE]));
  return image;
};

/** Snapshot 3, which differs from 2 in the blocks SECOND. */
const makeSecond = (): Buffer => {
  const third = Buffer.from(readFileSync(SNAP));
  for (const block of SECOND) third.fill(`third ${block}`, block * BLOCK, (block + 1) * BLOCK);
  writeFileSync(SNAP, third);
  makeCowFile(NEWER, { nrSectors: 4096, seqid: 2n, entries: entries(SECOND) });
  makeInfo({ deviceSeqid: 3n });
  return third;
};

const catchUp = (options: string[] = [], fakes: Fakes = {}): Outcome =>
  run([...options, '--also', COW, '/dev/datto7', NEWER, IMAGE], fakes);

test('an undo log still leads back after an interrupted update went on to a later snapshot', () => {
  // In the middle of copying, early and late; the catching up is killed, too, at any step.
  for (const [at, first] of [19, 24].entries()) {
    for (let step = 1 + 2 * at; ; step += 4) {
      const old = makeFirst();
      assert.is(update({ FAKE_KILL_AT: `${first}` }, ['--keep-previous']).status, null);
      assert.equal([state().state, state().sequence], ['UPDATING', '1']);
      const third = makeSecond();
      const where = `killed at ${first}, then at ${step}`;
      const killed = catchUp([], { FAKE_KILL_AT: `${step}` }).status === null;
      if (step % 8 < 4 || !killed) {
        if (killed) done(catchUp(), where);
        assert.ok(readFileSync(IMAGE).equals(third), where);
        assert.equal([state().state, state().sequence], ['CLEAN', '3'], where);
        scrubIsClean(where);
      }
      done(rollback(), where);
      assert.ok(readFileSync(IMAGE).equals(old), `${where}: back`);
      assert.equal([state().state, state().sequence], ['CLEAN', '1'], where);
      scrubIsClean(`${where}: back`);
      if (!killed) break;
      assert.ok(step < 80, where);
    }
  }
});

test('an update that is done again, interrupted and led on can be taken back as a whole', () => {
  const old = makeFirst();
  done(update({}, ['--keep-previous']));
  assert.is(update({ FAKE_KILL_AT: '9' }).status, null);
  assert.equal([state().state, state().sequence, state().next], ['UPDATING', '2', '2']);
  const third = makeSecond();
  done(run(['/dev/datto7', NEWER, IMAGE]));
  assert.ok(readFileSync(IMAGE).equals(third));
  const back = rollback();
  done(back);
  assert.match(back.stdout, /is snapshot 1 again: 9 blocks restored\n$/);
  assert.ok(readFileSync(IMAGE).equals(old));
  scrubIsClean('back');
});

test('an undo log that is damaged does not keep an update from going on, and is not trusted later', () => {
  makeFirst();
  assert.is(update({ FAKE_KILL_AT: '22' }, ['--keep-previous']).status, null);
  assert.is(state().state, 'UPDATING');
  const third = makeSecond();
  writeFileSync(`${IMAGE}.datto-undo-1`, 'rotten');
  const outcome = catchUp();
  done(outcome);
  assert.match(outcome.stderr, /snapshot 1 cannot be restored any more: cannot use .* it is damaged at its header\n/);
  assert.ok(readFileSync(IMAGE).equals(third));
  assert.match(rollback().stderr, /no previous image is kept/);
  assert.not(existsSync(`${IMAGE}.datto-undo-1`));
});

test('an update killed while it keeps a second clone leaves the manifest of the first in its place', () => {
  let seen = 0;
  for (let step = 1; ; step += 2) {
    const old = makeFirst();
    done(update(CLONE, ['--keep-previous']));
    const second = readFileSync(IMAGE);
    makeSecond();
    const next = ['--keep-previous', '/dev/datto7', NEWER, IMAGE];
    if (run(next, { ...CLONE, FAKE_KILL_AT: `${step}` }).status === 0) break;
    const where = `step ${step}`;
    const before = state().state === 'CLEAN' && state().sequence === '2';
    if (before) seen++;
    done(rollback(CLONE), where);
    assert.ok(readFileSync(IMAGE).equals(before ? old : second), where);
    assert.is(state().sequence, before ? '1' : '2', where);
    scrubIsClean(where);
    assert.ok(step < 60, where);
  }
  assert.ok(seen >= 3, `${seen} times before the state was written`);
});

test('a file in the place of the manifest that is none does not keep the image from being brought back', () => {
  for (const fakes of [{}, CLONE]) {
    for (let step = 1; ; step += 2) {
      const old = makeFirst();
      writeFileSync(MANIFEST, 'mine');
      done(update(fakes, ['--keep-previous']));
      const killed = rollback({ ...fakes, FAKE_KILL_AT: `${step}` }).status === null;
      if (killed && state().previous !== undefined) done(rollback(fakes), `step ${step}`);
      assert.ok(readFileSync(IMAGE).equals(old), `step ${step}`);
      assert.equal([state().state, state().sequence], ['CLEAN', '1']);
      if (!killed) break;
      assert.ok(step < 40);
    }
  }
});

test('a rollback leaves the manifest of another image as it is, and says so', () => {
  makeFirst();
  done(update({}, ['--keep-previous']));
  // Of an image of another snapshot: it has a number.
  const other = Buffer.from(readFileSync(MANIFEST));
  writeFileSync(STATE, JSON.stringify({ ...state(), sum: undefined, sequence: '7', previous: undefined }));
  done(runTool('datto-verify', ['manifest', IMAGE]));
  const seventh = readFileSync(MANIFEST);
  assert.not(seventh.equals(other));
  makeFirst();
  done(update({}, ['--keep-previous']));
  writeFileSync(MANIFEST, seventh);
  const { status, stderr } = rollback();
  assert.is(status, 0);
  assert.match(stderr, /is of snapshot 7, it is not kept up to date/);
  assert.ok(readFileSync(MANIFEST).equals(seventh));
});

test('an undo log is not applied to an image that was found to differ and then written by something else', () => {
  makeScene();
  assert.is(update({}, ['--keep-previous', '--verify']).status, 5);
  assert.is(state().state, 'DIFFERS');
  utimesSync(IMAGE, 1, 1);
  const { status, stderr } = rollback();
  assert.is(status, 22);
  assert.match(stderr, /something else wrote it after/);
});

test.run();
