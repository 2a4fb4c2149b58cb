/** Hooks around the snapshots of datto-backup, as it is shipped. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  assertGood,
  backUp,
  configure,
  cowFiles,
  device,
  FAKES,
  FOLDER,
  IMAGE,
  makeMachine,
  RECORD,
  VOLUME,
} from './backup-scene.js';
import type { Fakes, Outcome } from './tool.js';
import { at, environment, runTool, toolPath } from './tool.js';

const LOG = at('hook-log');

const hook = (name: string, text: string): string => {
  writeFileSync(at(name), `#!/bin/sh\n${text}\n`);
  chmodSync(at(name), 0o755);
  return at(name);
};
/** A program that notes how the backup is going. */
const noting = (name: string, more = ''): string =>
  hook(name, `echo "$DATTO_HOOK $DATTO_OUTCOME $(test -e ${IMAGE}.new || echo nothing copied)" >>${LOG}\n${more}`);
const log = (): string[] => (existsSync(LOG) ? readFileSync(LOG, 'utf8').trimEnd().split('\n') : []);

const prepare = (more?: string): void => {
  makeMachine();
  for (const path of [at('etc'), LOG]) rmSync(path, { recursive: true, force: true });
  configure(more);
};

/** A run as a process of its own, whose standard error the hooks have too. */
const run = (words: readonly string[], fakes: Fakes = {}): Outcome =>
  spawnSync(toolPath('datto-backup'), words, { encoding: 'utf8', env: environment({ ...FAKES, ...fakes }) });

test('hooks run around the snapshot, and the copy comes after them', () => {
  prepare();
  backUp(['--before', noting('quiesce'), '--after', noting('resume')]);
  assert.equal(log(), ['before  nothing copied', 'after taken nothing copied']);
  assertGood();
});

test('a hook that fails before the snapshot: status 125, one line, and nothing is made', () => {
  prepare();
  const before = noting('quiesce', 'echo out; echo err >&2; exit 7');
  const { status, stdout, stderr } = run(['--before', before, '--after', noting('resume'), VOLUME, FOLDER]);
  const line = `datto-backup: cannot back up ${VOLUME}: the hook ${before} ended with status 7; no snapshot was taken\n`;
  assert.equal([status, stderr], [125, `out\nerr\n${line}`]);
  assert.match(stdout, /^full copy of [^\n]*\n$/);
  assert.equal([device(), cowFiles(), existsSync(IMAGE)], [undefined, [], false]);
  assert.equal(log(), ['before  nothing copied', 'after failed nothing copied']);
});

test('a hook that fails after the snapshot: the backup is made, and the run fails', () => {
  prepare(`after = ${hook('resume', 'exit 1')}\n`);
  const { status, stdout, stderr } = run(['run', '--json', 'data']);
  const text = `the hook ${at('resume')} ended with status 1, after the snapshot`;
  assert.equal([status, stderr], [125, `datto-backup: ${text}\n`]);
  assert.equal((JSON.parse(stdout) as { failed_hooks: string[] }).failed_hooks, [text]);
  assertGood();
  const { last, success } = JSON.parse(readFileSync(RECORD, 'utf8')) as Record<string, Record<string, unknown>>;
  assert.equal([last?.status, last?.message, success?.sequence], [125, text, '1']);
});

test('a configured backup has hooks of its file, of the command line, and of the folder', () => {
  prepare(`before = ${noting('quiesce')}\nhook-limit = 5s\n`);
  mkdirSync(at('etc/hooks.d'), { mode: 0o755 });
  noting('etc/hooks.d/all');
  assert.is(run(['run', 'data', '--after', noting('resume')]).status, 0);
  assert.equal(
    log().map((line) => line.split(' ', 2).join(' ')),
    ['before ', 'before ', 'after taken', 'after taken'],
  );
  // Nothing is run by a dry run, which checks them.
  assert.is(run(['run', 'data', '--dry-run']).status, 0);
  assert.is(log().length, 4);
  chmodSync(at('quiesce'), 0o777);
  const refused = run(['run', 'data', '--dry-run']);
  assert.is(refused.status, 22);
  assert.match(refused.stderr, /^datto-backup: cannot use \S+quiesce: it can be written to by others, /);
});

test('hooks and limits that are none are refused, by their options and keys', () => {
  prepare('before = quiesce\nafter = /bin/true\nhook-limit = 0s\n');
  const { status, stderr } = runTool('datto-backup', ['check-config'], FAKES);
  assert.is(status, 22);
  assert.match(
    stderr,
    /data\.conf:3: 'before' is 'quiesce', expected an absolute path of a program, and its arguments/,
  );
  assert.match(
    stderr,
    /data\.conf:5: 'hook-limit' is '0s', expected a number and s, min, h or d, such as 26h, above 0\n$/,
  );
  for (const words of [
    ['--before', 'quiesce'],
    ['--hook-limit', '0s'],
  ])
    assert.match(runTool('datto-backup', ['run', ...words, 'data'], FAKES).stderr, /expected an? .*\n$/);
});

test('a run that is killed while it takes the snapshot has its hook run after it', () => {
  prepare();
  const kill =
    'test "$DATTO_HOOK" = after || kill -KILL $(cut -d " " -f 4 /proc/$(cut -d " " -f 4 /proc/$PPID/stat)/stat)';
  const both = noting('both', kill);
  const { status } = run(['--before', both, '--after', both, VOLUME, FOLDER]);
  assert.is(status, null);
  assert.equal(log(), ['before  nothing copied', 'after killed nothing copied']);
  assert.is(device(), undefined);
});

test.run();
