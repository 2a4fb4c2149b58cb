import { writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Fakes, Outcome } from './tool.js';
import { at, readLog, runTool } from './tool.js';

const LOG = at('ioctls');
const USAGE_FIRST = 'Usage:\n\tdbdctl setup-snapshot ';

const dbdctl = (args: string[], fakes: Fakes = {}): Outcome & { ioctls: string[] } => {
  const outcome = runTool('dbdctl', args, { FAKE_DRIVER: '1', FAKE_LOG: LOG, ...fakes });
  return { ...outcome, ioctls: readLog(LOG) };
};

/** A usage error (docs/COMMANDS.md, F2.11): words, then the usage, and nothing was asked of the driver. */
const assertUsageError = (args: string[], reason: string): void => {
  const { status, stdout, stderr, ioctls } = dbdctl(args);
  const label = args.join(' ');
  assert.is(status, 255, label);
  assert.is(stderr.split('\n').at(-2), `dbdctl: cannot read the parameters of ${args[0]}: ${reason}`, label);
  assert.ok(stdout.startsWith(USAGE_FIRST), label);
  assert.equal(ioctls, [], label);
};

const CALLS: ReadonlyArray<readonly [args: string, ioctl: string]> = [
  ['setup-snapshot /dev/sdb1 /mnt/.cow 3', '1 /dev/sdb1 /mnt/.cow 0 0 3'],
  ['setup-snapshot -c 1000 -f 20 /dev/sdb1 /mnt/.cow 3', '1 /dev/sdb1 /mnt/.cow 20 1000 3'],
  ['setup-snapshot /dev/sdb1 -f20 /mnt/.cow 3 -c1000', '1 /dev/sdb1 /mnt/.cow 20 1000 3'],
  ['setup-snapshot -c 1 -c 2 -- /dev/sdb1 -odd 3', '1 /dev/sdb1 -odd 0 2 3'],
  ['reload-snapshot -c 5 /dev/sdb1 /.cow 3', '2 /dev/sdb1 /.cow 5 3'],
  ['reload-incremental /dev/sdb1 .cow 3', '3 /dev/sdb1 .cow 0 3'],
  ['destroy 4294967295', '4 4294967295'],
  ['transition-to-incremental 7', '5 7'],
  ['transition-to-snapshot -f 9 /mnt/.cow2 7', '6 /mnt/.cow2 9 7'],
  ['reconfigure -c 400 7', '7 400 7'],
  ['reconfigure 7', '7 0 7'],
  ['expand-cow-file 18446744073709551615 7', '10 18446744073709551615 7'],
  ['reconfigure-auto-expand 5 7', '11 5 0 7'],
  ['reconfigure-auto-expand -r 6 5 7', '11 5 6 7'],
  ['destroy 010', '4 10'],
  ['setup-snapshot -c 64M -f 4G /dev/sdb1 /mnt/.cow 3', '1 /dev/sdb1 /mnt/.cow 4096 67108864 3'],
  ['setup-snapshot -c 1K -f 1025KiB /dev/sdb1 /mnt/.cow 3', '1 /dev/sdb1 /mnt/.cow 2 1024 3'],
  ['reload-incremental -c 1GiB /dev/sdb1 .cow 3', '3 /dev/sdb1 .cow 1073741824 3'],
  ['expand-cow-file 1T 7', '10 1048576 7'],
  ['reconfigure-auto-expand -r 1G 512M 7', '11 512 1024 7'],
  ['destroy 08', '4 8'],
  ['setup-snapshot-group /dev/a /a/.cow 3', '12 flags 0 | /dev/a /a/.cow 0 0 3'],
  [
    'setup-snapshot-group -c 1K -f 20 /dev/a /a/.cow 3 /dev/b /b/.cow 1',
    '12 flags 0 | /dev/a /a/.cow 20 1024 3 | /dev/b /b/.cow 20 1024 1',
  ],
  ['transition-to-snapshot-group /a/.cow2 3 /b/.cow2 1', '13 flags 0 | - /a/.cow2 0 0 3 | - /b/.cow2 0 0 1'],
  ['transition-to-snapshot-group -f 9 /a/.cow2 3', '13 flags 0 | - /a/.cow2 9 0 3'],
];

for (const [args, ioctl] of CALLS) {
  test(`dbdctl ${args} is one ioctl, and says nothing`, () => {
    const { status, stdout, stderr, ioctls } = dbdctl(args.split(' '));
    assert.equal({ status, stdout, stderr, ioctls }, { status: 0, stdout: '', stderr: '', ioctls: [ioctl] });
  });
}

test('dbdctl without arguments prints the usage, even without a driver', () => {
  const { status, stdout, stderr } = runTool('dbdctl', []);
  assert.equal({ status, stderr }, { status: 255, stderr: '' });
  assert.ok(stdout.startsWith(USAGE_FIRST));
});

test('the usage has a line for each sub-command, a blank line and four notes', () => {
  const { status, stdout } = dbdctl(['help']);
  assert.is(status, 0);
  const lines = stdout.split('\n');
  assert.equal(
    lines.slice(1, 13).map((line) => /^\tdbdctl ([a-z-]+)/.exec(line)?.[1]),
    [
      ...['setup-snapshot', 'reload-snapshot', 'reload-incremental', 'destroy', 'transition-to-incremental'],
      ...['transition-to-snapshot', 'reconfigure', 'expand-cow-file', 'reconfigure-auto-expand'],
      ...['setup-snapshot-group', 'transition-to-snapshot-group', 'help'],
    ],
  );
  assert.is(lines[13], '');
  assert.is(lines.slice(14, 18).filter(Boolean).length, 4);
  assert.equal(lines.slice(18), ['']);
});

test('without a driver every sub-command fails, help too', () => {
  for (const args of [['help'], ['destroy', '1'], ['destroy'], ['nonsense'], ['status']]) {
    const { status, stdout, stderr } = runTool('dbdctl', args);
    assert.is(status, 255);
    assert.is(stdout, '');
    assert.match(stderr, /^[^\n]*: Invalid argument\n$/);
  }
});

test('an unknown sub-command or option fails with the usage', () => {
  for (const args of [['nonsense'], ['nonsense', '1'], ['-x'], ['--nonsense'], ['']]) {
    const { status, stdout, ioctls } = dbdctl(args);
    assert.is(status, 255, args.join());
    assert.ok(stdout.startsWith(USAGE_FIRST), args.join());
    assert.equal(ioctls, []);
  }
});

test('a wrong number of arguments is an invalid argument', () => {
  for (const [args] of CALLS.filter(([, ioctl]) => !ioctl.includes('-odd'))) {
    const words = args.split(' ');
    assertUsageError([...words, 'extra'], 'Invalid argument');
    assertUsageError(words.slice(0, 1), 'Invalid argument');
  }
});

test('an option that a sub-command does not have is named as getopt does', () => {
  for (const args of [
    ['reload-snapshot', '-f', '1', '/dev/sdb1', '/c', '1'],
    ['reconfigure', '-x', '1'],
    ['transition-to-snapshot', '-h', '/c', '1'],
  ]) {
    assertUsageError(args, 'Invalid argument');
    assert.is(dbdctl(args).stderr.split('\n')[0], `${args[0]}: invalid option -- '${args[1]?.slice(1)}'`);
  }
  assert.match(dbdctl(['reconfigure', '--nope', '1']).stderr, /^reconfigure: unrecognized option '--nope'\n/);
});

test('an option without its argument is named as getopt does', () => {
  assertUsageError(['reconfigure', '1', '-c'], 'Invalid argument');
  assert.match(dbdctl(['reconfigure', '1', '-c']).stderr, /^reconfigure: option requires an argument -- 'c'\n/);
});

test('what is not digits is no number', () => {
  for (const text of ['x', '', ' 1', '1 ', '+1', '-1', '0x10', '1.5', '1e3', '١']) {
    assertUsageError(['destroy', text], 'Success');
    assertUsageError(['transition-to-incremental', text], 'Success');
    assertUsageError(['expand-cow-file', text, '1'], 'Success');
    assertUsageError(['setup-snapshot', '/dev/sdb1', '/c', text === '-1' ? 'x' : text], 'Success');
    assertUsageError(['setup-snapshot', '-c', text, '/dev/sdb1', '/c', '1'], 'Success');
    assertUsageError(['setup-snapshot', '-f', text, '/dev/sdb1', '/c', '1'], 'Success');
    assertUsageError(['reconfigure-auto-expand', '-r', text, '1', '1'], 'Success');
  }
  // A size has a unit, and no other; a minor has none.
  for (const text of ['G', '1 G', '1g', '1GB', '1Gi', '1.5G', '-1G', '1P']) {
    assertUsageError(['expand-cow-file', text, '1'], 'Success');
    assertUsageError(['setup-snapshot', '-f', text, '/dev/sdb1', '/c', '1'], 'Success');
  }
  assertUsageError(['destroy', '1K'], 'Success');
  // Not silently 0
  assertUsageError(['reconfigure-auto-expand', 'x', '1'], 'Success');
});

test('a number beyond its range is refused, never cut', () => {
  const reason = 'Numerical result out of range';
  assertUsageError(['destroy', '4294967296'], reason);
  assertUsageError(['destroy', '4294967297'], reason);
  assertUsageError(['reconfigure', '-c', '9223372036854775807', '1'], reason);
  assertUsageError(['setup-snapshot', '-f', '9223372036854775807', '/dev/sdb1', '/c', '1'], reason);
  assertUsageError(['expand-cow-file', '18446744073709551616', '1'], reason);
  assertUsageError(['reconfigure-auto-expand', '18446744073709551616', '1'], reason);
  assertUsageError(['reconfigure', '-c', '8388608T', '1'], reason);
  assertUsageError(['expand-cow-file', '17592186044416T', '1'], reason);
  assertUsageError(['reconfigure-auto-expand', '-r', '99999999999999999999999', '1', '1'], reason);
});

test("the driver's refusal is one line that points to dmesg and ends with the errno's text", () => {
  for (const [errno, text] of [
    [2, 'No such file or directory'],
    [16, 'Device or resource busy'],
    [22, 'Invalid argument'],
    [27, 'File too large'],
    [117, 'Structure needs cleaning'],
  ]) {
    const { status, stdout, stderr } = dbdctl(['destroy', '3'], { FAKE_IOCTL_ERRNO: `${errno}` });
    assert.is(status, 255);
    assert.is(stdout, '');
    assert.match(stderr, /^[^\n]*dmesg[^\n]*\n$/);
    assert.ok(stderr.endsWith(`: ${text}\n`), stderr);
  }
});

test('what refuses a group names the member, and says whether there are snapshots', () => {
  const group = ['transition-to-snapshot-group', '/a/.cow2', '3', '/b/.cow2', '1'];
  const says = (answer: string): string => {
    const { status, stdout, stderr } = dbdctl(group, { FAKE_IOCTL_ERRNO: '16', FAKE_GROUP: answer });
    assert.equal({ status, stdout }, { status: 255, stdout: '' }, answer);
    assert.match(stderr, /^[^\n]*: Device or resource busy\n$/, answer);
    return stderr;
  };
  assert.match(says('1 0'), /no snapshot was taken, because of minor 1: /);
  assert.match(says('0 0'), /no snapshot was taken, because of minor 3: /);
  assert.match(says('1 1'), /minor 1 failed after all snapshots were taken; hint: /);
  assert.match(says('2 0'), /; no snapshot was taken: /);
});

test('a group has as many members as the driver takes', () => {
  const members = (count: number): string[] => Array.from({ length: count }, (_, at) => ['/c', `${at}`]).flat();
  assert.is(dbdctl(['transition-to-snapshot-group', ...members(32)]).status, 0);
  assertUsageError(['transition-to-snapshot-group', ...members(33)], 'Invalid argument');
  assertUsageError(['transition-to-snapshot-group', '/c', '1', '/d'], 'Invalid argument');
  assertUsageError(['setup-snapshot-group', '/dev/a', '/c', '1', '/dev/b', '/d', 'x'], 'Success');
});

test('a control node that cannot be opened gives its errno', () => {
  const { status, stderr } = dbdctl(['destroy', '3'], { FAKE_CONTROL_ERRNO: '13' });
  assert.is(status, 255);
  assert.match(stderr, /: Permission denied\n$/);
});

test('--help and --version work without a driver', () => {
  for (const args of [['--help'], ['-h'], ['destroy', '--help'], ['status', '--help']]) {
    const { status, stdout, stderr } = runTool('dbdctl', args);
    assert.equal({ status, stderr }, { status: 0, stderr: '' }, args.join(' '));
    assert.match(stdout, /^Usage: dbdctl/);
  }
  const { status, stdout } = runTool('dbdctl', ['--version']);
  assert.is(status, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

const STATUS = `{
\t"version": "0.12.1",
\t"devices": [
\t\t{
\t\t\t"minor": 3,
\t\t\t"cow_file": "/c",
\t\t\t"block_device": "/dev/loop0",
\t\t\t"max_cache": 314572800,
\t\t\t"fallocate": 26214400,
\t\t\t"cow_size_current": 26843545,
\t\t\t"seq_id": 1,
\t\t\t"uuid": "59f6e5eca78e40df90f8d4c98373e791",
\t\t\t"version": 1,
\t\t\t"nr_changed_blocks": 12,
\t\t\t"error": -27,
\t\t\t"state": 3
\t\t}
\t]
}
`;

test('status shows states and errors in plain words', () => {
  writeFileSync(at('status'), STATUS);
  const { status, stdout, stderr } = dbdctl(['status'], { FAKE_STATUS: at('status') });
  assert.equal({ status, stderr }, { status: 0, stderr: '' });
  const [head, row] = stdout.split('\n');
  assert.match(head ?? '', /^minor {2}origin/);
  assert.match(row ?? '', /^3 +\/dev\/loop0 +active snapshot, failed: COW file full +1 +12 +25\.6 MiB +300 MiB +\/c$/);
});

test('status --json has the keys of /proc, and words', () => {
  writeFileSync(at('status'), STATUS);
  const { status, stdout } = dbdctl(['status', '--json'], { FAKE_STATUS: at('status') });
  assert.is(status, 0);
  const { version, devices } = JSON.parse(stdout) as { version: string; devices: Array<Record<string, unknown>> };
  assert.is(version, '0.12.1');
  const original = (JSON.parse(STATUS) as { devices: Array<Record<string, unknown>> }).devices[0];
  const [{ meaning, next, ...rest } = {}] = devices;
  assert.equal(rest, { ...original, error_text: 'COW file full', state_text: 'active snapshot' });
  assert.match(`${meaning}`, /^It has failed: COW file full\. Its snapshot cannot be read any more; the volume/);
  assert.match(`${next}`, /^`dbdctl destroy 3`; the next backup must be a full one\. Copy sooner next time/);
});

test('status shows the keys of a live checkpoint, and what a crash would cost', () => {
  const figures = {
    ...{ checkpoint: 'live', checkpoint_age_seconds: 12, checkpoint_bytes: 69632 },
    ...{ dirty_regions: 3, region_bytes: 4194304 },
  };
  const lines = Object.entries(figures).map(([key, value]) => `\t\t\t"${key}": ${JSON.stringify(value)},\n`);
  writeFileSync(
    at('status'),
    STATUS.replace('\t\t\t"error": -27,\n', lines.join('')).replace('"state": 3', '"state": 2'),
  );
  const crash =
    'The live checkpoint is 12 s old and takes 68 KiB, with 3 dirty regions of 4 MiB. ' +
    'After a crash now up to 12 MiB would be copied again.';
  const fakes = { FAKE_STATUS: at('status') };
  assert.ok(dbdctl(['status'], fakes).stdout.endsWith(`\n         ${crash}\n`));
  const { devices } = JSON.parse(dbdctl(['status', '--json'], fakes).stdout) as {
    devices: Array<Record<string, unknown>>;
  };
  const [{ meaning, next, ...rest } = {}] = devices;
  const original = (JSON.parse(STATUS) as { devices: Array<Record<string, unknown>> }).devices[0];
  const { error, ...others } = original ?? {};
  assert.equal(rest, {
    ...others,
    ...figures,
    state: 2,
    state_text: 'active incremental',
    crash_bytes: 12582912,
    crash,
  });
});

test('status tells of each state what it means and what to do next', () => {
  const told = [0, 1, 2, 3, 4, 5].map((state) => {
    writeFileSync(at('status'), STATUS.replace('\t\t\t"error": -27,\n', '').replace('"state": 3', `"state": ${state}`));
    const { status, stdout } = dbdctl(['status'], { FAKE_STATUS: at('status') });
    assert.is(status, 0);
    const [, , empty, meaning, next, ...rest] = stdout.split('\n');
    assert.equal([empty, rest], ['', ['']]);
    assert.match(meaning ?? '', /^minor 3: [A-Z/].*\.$/);
    assert.match(next ?? '', /^ {9}[A-Z].*\.$/);
    return `${meaning}${next}`;
  });
  assert.match(told[2] ?? '', /`dbdctl transition-to-snapshot <cow file> 3`/);
  assert.match(told[3] ?? '', /\/dev\/datto3 is the volume as it was [\s\S]*`dbdctl transition-to-incremental 3`/);
  assert.match(told[4] ?? '', /Mount the volume/);
  assert.is(new Set(told).size, 5, 'only the unverified ones are told of alike');
});

test('status of a failure says what was lost, for every errno', () => {
  for (const [state, words] of [
    [2, 'Changes are not tracked any more'],
    [3, 'Its snapshot cannot be read any more'],
    [4, 'could not resume it'],
  ] as const) {
    for (const errno of [5, 12, 19, 22, 27, 28, 116, 131, 524, 1]) {
      writeFileSync(at('status'), STATUS.replace('-27', `-${errno}`).replace('"state": 3', `"state": ${state}`));
      const { stdout } = dbdctl(['status'], { FAKE_STATUS: at('status') });
      assert.ok(stdout.includes(words), stdout);
      assert.match(stdout, /\n +`dbdctl destroy 3`; the next backup must be a full one\./);
    }
  }
});

test('status of one minor shows that one; another, or what is no number, is an error', () => {
  const two = STATUS.replace(
    '\t\t{\n',
    `${STATUS.slice(STATUS.indexOf('\t\t{'), STATUS.indexOf('\t]') - 1).replace('"minor": 3', '"minor": 1')},\n\t\t{\n`,
  );
  writeFileSync(at('status'), two);
  const fakes = { FAKE_STATUS: at('status') };
  assert.equal((JSON.parse(dbdctl(['status', '--json'], fakes).stdout) as { devices: unknown[] }).devices.length, 2);
  const { stdout } = dbdctl(['status', '1', '--json'], fakes);
  assert.equal(
    (JSON.parse(stdout) as { devices: Array<{ minor: number }> }).devices.map(({ minor }) => minor),
    [1],
  );
  assert.match(dbdctl(['status', '3'], fakes).stdout, /^minor [^\n]*\n3 [^\n]*\n\nminor 3: /);
  const none = dbdctl(['status', '2'], fakes);
  assert.equal(none, {
    status: 255,
    stdout: '',
    stderr: 'dbdctl: cannot show minor 2: it is not used; used: 1, 3\n',
    ioctls: [],
  });
  assertUsageError(['status', 'x'], 'Success');
  assertUsageError(['status', '4294967296'], 'Numerical result out of range');
});

test('status says so if there are no devices', () => {
  writeFileSync(at('status'), '{\n\t"version": "0.12.1",\n\t"devices": [\n\n\t]\n}\n');
  assert.is(dbdctl(['status'], { FAKE_STATUS: at('status') }).stdout, 'no devices\n');
});

test.run();
