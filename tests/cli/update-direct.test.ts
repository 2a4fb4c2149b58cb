import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Scene } from './update-scene.js';
import { BLOCK, expected, IMAGE, makeScene, SNAP, update } from './update-scene.js';

interface Result {
  readonly direct: boolean;
  readonly failed_blocks: number;
  readonly punched_bytes: number;
  readonly failures: ReadonlyArray<{ readonly offset: number; readonly bytes: number; readonly call: string }>;
  readonly notices: readonly string[];
  readonly estimate?: { readonly seconds: number; readonly basis: string };
}

const json = (stdout: string): Result => JSON.parse(stdout) as Result;

/** Runs short and long, so that some are written past the page cache and some through it. */
const LISTED = [1, 2, ...Array.from({ length: 100 }, (_, index) => 40 + index), 300, 511];
const SCENE: Scene = { entries: LISTED.map((block) => [block, 1n] as const) };

test('--direct copies what is listed and nothing else', () => {
  for (const depth of ['1', '2', '32', '256']) {
    const scene = makeScene(SCENE);
    const outcome = update({}, ['--direct', '--depth', depth, '--json']);
    assert.is(outcome.status, 0, outcome.stderr);
    assert.is(json(outcome.stdout).direct, true);
    assert.ok(readFileSync(IMAGE).equals(expected(scene, LISTED)), depth);
  }
});

test('with a limit of the rate the same is copied, past the page cache or through it', () => {
  for (const options of [['--direct'], ['--direct', '--fsync'], ['--fsync'], []]) {
    const scene = makeScene(SCENE);
    assert.is(update({}, ['--rate', '2M', ...options]).status, 0);
    assert.ok(readFileSync(IMAGE).equals(expected(scene, LISTED)), options.join(' '));
  }
});

test('--direct copies all of it though every transfer be short', () => {
  const scene = makeScene(SCENE);
  assert.is(update({ FAKE_SHORT: '1' }, ['--direct']).status, 0);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, LISTED)));
});

test('--direct makes holes of zeros, and copies an end that is not a whole block', () => {
  const scene = makeScene({ nrSectors: 4099, entries: [...LISTED, 512].map((block) => [block, 1n] as const) });
  scene.snapshot.fill(0, 40 * BLOCK, 140 * BLOCK);
  writeFileSync(SNAP, scene.snapshot);
  const outcome = update({}, ['--direct', '--fsync', '--json']);
  assert.is(outcome.status, 0, outcome.stderr);
  assert.is(json(outcome.stdout).punched_bytes, 100 * BLOCK);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, [...LISTED, 512])));
});

test('holes of a piece that fails in part are made block by block, and each counted once', () => {
  makeScene(SCENE);
  const snapshot = readFileSync(SNAP);
  snapshot.fill(0, 40 * BLOCK, 140 * BLOCK);
  snapshot.fill(0, 300 * BLOCK, 301 * BLOCK);
  writeFileSync(SNAP, snapshot);
  const { status, stdout } = update({ FAKE_BAD_READ: `${77 * BLOCK}` }, ['--json']);
  assert.is(status, 5);
  const { failed_blocks: failed, punched_bytes: punched } = json(stdout);
  assert.equal([failed, punched], [1, 100 * BLOCK]);
});

test('--direct names the block that cannot be read or written, copies the rest, and goes on the next time', () => {
  for (const [bad, call] of [
    ['FAKE_BAD_READ', 'read'],
    ['FAKE_BAD_WRITE', 'write'],
  ] as const) {
    const scene = makeScene(SCENE);
    const outcome = update({ [bad]: `${77 * BLOCK}` }, ['--direct', '--json']);
    assert.is(outcome.status, 5);
    const { failures, failed_blocks: failed } = json(outcome.stdout);
    assert.is(failed, 1);
    assert.equal(
      failures.map(({ offset, bytes, call: which }) => [offset, bytes, which]),
      [[77 * BLOCK, BLOCK, call]],
    );
    assert.ok(
      readFileSync(IMAGE).equals(
        expected(
          scene,
          LISTED.filter((block) => block !== 77),
        ),
      ),
    );
    const again = update({}, ['--direct']);
    assert.is(again.status, 0, again.stderr);
    assert.ok(readFileSync(IMAGE).equals(expected(scene, LISTED)));
  }
});

test('--direct says so where there is no asynchronous I/O, and copies all the same', () => {
  const scene = makeScene(SCENE);
  const outcome = update({ FAKE_AIO_ERRNO: '38' }, ['--direct', '--json']);
  assert.is(outcome.status, 0, outcome.stderr);
  const { direct, notices } = json(outcome.stdout);
  assert.is(direct, false);
  assert.match(notices.join(), /^cannot set up asynchronous I\/O for \/dev\/datto7: Function not implemented; /);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, LISTED)));
});

test('--direct says so where the image cannot be written past the page cache, and copies all the same', () => {
  const scene = makeScene(SCENE);
  const { status, stdout, stderr } = update({ FAKE_CACHED: '1' }, ['--direct', '--json']);
  assert.is(status, 0, stderr);
  const { direct, notices } = json(stdout);
  assert.is(direct, false);
  assert.equal(notices, [`${IMAGE} cannot be written past the page cache`]);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, LISTED)));
});

test('a depth or a rate that is none is a usage error', () => {
  for (const options of [
    ['--depth', '0'],
    ['--depth', '257'],
    ['--depth', 'x'],
    ['--rate', '0'],
    ['--rate', '-1'],
  ]) {
    makeScene();
    assert.is(update({}, ['--direct', ...options]).status, 22);
  }
});

test('--dry-run estimates from a sample that it reads, or from a rate', () => {
  makeScene(SCENE);
  const measured = json(update({}, ['--dry-run', '--json']).stdout).estimate;
  assert.match(measured?.basis ?? '', /^4 of 4 pieces to copy, 425984 bytes, read from the snapshot in /);
  const given = json(update({}, ['--dry-run', '--json', '--rate', '0.1']).stdout).estimate;
  assert.match(given?.basis ?? '', /^0\.1 MiB\/s as given/);
  assert.ok(Math.abs((given?.seconds ?? 0) - 0.06 - 4.0625) < 0.01);
});

test('--dry-run says that the sample cannot be read, and where nothing can be measured', () => {
  makeScene(SCENE);
  const { status, stdout, stderr } = update({ FAKE_BAD_READ: `${77 * BLOCK}` }, ['--dry-run']);
  assert.is(status, 0);
  assert.match(stderr, /^update-img: no estimate: cannot read \/dev\/datto7: Input\/output error\n$/);
  assert.not.match(stdout, /about/);
  const { estimate, notices } = json(update({ FAKE_AIO_ERRNO: '38' }, ['--dry-run', '--json']).stdout);
  assert.equal([notices.length, estimate], [1, undefined]);
});

test.run();
