/** Backups of several volumes at one instant, as far as one volume of a driver that keeps state shows it; the rest is a scenario of VMs. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hooksOf } from '../../host/backup/hooks.js';
import {
  assertGood,
  configure,
  device,
  everything,
  FAKES,
  FOLDER,
  IMAGE,
  makeMachine,
  VOLUME,
} from './backup-scene.js';
import type { Outcome } from './tool.js';
import { at, runTool } from './tool.js';

const run = (...words: string[]): Outcome => runTool('datto-backup', words, FAKES);
const OTHER_FOLDER = at('other-backups');
const NO_VOLUME = at('no-volume');

/** Two configurations: `data`, which is backed up with `logs`. */
const prepare = (volume: string): void => {
  makeMachine();
  for (const path of [at('etc'), at('state'), OTHER_FOLDER]) rmSync(path, { recursive: true, force: true });
  mkdirSync(OTHER_FOLDER);
  configure('with = logs\n');
  const logs = `volume = ${volume}\nfolder = ${OTHER_FOLDER}\nschedule = never\n`;
  writeFileSync(at('etc/backup.d/logs.conf'), logs, { mode: 0o644 });
};

const record = (name: string): { last: { status: number; message: string } } =>
  JSON.parse(readFileSync(at(`state/backup/${name}.json`), 'utf8')) as ReturnType<typeof record>;

test('a member that cannot be backed up keeps snapshots from being taken of all', () => {
  prepare(NO_VOLUME);
  const before = everything();
  const { status, stdout, stderr } = run('run', 'data');
  assert.equal([status, stdout], [2, '']);
  assert.equal(stderr.split('\n'), [
    `datto-backup: data: cannot back up ${VOLUME}: no snapshot was taken, as ${NO_VOLUME} of its group could not be backed up`,
    `datto-backup: logs: cannot open ${NO_VOLUME}: No such file or directory`,
    '',
  ]);
  assert.equal([everything(), device()], [before, undefined]);
  assert.equal([record('data').last.status, record('logs').last.status], [125, 2]);
  assert.match(record('data').last.message, /^cannot back up .*no snapshot was taken/);
});

test('with --json there is one object with each backup, and each has its status', () => {
  prepare(NO_VOLUME);
  const { status, stdout } = run('run', '--json', 'logs', 'data');
  const { backups } = JSON.parse(stdout) as {
    backups: Array<{ name: string; status: number; error: { code?: string; errno?: number } }>;
  };
  assert.is(status, 2);
  assert.equal(
    backups.map((one) => [one.name, one.status, one.error.code ?? one.error.errno]),
    [
      ['logs', 2, 2],
      ['data', 125, 'GROUP_FAILED'],
    ],
  );
});

test('a volume is of one member only', () => {
  prepare(VOLUME);
  for (const words of [['data'], ['--dry-run', 'data']]) {
    const { status, stderr } = run('run', ...words);
    assert.is(status, 22);
    const why = `cannot back up ${VOLUME}, ${VOLUME} at one instant: ${VOLUME} and ${VOLUME} are the same volume`;
    assert.ok(stderr.includes(why), stderr);
  }
  assert.not.ok(existsSync(IMAGE));
});

test('a member runs alone by its own name', () => {
  prepare(NO_VOLUME);
  writeFileSync(at('etc/backup.d/data.conf'), `volume = ${NO_VOLUME}\nfolder = ${FOLDER}\nwith = logs\n`);
  writeFileSync(at('etc/backup.d/logs.conf'), `volume = ${VOLUME}\nfolder = ${FOLDER}\n`);
  assert.is(run('run', 'logs').status, 0);
  assertGood();
});

test('a member without a file is a flaw, and a run of the group is refused', () => {
  prepare(VOLUME);
  rmSync(at('etc/backup.d/logs.conf'));
  const { status, stderr } = run('check-config', 'data');
  assert.is(status, 22);
  assert.match(
    stderr,
    /^datto-backup: cannot use \S*data\.conf: 'with' is 'logs', and there is no \S*logs\.conf; there are: data/,
  );
  assert.is(run('run', 'data').status, 2);
  assert.is(record('data').last.status, 2);
  assert.match(record('data').last.message, /'with' is 'logs', and there is no /);
  writeFileSync(at('etc/backup.d/logs.conf'), 'volume = /dev/x\nvolumes = all\n');
  const wrong = run('run', 'data');
  assert.is(wrong.status, 22);
  assert.match(wrong.stderr, /^datto-backup: cannot use \S*logs\.conf:2: it has 'volumes'/);
  assert.equal([record('data').last.status, existsSync(at('state/backup/logs.json'))], [22, false]);
  rmSync(at('etc/backup.d/logs.conf'));
  configure('with = lo/gs\n');
  assert.match(run('check-config', 'data').stderr, /data\.conf:3: 'with' is 'lo\/gs', expected names of other files/);
});

test('two files that name each other are a group of two', () => {
  prepare(NO_VOLUME);
  writeFileSync(at('etc/backup.d/logs.conf'), `volume = ${NO_VOLUME}\nfolder = ${OTHER_FOLDER}\nwith = data\n`);
  assert.is(run('check-config').status, 0);
  assert.is(run('run', 'logs').stderr.split('\n').length, 3);
});

test('metrics of several backups do not go into one file', () => {
  prepare(NO_VOLUME);
  const { status, stderr } = run('run', '--metrics', at('m.prom'), 'data');
  assert.is(status, 22);
  assert.match(stderr, /^datto-backup: cannot use --metrics with 2 backups: .*; hint: the key metrics of each file\n$/);
});

test('a schedule may be never', () => {
  prepare(VOLUME);
  assert.equal(run('check-config', 'logs'), { status: 0, stdout: 'logs: good\n', stderr: '' });
});

test('hooks of a group run once each, and get all volumes', () => {
  const [first, second] = ['/bin/true', '/bin/false'];
  const { hooks, seconds, variables } = hooksOf([
    { volume: '/dev/a', folder: '/x', before: first, hookSeconds: 40 },
    { volume: '/dev/b', folder: '/y', before: first },
    { volume: '/dev/c', folder: '/y', after: second },
  ]);
  assert.equal(hooks, [
    { before: [first], after: [] },
    { before: [], after: [second] },
  ]);
  assert.equal([seconds, variables], [40, { DATTO_VOLUME: '/dev/a\n/dev/b\n/dev/c', DATTO_FOLDER: '/x\n/y\n/y' }]);
});

test.run();
