import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  backUp,
  backup,
  changeDevice,
  device,
  everything,
  FAKES,
  FOLDER,
  inFolder,
  machine,
  makeMachine,
  mountAs,
  VOLUME,
  writeVolume,
} from './backup-scene.js';
import type { Fakes, Outcome } from './tool.js';
import { at, runTool } from './tool.js';

const withoutLock = (files: ReturnType<typeof everything>): ReturnType<typeof everything> =>
  files.filter(([name]) => !name.endsWith('.lock'));

/** A refusal: its status, one line of words, and nothing is changed. */
const assertRefused = (status: number, words: RegExp, run: () => Outcome = backup): void => {
  const before = withoutLock(everything());
  const outcome = run();
  assert.is(outcome.status, status, outcome.stderr);
  assert.match(outcome.stderr, words);
  assert.match(outcome.stderr, /^datto-backup: [^\n]+\n$/);
  assert.is(outcome.stdout, '');
  assert.equal(withoutLock(everything()), before);
};

const restart = (): Outcome => backup(['--restart']);
const run = (args: readonly string[], fakes: Fakes = FAKES): Outcome => runTool('datto-backup', args, fakes);

test('a wrong command line shows what there is; status 22', () => {
  makeMachine();
  for (const args of [
    [],
    [VOLUME],
    [VOLUME, FOLDER, 'more'],
    ['--nope', VOLUME, FOLDER],
    ['--verify', 'x', VOLUME, FOLDER],
  ]) {
    const { status, stdout, stderr } = run(args);
    assert.equal([status, stdout], [22, ''], args.join(' '));
    assert.match(stderr, /^Usage: datto-backup /);
  }
});

test('--help and --version need no driver', () => {
  assert.is(run(['--help'], {}).status, 0);
  assert.match(run(['--version'], {}).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('without a driver: status 19', () => {
  makeMachine();
  assertRefused(19, /the driver is not loaded/, () => run([VOLUME, FOLDER], { ...FAKES, FAKE_NO_DRIVER: '1' }));
});

test('a volume that is not mounted, or read-only: status 22', () => {
  makeMachine();
  for (const change of [() => mountAs('ro,relatime'), () => writeFileSync(machine('mounts'), '')]) {
    change();
    assertRefused(22, /it is not mounted read-write/);
  }
});

test('a volume that is no block device, or holds no ext4 or xfs: status 22', () => {
  makeMachine();
  rmSync(machine('number'));
  assertRefused(22, /expected a block device/);
  makeMachine();
  writeFileSync(machine('origin'), Buffer.alloc(2 ** 20));
  assertRefused(22, /expected ext4 or xfs/);
  assertRefused(2, /cannot open \/dev\/nonexistent: No such file/, () => run(['/dev/nonexistent', FOLDER]));
});

test('a folder that is missing, a file, or on the volume: nothing is made', () => {
  makeMachine();
  assertRefused(2, /cannot open [^\n]*nowhere: No such file/, () => run([VOLUME, at('nowhere')]));
  assertRefused(20, /Not a directory/, () => run([VOLUME, machine('origin')]));
  writeFileSync(machine('number'), execFileSync('stat', ['-c', '%Hd:%Ld', FOLDER]));
  assertRefused(22, /it lies on the volume itself/);
});

test('a folder of another filesystem is refused, for good reasons: status 4', () => {
  makeMachine();
  backUp();
  const content = readFileSync(machine('origin'));
  content.write('another one', 1024 + 104, 'latin1');
  writeFileSync(machine('origin'), content);
  assertRefused(4, /has images of [0-9a-f]{32}; use another target/, restart);
});

test('what a folder remembers is not used if it is damaged: status 22', () => {
  makeMachine();
  backUp();
  const text = readFileSync(inFolder('datto-backup.json'), 'utf8');
  for (const damaged of [
    '',
    '{',
    '[]',
    text.replace('"version": 1', '"version": 9'),
    text.replace(/"id": "./, '"id": "'),
    text.replace(/("filesystem": ").{4}/, '$1beef'),
  ]) {
    writeFileSync(inFolder('datto-backup.json'), damaged);
    assertRefused(22, /datto-backup\.json: it is damaged [^\n]*move it away/);
  }
});

test('what is known of a folder or its image, and cannot be read, is not taken for nothing: the errno', () => {
  makeMachine();
  backUp();
  for (const name of ['datto-backup.json', 'volume.img.datto-state'].map(inFolder)) {
    assertRefused(13, /cannot read [^\n]*: Permission denied/, () => backup([], { FAKE_DENIED: name }));
    assertRefused(5, /cannot read [^\n]*: Input\/output error/, () => backup([], { FAKE_BAD_DISK: name }));
  }
  writeFileSync(inFolder('volume.img.datto-state'), '{');
  assertRefused(22, /it is not a state file [^\n]*; if you move it away/);
});

test("somebody else's device is left alone, with --restart too: status 4", () => {
  makeMachine();
  backUp();
  changeDevice({ cow: '/.somebody', series: '7'.repeat(32) });
  assertRefused(4, /minor 7 tracks it for another program; `dbdctl destroy 7` ends that/);
  assertRefused(4, /for another program/, restart);
  changeDevice({ cow: `/cow-${'0'.repeat(16)}`, error: -27 });
  assertRefused(4, /for another program/, restart);
});

test('a device that has failed in snapshot mode stays as it is unless --restart is given: status 4', () => {
  makeMachine();
  backUp();
  writeVolume([8]);
  changeDevice({ state: 3, error: -27 });
  assertRefused(4, /failed: COW file full; --restart destroys it and starts over/);
  assertRefused(4, /--restart/, () => backup(['--dry-run']));
  assert.is(restart().status, 0);
  assert.is(device()?.sequence, 1);
});

test('a device that was announced and not taken up: status 4; one that is dormant: status 22', () => {
  makeMachine();
  backUp();
  for (const state of [4, 5]) {
    changeDevice({ state });
    assertRefused(4, /unverified [^\n]*; hint: mount the volume read-write; or --restart/);
  }
  for (const state of [0, 1]) {
    changeDevice({ state });
    assertRefused(22, /dormant [^\n]*; mount the volume read-write/, restart);
  }
});

test("the driver's refusals end the run with their errno", () => {
  makeMachine();
  writeFileSync(machine('fail'), '1 28');
  const first = backup();
  assert.is(first.status, 28);
  assert.match(
    first.stderr,
    /^datto-backup: cannot start a snapshot of \/dev\/fake-origin: No space left on device\n$/,
  );
  for (const errno of [256, 512, 524]) {
    writeFileSync(machine('fail'), `1 ${errno}`);
    assert.is(backup().status, 255);
  }
  rmSync(machine('fail'));
  backUp();
  writeFileSync(machine('fail'), '6 12');
  assert.match(backup().stderr, /^datto-backup: cannot take the next snapshot of [^\n]*: Cannot allocate memory\n$/);
  rmSync(machine('fail'));
  backUp();
});

test('a minor that is used by something else is refused: status 22', () => {
  makeMachine();
  backUp();
  rmSync(FOLDER, { recursive: true });
  mkdirSync(FOLDER);
  changeDevice({ cow: '/.else' });
  assertRefused(22, /cannot use minor 7: it tracks \/dev\/other/, () =>
    run(['--minor', '7', VOLUME, FOLDER], { ...FAKES, FAKE_DEVICE_ORIGIN: '/dev/other' }),
  );
});

test('COW files go to the folder that was named, which must be on the volume', () => {
  makeMachine();
  mkdirSync(machine('mount/deep'));
  backUp(['--cow-folder', machine('mount/deep')]);
  assert.match(device()?.cow ?? '', /^\/deep\/\.datto-backup-/);
  backUp();
  assert.match(device()?.cow ?? '', /^\/\.datto-backup-/);
  assertRefused(22, /expected a folder below/, () => backup(['--cow-folder', FOLDER]));
});

test('two runs at once: the second ends with status 16', async () => {
  makeMachine();
  const holder = spawn('flock', [inFolder('datto-backup.lock'), 'sh', '-c', 'echo held; read line'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  assertRefused(16, /another run is in progress there/);
  holder.stdin.end();
  await new Promise((resolve) => holder.once('exit', resolve));
  backUp();
});

test('--json tells a refusal as code, errno and words', () => {
  makeMachine();
  mountAs('ro');
  const { stdout } = backup(['--json']);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  assert.is(error.code, 'VOLUME_NOT_MOUNTED');
  assert.match(error.message, /not mounted/);
});

test.run();
