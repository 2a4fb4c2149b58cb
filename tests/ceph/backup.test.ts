/** datto-backup into a real Ceph cluster: the driver is made up, the rest is not. */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BLOCK,
  backUpTo,
  cowFiles,
  device,
  FAKES,
  FOLDER,
  makeMachine,
  type PointResult,
  VOLUME,
  volume,
  writeVolume,
} from '../cli/backup-scene.js';
import type { Outcome } from '../cli/tool.js';
import { at, runTool } from '../cli/tool.js';
import { startCluster } from './cluster.js';

const cluster = await startCluster();
test.after(() => cluster.stop());

const TARGET = `rbd:rbd/data:conf=${process.env.CEPH_CONF}`;
const KEEP = ['--keep', 'latest2'];
/** Its programs take long to start on a busy machine. */
const LIMIT_MS = 300_000;
const backUp = (target: string, options: readonly string[] = KEEP): Outcome => backUpTo(target, options, LIMIT_MS);

const run = (): PointResult => {
  const { status, stdout, stderr } = backUp(TARGET);
  assert.is(status, 0, stderr);
  const result = JSON.parse(stdout) as PointResult;
  rmSync(at('exported'), { force: true });
  execFileSync('rbd', ['export', '--no-progress', `rbd/data@datto-${result.point}`, at('exported')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  assert.ok(readFileSync(at('exported')).equals(volume()));
  return result;
};

test('each run makes a point of what changed, beside a folder, and removes those that are not to be kept', () => {
  makeMachine();
  assert.is(run().kind, 'whole');
  assert.is(runTool('datto-backup', [VOLUME, FOLDER], FAKES).status, 0);
  const removed: string[][] = [];
  for (const block of [10, 11, 12]) {
    writeVolume([block, block + 100]);
    const { kind, copied_bytes, removed_points } = run();
    assert.equal([kind, copied_bytes], ['incremental', 2 * BLOCK]);
    removed.push(removed_points);
  }
  assert.equal(
    removed.map((names) => names.length),
    [0, 1, 1],
  );
  // The lists from the folder's snapshot on, and the device's own.
  assert.is(cowFiles().length, 4);
  const { stdout } = runTool('datto-backup', ['targets', '--json', VOLUME], FAKES);
  const { targets } = JSON.parse(stdout) as { targets: Array<{ address: string; sequence: string }> };
  assert.equal(targets, [
    { ...targets[0], address: FOLDER },
    { ...targets[1], address: TARGET },
  ]);
  assert.is(device()?.sequence, 5);
});

test('an image of another volume, one without rules, and one that does not answer are refused, and no snapshot is taken', () => {
  const before = device();
  const refused = (target: string, options: readonly string[], expected: RegExp): void => {
    const { status, stdout } = backUp(target, options);
    const { error } = JSON.parse(stdout) as { error: { message: string } };
    assert.is.not(status, 0);
    assert.match(error.message, expected);
    assert.equal(device(), before);
  };
  refused(TARGET, [], /^cannot keep one image in rbd:[^ ]*: it is for restore points; hint: --keep latest7 /);
  refused(TARGET, [...KEEP, '--manifest'], /^cannot use --manifest with restore points/);
  refused('rbd:nopool/data', KEEP, /^cannot open pool 'nopool' for nopool\/data: /);
  refused(
    's3:bucket',
    KEEP,
    /^cannot use s3:bucket: its kind is unknown, expected a folder, or ssh:HOST:\/FOLDER, rbd:POOL\/IMAGE, .*; hint: /,
  );
  makeMachine('another one');
  assert.is(device(), undefined);
  const { status, stdout } = backUp(TARGET);
  assert.is(status, 4);
  assert.match(stdout, /its filesystem is [0-9a-f]{32}, and rbd:[^ ]* has images of [0-9a-f]{32}; use another target"/);
  assert.is(device(), undefined);
});

test.run();
