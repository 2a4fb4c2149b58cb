/** What is known of configured backups: their record, `status` for monitoring, and the metrics. */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CONFIG,
  changeDevice,
  configure,
  FAKES,
  FOLDER,
  IMAGE,
  machine,
  makeMachine,
  RECORD,
  VOLUME,
  writeVolume,
} from './backup-scene.js';
import type { Fakes, Outcome } from './tool.js';
import { at, environment, runTool, toolPath } from './tool.js';

const run = (fakes: Fakes = {}, words: readonly string[] = []): Outcome =>
  runTool('datto-backup', ['run', ...words, 'data'], { ...FAKES, ...fakes });
const status = (...words: string[]): Outcome => runTool('datto-backup', ['status', ...words], FAKES);

interface Shown {
  readonly verdict: string;
  readonly reasons: string[];
  readonly running: boolean;
  readonly tracked: string | null;
  readonly verified: unknown;
  readonly last_run?: { readonly status: number; readonly message: string };
  readonly last_success?: Readonly<Record<string, unknown>>;
}
/** What `status --json` has of the one backup, with its exit status. */
const shown = (...words: string[]): Shown & { readonly exit: number | null } => {
  const { status: exit, stdout, stderr } = status('--json', ...words);
  assert.is(stderr, '');
  const { backups } = JSON.parse(stdout) as { backups: Shown[] };
  return { exit, ...backups[0]! };
};

/** A verdict and its only reason. */
const assertShown = (exit: number, verdict: string, reason: RegExp, ...words: string[]): void => {
  const found = shown(...words);
  assert.equal([found.exit, found.verdict, found.reasons.length], [exit, verdict, 1], found.reasons.join('\n'));
  assert.match(found.reasons[0]!, reason);
};

const prepare = (more?: string): void => {
  makeMachine();
  for (const name of ['etc', 'state']) rmSync(at(name), { recursive: true, force: true });
  configure(more);
};
const backUp = (more?: string): void => {
  prepare(more);
  const { status: exit, stderr } = run();
  assert.is(exit, 0, stderr);
};
const record = (): Record<string, Record<string, unknown>> => JSON.parse(readFileSync(RECORD, 'utf8')) as never;
/** Changes the record, as a run at another time had written it. */
const changeRecord = (change: Readonly<Record<string, Readonly<Record<string, unknown>>>>): void => {
  const { sum: _sum, ...known } = record();
  for (const [key, fields] of Object.entries(change)) known[key] = { ...known[key], ...fields };
  writeFileSync(RECORD, JSON.stringify(known));
};

test('a backup that never ran is not good', () => {
  prepare();
  assertShown(2, 'unknown', /^no run of it has succeeded yet$/);
  assert.not.ok(existsSync(at('state')));
});

test('a run that succeeded is good, with what it did', () => {
  backUp();
  const found = shown('data', '--max-age', '1h');
  assert.equal([found.exit, found.verdict, found.reasons], [0, 'good', []]);
  const {
    age_seconds: age,
    kind,
    copied_bytes: copied,
    verify,
    verified,
    duration_seconds: took,
  } = found.last_success!;
  const {
    copied_blocks: blocks,
    copy_seconds: copying,
    copied_ratio: ratio,
    volume_bytes: bytes,
  } = found.last_success!;
  assert.equal([blocks, bytes, ratio], [Number(copied) / 4096, 4 * 2 ** 20, Number(copied) / (4 * 2 ** 20)]);
  assert.ok(Number(copying) > 0);
  assert.ok(Number(age) < 60 && Number(took) < 60);
  assert.equal([kind, verify, typeof verified], ['whole', 'copied', 'string']);
  assert.ok(Number(copied) > 0);
  assert.match(found.tracked!, /^minor \d+: /);
  assert.equal(found.last_run?.status, 0);
  const { stdout } = status();
  assert.match(stdout, /^data: good\n {2}volume +\/dev\/fake-origin\n/);
  assert.match(stdout, /\n {2}last backup +\S+Z, \d+ s ago: full, .* in \S+ s, \S+ MiB\/s, 50 % of the volume\n/);
  assert.match(stdout, /\n {2}verified +\S+Z: what was copied/);
  writeVolume([4]);
  run();
  assert.is(shown().last_success?.kind, 'incremental');
});

test('a record of an earlier version of the tools has no time of the copy, and is as good', () => {
  backUp();
  changeRecord({ success: { copySeconds: undefined, volumeBytes: undefined } });
  const { exit, last_success: success } = shown('--max-age', '1h');
  assert.equal([exit, success?.copy_seconds, success?.copied_ratio, success?.volume_bytes], [0, null, null, null]);
  changeRecord({ success: { copySeconds: -1 } });
  assertShown(2, 'unknown', /no copySeconds of success/, '--max-age', '1h');
});

test('a backup that nobody compared is not called verified', () => {
  backUp('verify = nothing\n');
  assert.equal(shown().last_success?.verified, null);
  assert.match(status().stdout, /\n {2}verified +no\n/);
});

test('a backup that is too old is bad, and one from the future is not known', () => {
  backUp();
  changeRecord({ success: { time: new Date(Date.now() - 27 * 3_600_000).toISOString() } });
  assertShown(1, 'bad', /^its last backup is 972\d\d seconds old, expected at most 93600$/, '--max-age', '26h');
  assert.is(shown('--max-age', '2d').exit, 0);
  changeRecord({ success: { time: new Date(Date.now() + 3_600_000).toISOString() } });
  assertShown(2, 'unknown', /in the future; hint: set the clock$/, '--max-age', '26h');
});

test('a run that failed is bad, until one succeeds', () => {
  backUp();
  writeVolume([8]);
  assert.is(run({ FAKE_BAD_READ: `${8 * 4096}` }).status, 5);
  const failed = shown();
  assert.equal([failed.exit, failed.last_run?.status], [1, 5]);
  assert.match(failed.reasons[0]!, /^the run of \S+ failed with status 5: 1 errors$/);
  assert.ok(failed.last_success);
  assert.is(run().status, 0);
  assert.is(shown().exit, 0);
  changeDevice({ error: -27, state: 3 });
  assert.is(run().status, 4);
  assert.match(shown().reasons[0]!, /failed with status 4: cannot continue with minor \d+/);
});

test('a folder that is gone, and an image that another program changed, are not good', () => {
  backUp();
  execFileSync('mv', [FOLDER, at('away')]);
  assert.match(run().stderr, /cannot open/);
  const gone = shown();
  assert.is(gone.exit, 1);
  assert.match(gone.reasons[0]!, /failed with status 2/);
  execFileSync('mv', [at('away'), FOLDER]);
  assert.is(run().status, 0);
  utimesSync(IMAGE, 1, 1);
  assertShown(1, 'bad', /^something else wrote \S+volume\.img after /);
  rmSync(`${IMAGE}.datto-state`);
  assertShown(2, 'unknown', /^the state of \S+volume\.img is unknown$/);
  rmSync(IMAGE);
  assertShown(2, 'unknown', /^cannot stat \S+volume\.img: no such file or directory$/i);
});

test('a backup by hand is not one of these runs', () => {
  backUp();
  assert.is(runTool('datto-backup', [VOLUME, FOLDER], FAKES).status, 0);
  assertShown(2, 'unknown', /is snapshot 2 of series \S+, by another run than those of this backup$/);
});

test('a record of another volume or folder does not count', () => {
  backUp();
  changeRecord({ success: { folder: '/elsewhere' } });
  assertShown(2, 'unknown', /^its last backup was of \/dev\/fake-origin into \/elsewhere$/);
});

test('a run that was killed is bad; the next one makes it good', () => {
  backUp();
  writeVolume([1, 2, 3]);
  assert.is(run({ FAKE_KILL_AT: '12' }).status, null);
  const killed = shown();
  assert.is(killed.exit, 1);
  assert.match(killed.reasons[0]!, /^the run of \S+ was ended before it was complete$/);
  assert.is(run().status, 0);
  assert.is(shown().exit, 0);
});

test('a run in progress is shown, keeps another one out, and changes nothing of the verdict', () => {
  backUp();
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const start = readFileSync(`/proc/${sleeper.pid}/stat`, 'utf8').split(' ')[21];
  try {
    changeRecord({ open: { began: new Date().toISOString(), process: `${boot} ${sleeper.pid} ${start}` } });
    rmSync(`${IMAGE}.datto-state`);
    const busy = shown();
    assert.equal([busy.exit, busy.running], [0, true]);
    const before = readFileSync(RECORD);
    const { status: exit, stderr } = run();
    assert.is(exit, 16);
    assert.match(stderr, /^datto-backup: cannot run the backup 'data': another run is in progress, since /);
    assert.ok(readFileSync(RECORD).equals(before));
  } finally {
    sleeper.kill();
  }
  // The same number, of another process.
  changeRecord({ open: { process: `${boot} ${process.pid} 1` } });
  assert.match(shown().reasons[0]!, /was ended before it was complete/);
});

test('a damaged record, one of another user and one that others can reach are not believed', () => {
  backUp();
  const good = readFileSync(RECORD);
  writeFileSync(RECORD, '{');
  assertShown(2, 'unknown', /^cannot use \S+data\.json: it is damaged/);
  writeFileSync(RECORD, good.toString().replace('"status": 0', '"status": 1'));
  assertShown(2, 'unknown', /its sum does not fit/);
  rmSync(RECORD);
  symlinkSync('/etc/hostname', RECORD);
  assertShown(2, 'unknown', /is a symbolic link/);
  rmSync(RECORD);
  writeFileSync(RECORD, good);
  chmodSync(at('state/backup'), 0o777);
  assertShown(2, 'unknown', /can be written to by others/);
  chmodSync(at('state/backup'), 0o755);
  assert.is(shown().exit, 0);
  writeFileSync(RECORD, '{');
  assert.is(run().status, 0);
  assert.is(shown().exit, 0);
});

test('a record that cannot be written costs no backup', () => {
  prepare();
  writeFileSync(at('state'), '');
  const { status: exit, stderr } = run();
  assert.is(exit, 0);
  assert.match(stderr, /^datto-backup: cannot \w+ \S+state\S*: .*: the backup was made, and is not recorded\n$/);
  rmSync(at('state'));
  assert.is(shown().exit, 2);
});

test('each backup counts: what is known to be wrong more than what is not known; a wrong file is not known', () => {
  backUp();
  writeFileSync(CONFIG.replace('data', 'other'), 'volume = /dev/x\n', { mode: 0o644 });
  const both = status();
  assert.is(both.status, 2);
  assert.match(both.stdout, /\nother: unknown\n {2}cannot use \S+other\.conf: it has no 'folder'/);
  assert.is(status('data').status, 0);
  changeRecord({ last: { status: 28, message: 'no space' } });
  assert.is(status().status, 1);
  assert.is(status('nothing').status, 2);
  rmSync(at('etc'), { recursive: true });
  assert.equal(status().status, 2);
  for (const age of ['26', 'h', '-1h', '1y', '']) assert.is(status('--max-age', age).status, 22, age);
});

test('metrics are written by rename, for others to read, and keep the last success after a failure', () => {
  const file = at('metrics/data.prom');
  rmSync(at('metrics'), { recursive: true, force: true });
  mkdirSync(at('metrics'));
  prepare(`metrics = ${file}\n`);
  const umask = process.umask(0o077);
  assert.is(
    execFileSync(toolPath('datto-backup'), ['run', '--json', 'data'], { env: environment(FAKES) }).length > 0,
    true,
  );
  process.umask(umask);
  assert.is(statSync(file).mode & 0o777, 0o644);
  const labels = `{volume="${VOLUME}",target="${FOLDER}"}`;
  const values = (): Map<string, number> =>
    new Map(
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.split(labels))
        .map(([name = '', value = '']) => [name, Number(value)]),
    );
  const first = values();
  assert.equal(
    [...first.keys()],
    [
      'dattobd_backup_last_success_timestamp_seconds',
      'dattobd_backup_duration_seconds',
      'dattobd_backup_copied_bytes',
      'dattobd_backup_copied_blocks',
      'dattobd_backup_copy_duration_seconds',
      'dattobd_backup_compared_blocks',
      'dattobd_backup_volume_bytes',
      'dattobd_backup_status',
      'dattobd_backup_last_run_timestamp_seconds',
      'dattobd_device_state',
      'dattobd_device_error',
      'dattobd_changed_blocks',
    ],
  );
  assert.ok([...first.values()].every((value) => Number.isFinite(value)));
  const figures = ['status', 'volume_bytes', 'copied_bytes', 'copied_blocks'].map((name) =>
    first.get(`dattobd_backup_${name}`),
  );
  assert.equal([...figures, first.get('dattobd_device_error')], [0, 4 * 2 ** 20, 2 * 2 ** 20, 512, 0]);
  writeFileSync(machine('mounts'), '');
  assert.is(run().status, 22);
  const second = values();
  assert.is(second.get('dattobd_backup_status'), 22);
  const SUCCESS = 'dattobd_backup_last_success_timestamp_seconds';
  assert.is(second.get(SUCCESS), first.get(SUCCESS));
  const text = readFileSync(file, 'utf8');
  for (const name of first.keys())
    assert.match(text, new RegExp(`# HELP ${name} .+\\n# TYPE ${name} gauge\\n${name}\\{`));
  assert.is(run({}, ['--metrics', at('nowhere/x')]).status, 22);
});

test.run();
