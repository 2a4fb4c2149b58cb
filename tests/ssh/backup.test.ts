/** datto-backup into a folder of another machine: the driver is made up, the rest is not. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BLOCK,
  backUpTo,
  backup,
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
import type { Fakes, Outcome } from '../cli/tool.js';
import { at, environment, runTool, toolPath } from '../cli/tool.js';
import { startServer } from './server.js';

const server = await startServer(at('sshd'), dirname(toolPath('datto-receive')));
test.after(() => server.stop());

const ELSEWHERE = at('elsewhere');
const TARGET = `ssh:elsewhere:${ELSEWHERE}`;
const KEEP = ['--keep', 'latest2'];
const LIMIT_MS = 120_000;
const backUp = (target: string, options: readonly string[] = KEEP): Outcome => backUpTo(target, options, LIMIT_MS);

/** A run that must succeed. What its point has is read by the folder's own path. */
const run = (options: readonly string[] = KEEP): PointResult => {
  const { status, stdout, stderr } = backUp(TARGET, options);
  assert.is(status, 0, stderr);
  const result = JSON.parse(stdout) as PointResult;
  rmSync(at('restored'), { force: true });
  execFileSync('qemu-img', [
    'convert',
    '-O',
    'raw',
    join(ELSEWHERE, 'points', `${result.point}.qcow2`),
    at('restored'),
  ]);
  assert.ok(readFileSync(at('restored')).equals(volume()));
  return result;
};

const newMachine = (filesystem?: string): void => {
  makeMachine(filesystem);
  rmSync(ELSEWHERE, { recursive: true, force: true });
  mkdirSync(ELSEWHERE, { mode: 0o700 });
};

test('each run makes a point of what changed, beside a folder here, and removes those that are not to be kept', () => {
  newMachine();
  assert.is(run().kind, 'whole');
  assert.is(backup().status, 0);
  const removed: number[] = [];
  for (const block of [10, 11, 12]) {
    writeVolume([block, block + 100]);
    const { kind, copied_bytes, removed_points } = run(block === 11 ? [...KEEP, '--verify', 'all'] : KEEP);
    assert.equal([kind, copied_bytes], ['incremental', 2 * BLOCK]);
    removed.push(removed_points.length);
  }
  assert.equal(removed, [0, 1, 1]);
  assert.is(readdirSync(join(ELSEWHERE, 'points')).filter((name) => name.endsWith('.qcow2')).length, 2);
  // The lists from the folder's snapshot on, and the device's own.
  assert.is(cowFiles().length, 4);
  const { stdout } = runTool('datto-backup', ['targets', '--json', VOLUME], FAKES);
  const { targets } = JSON.parse(stdout) as { targets: Array<{ address: string }> };
  assert.equal(
    targets.map(({ address }) => address),
    [FOLDER, TARGET],
  );
  const { mode } = statSync(join(ELSEWHERE, 'points'));
  assert.is(mode & 0o077, 0);
});

test('a run whose target does not answer fails and takes no snapshot; the next one brings all that changed meanwhile', () => {
  newMachine();
  run();
  writeVolume([20]);
  const before = device();
  server.allow(undefined);
  const { status, stdout } = backUp(TARGET);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  assert.is.not(status, 0);
  assert.is(error.code, 'PROGRAM_FAILED');
  assert.match(error.message, /^cannot reach datto-receive on elsewhere: ssh ended and printed ".*Permission denied/);
  assert.equal(device(), before);
  server.allow('');
  writeVolume([21]);
  const { kind, copied_bytes } = run();
  assert.equal([kind, copied_bytes], ['incremental', 2 * BLOCK]);
});

test('a run that is killed is finished by the next one', () => {
  newMachine();
  run();
  writeVolume([29]);
  const start = (fakes: Fakes): string | null =>
    spawnSync(toolPath('datto-backup'), [...KEEP, VOLUME, TARGET], {
      env: environment({ ...FAKES, ...fakes }),
      timeout: LIMIT_MS,
    }).signal;
  assert.is(start({ FAKE_STEPS: at('steps') }), null);
  const steps = Number(readFileSync(at('steps'), 'utf8'));
  for (const part of [0.2, 0.6, 1]) {
    writeVolume([30 + 10 * part]);
    assert.is(start({ FAKE_KILL_AT: String(Math.ceil(steps * part)) }), 'SIGKILL');
    writeVolume([50]);
    assert.is(run().kind, 'incremental');
  }
});

test('a folder of another volume, one that is used by another run, and a run without rules are refused, and no snapshot is taken', () => {
  newMachine();
  run();
  const before = device();
  const refused = (options: readonly string[], target: string, expected: RegExp): void => {
    const { status, stdout } = backUp(target, options);
    const { error } = JSON.parse(stdout) as { error: { message: string } };
    assert.is.not(status, 0);
    assert.match(error.message, expected);
    assert.equal(device(), before);
  };
  refused([], TARGET, /^cannot keep one image in ssh:elsewhere:[^ ]*: it is for restore points; hint: --keep latest7 /);
  refused(KEEP, `${TARGET}/missing`, /^cannot open .*\/missing on elsewhere: No such file or directory/);
  refused(KEEP, 'ssh:elsewhere', /expected ssh:\[USER@\]HOST:\/FOLDER/);
  makeMachine('another one');
  const { status, stdout } = backUp(TARGET);
  assert.is(status, 4);
  assert.match(stdout, /its filesystem is [0-9a-f]{32}, and ssh:[^ ]* has images of [0-9a-f]{32}; use another target"/);
  assert.is(device(), undefined);
});

test.run();
