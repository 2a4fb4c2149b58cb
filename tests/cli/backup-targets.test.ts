/** One volume, backed up to several targets, each at its own pace. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BLOCK,
  backup,
  configure,
  cowFiles,
  device,
  FAKES,
  FOLDER,
  machine,
  makeMachine,
  VOLUME,
  volume,
  writeVolume,
} from './backup-scene.js';
import type { Fakes, Outcome } from './tool.js';
import { at, environment, runTool, toolPath } from './tool.js';

const OTHER = at('other');
const MEMORY = machine('mount/.datto-backup-files/volume.json');

const makeTargets = (): void => {
  makeMachine();
  rmSync(OTHER, { recursive: true, force: true });
  rmSync(`${OTHER}-moved`, { recursive: true, force: true });
  mkdirSync(OTHER);
};
const into = (folder: string, options: readonly string[] = [], fakes: Fakes = {}): Outcome =>
  runTool('datto-backup', [...options, VOLUME, folder], { ...FAKES, ...fakes });

/** A run that must succeed, and leave the volume in the folder; how it copied. */
const backUpInto = (folder: string): { kind: string; notices: string[]; copied_bytes: number } => {
  const { status, stdout, stderr } = into(folder, ['--json', '--keep-previous', 'nothing']);
  assert.is(status, 0, stderr);
  assert.ok(readFileSync(`${folder}/volume.img`).equals(volume()), folder);
  return JSON.parse(stdout) as ReturnType<typeof backUpInto>;
};
const targets = (options: readonly string[] = []): Outcome =>
  runTool('datto-backup', ['targets', ...options, VOLUME], FAKES);
const known = (): string[] =>
  (JSON.parse(targets(['--json']).stdout) as { targets: Array<{ address: string; sequence: number }> }).targets.map(
    ({ address, sequence }) => `${address} ${sequence}`,
  );

test('each target gets what changed since its own last backup, and lists go once all are past them', () => {
  makeTargets();
  assert.is(backUpInto(FOLDER).kind, 'whole');
  assert.is(backUpInto(OTHER).kind, 'whole');
  assert.equal(known(), [`${FOLDER} 1`, `${OTHER} 2`]);
  // OTHER needs nothing before its own snapshot, FOLDER the list from 1 to 2.
  assert.is(cowFiles().length, 2);
  for (const block of [10, 11, 12]) {
    writeVolume([block]);
    const { kind, copied_bytes } = backUpInto(FOLDER);
    assert.equal([kind, copied_bytes], ['incremental', BLOCK]);
  }
  // The lists from 2 to 5, and the device's own.
  assert.is(cowFiles().length, 4);
  writeVolume([12, 13]);
  const { kind, copied_bytes } = backUpInto(OTHER);
  assert.equal([kind, copied_bytes], ['incremental', 4 * BLOCK]);
  assert.equal(known(), [`${FOLDER} 5`, `${OTHER} 6`]);
  assert.is(cowFiles().length, 2);
  assert.is(backUpInto(FOLDER).kind, 'incremental');
  assert.equal(known(), [`${OTHER} 6`, `${FOLDER} 7`]);
  assert.is(cowFiles().length, 2);
});

test('a folder whose disk is mounted elsewhere is the same target', () => {
  renameSync(OTHER, `${OTHER}-moved`);
  writeVolume([20]);
  assert.is(backUpInto(`${OTHER}-moved`).kind, 'incremental');
  assert.equal(known(), [`${FOLDER} 7`, `${OTHER}-moved 8`]);
  renameSync(`${OTHER}-moved`, OTHER);
  assert.is(backUpInto(OTHER).kind, 'incremental');
  assert.equal(known(), [`${FOLDER} 7`, `${OTHER} 9`]);
});

test("a target's interrupted run does not hold the other one up", () => {
  makeTargets();
  backUpInto(FOLDER);
  backUpInto(OTHER);
  writeVolume([30]);
  // Killed in its copy: its snapshot is still there.
  for (let step = 1; ; step++) {
    const { status } = into(OTHER, [], { FAKE_KILL_AT: `${step}` });
    if (device()?.state === 3) break;
    assert.is.not(status, 0, 'no step was found');
  }
  const sequence = device()?.sequence ?? 0;
  writeVolume([31]);
  const { kind, notices } = backUpInto(FOLDER);
  assert.is(kind, 'incremental');
  assert.ok(
    notices.some(
      (text) => text === `the backup of snapshot ${sequence} into ${OTHER} was interrupted; this snapshot is ended`,
    ),
  );
  writeVolume([32]);
  assert.is(backUpInto(OTHER).kind, 'incremental');
});

test('a run waits for that of another target', async () => {
  makeTargets();
  backUpInto(FOLDER);
  const holder = spawn('flock', [machine('mount/.datto-backup-files'), 'sh', '-c', 'echo held; read line'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  const run = spawn(toolPath('datto-backup'), [VOLUME, OTHER], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: environment(FAKES),
  });
  const said = await new Promise((resolve) => run.stderr.once('data', resolve));
  assert.match(`${said}`, /^datto-backup: another run backs up [^\n]* to another target; its end is waited for\n/);
  assert.not.ok(existsSync(`${OTHER}/volume.img`));
  holder.stdin.end();
  assert.is(await new Promise((resolve) => run.once('exit', resolve)), 0);
  assert.ok(existsSync(`${OTHER}/volume.img`));
});

test('no lists are kept for a target that is given up; without another one, the tracking ends', () => {
  makeTargets();
  backUpInto(FOLDER);
  backUpInto(OTHER);
  writeVolume([40]);
  backUpInto(OTHER);
  assert.is(cowFiles().length, 3);
  const unknown = targets(['--forget', '/nowhere']);
  assert.is(unknown.status, 22);
  assert.match(
    unknown.stderr,
    /^datto-backup: cannot forget \/nowhere: it is no target of [^\n]*; expected one of: [^\n]*\n$/,
  );
  const forgotten = targets(['--forget', FOLDER]);
  assert.is(forgotten.stdout, `${VOLUME} is still tracked, for ${OTHER}; what is in ${FOLDER} stays\n`);
  assert.is(cowFiles().length, 1);
  writeVolume([41]);
  assert.is(backUpInto(FOLDER).kind, 'whole');
  assert.is(backUpInto(OTHER).kind, 'incremental');
  assert.is(targets(['--forget', FOLDER]).status, 0);
  assert.is(targets(['--forget', OTHER]).stdout, `minor ${7} is destroyed; what is in ${OTHER} stays\n`);
  assert.equal([device(), cowFiles(), existsSync(MEMORY)], [undefined, [], false]);
  assert.is(targets().stdout, `${VOLUME} has no targets: no backup of it has succeeded yet\n`);
});

test('a target that has had no backup for long is named', () => {
  makeTargets();
  backUpInto(FOLDER);
  backUpInto(OTHER);
  const text = readFileSync(MEMORY, 'utf8');
  // A record without a sum is one of an older version.
  const { sum: _sum, ...fields } = JSON.parse(text) as { sum: string; targets: Array<{ time: string }> };
  const [first] = fields.targets;
  assert.ok(first);
  first.time = new Date(Date.now() - 15 * 86_400_000).toISOString();
  writeFileSync(MEMORY, JSON.stringify(fields));
  const { notices } = backUpInto(OTHER);
  const expected = `lists of changes are kept for ${FOLDER}, which has had no backup for 15 days, since snapshot 1; hint: \`datto-backup targets --forget ${FOLDER} ${VOLUME}\` ends that`;
  assert.equal(notices, [expected]);
});

test('what is kept of the volume is not used if it is damaged: status 22, and nothing changes', () => {
  makeTargets();
  backUpInto(FOLDER);
  const text = readFileSync(MEMORY, 'utf8');
  for (const damaged of ['', '{', text.replace('"sequence": "1"', '"sequence": "2"')]) {
    writeFileSync(MEMORY, damaged);
    const { status, stderr } = backup();
    assert.is(status, 22);
    assert.match(stderr, /^datto-backup: cannot use [^\n]*volume\.json: it is damaged [^\n]*move it away[^\n]*\n$/);
    assert.is(readFileSync(MEMORY, 'utf8'), damaged);
  }
});

test('the metrics of restore points are how many there are, and the time of the oldest', () => {
  makeMachine();
  configure(`keep = latest2\nmetrics = ${at('points.prom')}\n`);
  const began = Math.floor(Date.now() / 1000);
  for (const expected of [1, 2, 2]) {
    const { status, stderr } = runTool('datto-backup', ['run', 'data'], FAKES);
    assert.is(status, 0, stderr);
    const text = readFileSync(at('points.prom'), 'utf8');
    const value = (name: string): number => Number(new RegExp(`^${name}\\{.*\\} (.*)$`, 'm').exec(text)?.[1]);
    assert.is(value('dattobd_restore_points'), expected);
    assert.ok(value('dattobd_oldest_point_timestamp_seconds') >= began);
    assert.ok(
      value('dattobd_oldest_point_timestamp_seconds') <= value('dattobd_backup_last_success_timestamp_seconds'),
    );
  }
});

test.run();
