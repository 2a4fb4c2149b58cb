/** Backups that files configure: run and check-config, as they are shipped. */
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  assertGood,
  CONFIG,
  configure,
  cowFiles,
  device,
  FAKES,
  FOLDER,
  IMAGE,
  makeMachine,
  writeVolume,
} from './backup-scene.js';
import type { Fakes, Outcome } from './tool.js';
import { at, runTool } from './tool.js';

const backup = (...words: string[]): Outcome => runTool('datto-backup', words, FAKES);
const run = (words: readonly string[] = [], fakes: Fakes = {}): Outcome =>
  runTool('datto-backup', ['run', ...words, 'data'], { ...FAKES, ...fakes });

const prepare = (more?: string): void => {
  makeMachine();
  rmSync(at('etc'), { recursive: true, force: true });
  configure(more);
};

test('a configured backup runs, the first time and the next', () => {
  prepare('verify = all\nkeep-previous = undo\n');
  const first = run();
  assert.equal([first.status, first.stderr], [0, '']);
  assert.match(first.stdout, /^full copy of .*: there is no image yet\n/);
  assertGood();
  writeVolume([3, 900]);
  const next = JSON.parse(run(['--json']).stdout) as Record<string, unknown>;
  assert.equal([next.kind, next.compared_blocks], ['incremental', 1024]);
  assert.match(String(next.previous), /volume\.img\.datto-undo-1$/);
  assertGood();
});

test('the command line counts more than the file', () => {
  prepare('whole = no\n');
  const refused = run();
  assert.is(refused.status, 4);
  assert.match(refused.stderr, /by its changes only: there is no image yet\n$/);
  assert.is(run(['--dry-run']).status, 4);
  assert.not.ok(existsSync(IMAGE));
  assert.is(run(['--whole']).status, 0);
  assertGood();
  assert.match(run(['--dry-run']).stdout, /^incremental, /);
});

test('a wrong configuration stops the run with its line, and nothing is made', () => {
  prepare('verfy = all\nmanifest = perhaps\n');
  const { status, stdout, stderr } = run();
  assert.equal([status, stdout], [22, '']);
  assert.match(stderr, /^datto-backup: cannot use \S+data\.conf:3: it has the unknown key 'verfy', .* 'verify'\?\n$/);
  assert.not.ok(existsSync(IMAGE));
  const json = JSON.parse(run(['--json']).stdout) as { error: { code: string } };
  assert.is(json.error.code, 'CONFIG_WRONG');
  prepare();
  chmodSync(CONFIG, 0o666);
  assert.is(run().status, 22);
});

test('a name without a file is refused', () => {
  prepare();
  const { status, stderr } = backup('run', 'dta');
  assert.is(status, 2);
  assert.match(
    stderr,
    /^datto-backup: cannot use 'dta': there is no .*; there are: data; hint: did you mean 'data'\?\n$/,
  );
});

test('check-config finds each flaw of each file', () => {
  prepare();
  assert.equal(backup('check-config'), { status: 0, stdout: 'data: good\n', stderr: '' });
  writeFileSync(at('etc/backup.d/b.conf'), 'volume = /dev/vdb\nretention = 7\nwhole\n', { mode: 0o644 });
  writeFileSync(at('etc/backup.d/a b.conf'), '', { mode: 0o644 });
  const { status, stdout, stderr } = backup('check-config');
  assert.equal([status, stdout], [22, 'data: good\n']);
  assert.equal(
    stderr.split('\n').map((line) => line.replaceAll(at('etc/backup.d/'), '').slice(0, 52)),
    [
      "datto-backup: cannot use the name 'a b': expected the name",
      "datto-backup: cannot use b.conf:2: it has 'retention",
      'datto-backup: cannot use b.conf:3: it has no =, expe',
      "datto-backup: cannot use b.conf: it has no 'folder',",
      '',
    ].map((line) => line.slice(0, 52)),
  );
  assert.is(backup('check-config', 'data').status, 0);
  const { configs } = JSON.parse(backup('check-config', '--json', 'b').stdout) as {
    configs: Array<{ flaws: string[] }>;
  };
  assert.is(configs[0]?.flaws.length, 3);
  assert.is(backup('check-config', 'nothing').status, 2);
  rmSync(at('etc'), { recursive: true });
  assert.match(backup('check-config').stdout, /^no backups are configured in /);
});

test('check-config knows a schedule that systemd does not', () => {
  prepare('schedule = Mon..Fri 02:00\n');
  assert.is(backup('check-config').status, 0);
  prepare('schedule = Someday 25:00\n');
  const { status, stderr } = backup('check-config');
  assert.is(status, 22);
  assert.match(stderr, /'schedule' is 'Someday 25:00', expected a calendar event/);
});

test('the tracking ends with all that was there for the next run and the next boot; the image stays', () => {
  prepare();
  rmSync(at('scripts'), { recursive: true, force: true });
  run();
  assert.is(readdirSync(at('scripts')).length, 1);
  assert.equal(backup('end', 'data'), {
    status: 0,
    stdout: `minor 7 is destroyed; the images in ${FOLDER} stay\n`,
    stderr: '',
  });
  assert.equal([device(), readdirSync(at('scripts')), cowFiles()], [undefined, [], []]);
  assert.ok(existsSync(IMAGE));
  assert.match(backup('end', 'data').stdout, /^nothing tracks \/dev\/fake-origin; /);
  assert.match(run().stdout, /^full copy of /);
  assertGood();
});

test('options before the sub-command are refused, and a block device of such a name has a path', () => {
  prepare();
  const { status, stdout, stderr } = backup('--json', 'run', 'data');
  assert.equal([status, stdout], [22, '']);
  assert.match(stderr, /^Usage: [\s\S]*\ndatto-backup: options before 'run', expected them after it\n$/);
  assert.match(backup('./run', at('backups')).stderr, /cannot open \.\/run: /);
});

test.run();
