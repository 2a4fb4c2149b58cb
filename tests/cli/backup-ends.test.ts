/** Ends of datto-backup that nobody wants, and the run after each: no state may bar the way to a good image. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  assertGood,
  backUp,
  backup,
  CLONES,
  changeDevice,
  cowFiles,
  device,
  FRESH,
  IMAGE,
  imageState,
  inFolder,
  machine,
  makeMachine,
  REPLACED,
  volume,
  writeVolume,
} from './backup-scene.js';
import type { Fakes } from './tool.js';
import { at, runTool } from './tool.js';

const backUpPlan = (options: readonly string[] = [], fakes: Fakes = {}): string =>
  backUp(options, fakes).stdout.split('\n')[0] ?? '';

/** An image between two snapshots, with the one before kept; its device gives the snapshot up. */
const breakUpdate = (options: readonly string[] = [], fakes: Fakes = CLONES): void => {
  makeMachine();
  backUp();
  writeVolume([100, 101]);
  assert.is(backup(options, { ...fakes, FAKE_BAD_WRITE: `${100 * 4096}` }).status, 5);
  assert.is(imageState().state, 'UPDATING');
};

/** From one write that fails to the next it is a part of those before further: a quarter, or half in npm test. */
const PART = process.env.LONG ? 4 : 2;
const FULL: ReadonlyArray<readonly [what: string, runs: number, options: readonly string[], fakes: Fakes]> = [
  ['a first copy', 0, [], {}],
  ['changes, with a clone', 1, ['--manifest'], CLONES],
  ['changes, with an undo log', 1, ['--keep-previous', 'undo'], {}],
  ['a whole copy', 1, ['--whole', '--manifest'], {}],
];

for (const [what, runs, options, fakes] of FULL) {
  test(`no space at any write of ${what}: status 28, and no snapshot left that leads nowhere`, () => {
    for (let write = 1; ; write += 1 + Math.floor(write / PART)) {
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
        assert.match(stderr, /is kept, so that the next run can resume the copy/);
      }
      if (good && imageState().state === 'CLEAN' && imageState().sequence === '1')
        assert.ok(readFileSync(IMAGE).equals(good), where);
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
  assert.match(
    stderr,
    /(^|: the first run after a reboot will copy everything\n)datto-backup: cannot copy all of the volume into [^\n]*: no space is left; the image there is as it was\n$/,
  );
  assert.not.ok(existsSync(FRESH));
  assert.is(device()?.state, 2);
  assert.ok(readFileSync(IMAGE).equals(good));
});

test('what was kept of the image before and is gone, or damaged, does not bar a whole copy', () => {
  for (const damage of [(path: string) => rmSync(path), (path: string) => writeFileSync(path, 'damaged')]) {
    breakUpdate();
    damage(inFolder('volume.img.datto-previous-1'));
    rmSync(machine('device'));
    const { stdout, stderr } = backUp();
    assert.match(stdout, /^full copy [^\n]*the volume is not tracked/);
    assert.match(stderr, /^datto-backup: cannot (roll back:|use) [^\n]*volume\.img\.datto-previous-1[^\n]*\n$/);
    assertGood();
  }
});

test('an image that is gone while it was a mixture is made anew', () => {
  breakUpdate();
  rmSync(IMAGE);
  assert.match(backUpPlan(), /^full copy [^\n]*there is no image yet/);
  assertGood();
});

test('a rollback that was interrupted is finished, and told by --dry-run as if it were; if it cannot be, all is copied', () => {
  breakUpdate(['--keep-previous', 'undo'], {});
  const rollBack = (): void =>
    writeFileSync(
      `${IMAGE}.datto-state`,
      JSON.stringify({ ...imageState(), sum: undefined, state: 'ROLLING_BACK', sequence: '2' }),
    );
  rollBack();
  assert.match(backUpPlan(['--dry-run', '--no-whole']), /^incremental/);
  assert.match(backUpPlan(['--no-whole']), /^incremental/);
  assertGood();

  breakUpdate(['--keep-previous', 'undo'], {});
  rollBack();
  rmSync(inFolder('volume.img.datto-undo-1'));
  assert.match(backUpPlan(), /^full copy [^\n]*cannot be finished/);
  assertGood();
});

test('a swap of images that was interrupted between the two names of its files keeps the manifest', () => {
  makeMachine();
  backUp(['--manifest']);
  const state = readFileSync(`${IMAGE}.datto-state`);
  writeVolume([9]);
  backUp(['--whole', '--manifest']);
  // The manifest has its name already, the state has not.
  renameSync(`${IMAGE}.datto-state`, `${FRESH}.datto-state`);
  writeFileSync(`${IMAGE}.datto-state`, state);
  assert.match(backUp().stderr, /it put its full copy in place; this is done now/);
  assertGood();
  const scrubbed = runTool('datto-verify', ['scrub', IMAGE]);
  assert.is(scrubbed.status, 0, scrubbed.stderr);
});

test('a list of changes that cannot be read ends the run; the next one copies everything', () => {
  makeMachine();
  backUp();
  writeVolume([5]);
  const bad = { FAKE_BAD_DISK: machine(`mount${device()?.cow ?? ''}`) };
  const { status, stderr } = backup([], bad);
  assert.is(status, 4);
  assert.match(stderr, /the list of changes is missing or incomplete; the next run makes a full copy\n$/);
  assert.is(device()?.state, 2);
  assert.match(backUpPlan([], bad), /^full copy [^\n]*the lists of changes from snapshot 1 to 2 are not complete/);
  assertGood();
});

test('COW files of a series that has ended make room for a new one', () => {
  makeMachine();
  backUp();
  const old = machine(`mount${device()?.cow ?? ''}`);
  rmSync(machine('device'));
  writeFileSync(machine('fail'), `1 28 ${old}`);
  backUp();
  assertGood();
  // Nothing of ours makes room: it is told.
  rmSync(machine('device'));
  for (const name of cowFiles()) rmSync(machine(`mount/${name}`));
  writeFileSync(machine('fail'), '1 28');
  assert.is(backup().status, 28);
});

test('an image that was to become a later snapshot than the volume knows of is copied whole', () => {
  breakUpdate();
  changeDevice({ sequence: 1 });
  assert.match(backUpPlan(), /^full copy [^\n]*the image is snapshot 2, and the volume is tracked since 1/);
  assertGood();
});

test('without what the folder or the volume remembers, the next run is incremental all the same', () => {
  makeMachine();
  backUp();
  for (const path of [inFolder('datto-backup.json'), machine('mount/.datto-backup-files/volume.json')]) {
    rmSync(path);
    writeVolume([4]);
    assert.match(backUpPlan(), /^incremental/);
    assertGood();
  }
});

test('where there are no hard links, a whole copy replaces the image all the same, killed at any moment or not', () => {
  const NO_LINKS: Fakes = { FAKE_LINK_ERRNO: '1' };
  const prepare = (): Buffer => {
    makeMachine();
    backUp(['--manifest']);
    const before = volume();
    writeVolume([60]);
    return before;
  };
  let before = prepare();
  backUp(['--whole'], { ...NO_LINKS, FAKE_STEPS: at('steps') });
  assertGood();
  assert.ok(readFileSync(REPLACED).equals(before));
  assert.is(runTool('datto-verify', ['scrub', REPLACED]).status, 0);
  assert.match(runTool('update-img', ['--status', REPLACED]).stdout, /snapshot 1 of series [0-9a-f]+, since [^;]*\n$/);
  const steps = Number(readFileSync(at('steps'), 'utf8'));
  for (let step = steps - 18; step <= steps; step++) {
    before = prepare();
    assert.is(backup(['--whole'], { ...NO_LINKS, FAKE_KILL_AT: `${step}` }).status, null);
    const kept = [IMAGE, REPLACED].filter(existsSync).map((path) => readFileSync(path));
    assert.ok(
      kept.some((content) => content.equals(before)),
      `step ${step}: the image before`,
    );
    const { kind } = JSON.parse(backUp(['--json'], NO_LINKS).stdout) as { kind: string };
    assertGood(`step ${step}`);
    if (kind === 'incremental') assert.not.ok(existsSync(REPLACED), `step ${step}`);
  }
});

test.run();
