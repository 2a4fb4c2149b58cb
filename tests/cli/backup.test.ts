import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { manual } from '../../manual/datto-backup.js';
import {
  assertGood,
  BLOCK,
  backUp,
  backup,
  CLONES,
  changeDevice,
  device,
  everything,
  FAKES,
  FOLDER,
  FRESH,
  IMAGE,
  imageState,
  inFolder,
  machine,
  makeMachine,
  REPLACED,
  VOLUME,
  volume,
  writeVolume,
} from './backup-scene.js';
import { at, environment, runTool, toolPath } from './tool.js';

interface Json {
  readonly kind: string;
  readonly reason?: string;
  readonly finished?: number;
  readonly sequence: number;
  readonly copied_bytes: number;
  readonly copied_blocks: number;
  readonly copied_ratio: number;
  readonly compared_blocks: number;
  readonly previous?: string;
  readonly root?: string;
  readonly notices: readonly string[];
}

const backUpJson = (options: readonly string[] = [], fakes = {}): Json =>
  JSON.parse(backUp(['--json', ...options], fakes).stdout) as Json;

test('the first run copies everything, sparse, and leaves the volume tracked', () => {
  makeMachine();
  const { stdout, stderr } = backUp();
  assertGood();
  assert.is(stderr, '');
  assert.match(stdout, /^full copy of 4 MiB: there is no image yet\n/);
  assert.match(stdout, /volume\.img is \/dev\/fake-origin as of [^\n]*Z, snapshot 1 of series/);
  assert.ok(statSync(IMAGE).blocks * 512 < 3 * 2 ** 20);
  assert.match(stdout, /\n512 blocks copied in \S+ s, \S+ MiB\/s, 50 % of the volume; the run took \S+ s\n$/);
  assert.is(device()?.sequence, 1);
});

test('later runs copy what changed, with a new COW file each time', () => {
  const names = new Set([device()?.cow]);
  for (const sequence of [2, 3, 4]) {
    writeVolume([3, 4, 700 + sequence]);
    const { kind, copied_bytes, copied_blocks, copied_ratio, compared_blocks, previous, notices } = backUpJson();
    assert.equal([kind, copied_bytes, previous], ['incremental', 3 * BLOCK, undefined]);
    assert.equal([copied_blocks, copied_ratio], [3, 3 / 1024]);
    assert.is(notices.length, 1);
    assert.match(notices[0] ?? '', /cannot be cloned, so the previous image is not kept; hint: --keep-previous undo /);
    assert.is(compared_blocks, 3 + 1000);
    assertGood(`run ${sequence}`);
    assert.is(device()?.sequence, sequence);
    names.add(device()?.cow);
  }
  assert.is(names.size, 4);
});

test('what became zeros is copied as holes, and told apart', () => {
  const content = volume();
  content.fill(0, 32 * BLOCK, 64 * BLOCK);
  writeFileSync(machine('origin'), content);
  const before = statSync(IMAGE).blocks;
  assert.match(backUp().stdout, /^128 KiB copied, 128 KiB of it zeros, /m);
  assert.ok(statSync(IMAGE).blocks < before);
  assertGood();
});

test('the image before is kept as a clone where files can be cloned, as an undo log if asked for', () => {
  const before = volume();
  writeVolume([9]);
  const cloned = backUpJson([], CLONES);
  assert.match(cloned.previous ?? '', /volume\.img\.datto-previous-5$/);
  assert.equal(cloned.notices, []);
  assert.ok(readFileSync(inFolder('volume.img.datto-previous-5')).equals(before));
  writeVolume([10]);
  assert.match(backUpJson(['--keep-previous', 'undo']).previous ?? '', /volume\.img\.datto-undo-6$/);
  writeVolume([11]);
  assert.is(backUpJson(['--keep-previous', 'nothing'], CLONES).previous, undefined);
  writeVolume([12]);
  assert.equal(backUpJson(['--keep-previous', 'nothing']).notices, []);
  assertGood();
  assert.equal(readdirSync(FOLDER).sort(), [
    'datto-backup.json',
    'datto-backup.lock',
    'volume.img',
    'volume.img.datto-state',
  ]);
});

test('--dry-run tells what would be done and changes nothing', () => {
  writeVolume([1, 2]);
  const before = everything();
  assert.is(backUp(['--dry-run']).stdout, 'incremental, 8 KiB have changed\n');
  assert.is(backUp(['--dry-run', '--whole']).stdout, 'full copy of 4 MiB: it was requested\n');
  const { kind, bytes } = JSON.parse(backUp(['-n', '--json']).stdout) as { kind: string; bytes: number };
  assert.equal([kind, bytes], ['incremental', 2 * BLOCK]);
  assert.equal(everything(), before);
});

test('a manifest is made if asked for, and kept in step', () => {
  const { root } = backUpJson(['--manifest', '--verify', 'all']);
  assert.match(root ?? '', /^[0-9a-f]{64}$/);
  writeVolume([50]);
  assert.is.not(backUpJson().root, root);
  const scrubbed = runTool('datto-verify', ['scrub', IMAGE]);
  assert.is(scrubbed.status, 0, scrubbed.stdout);
  backUpJson(['--whole', '--manifest']);
  assert.is(runTool('datto-verify', ['scrub', IMAGE]).status, 0);
  assert.is(runTool('datto-verify', ['scrub', REPLACED]).status, 0);
  backUpJson(['--whole']);
  assert.not.ok(existsSync(`${IMAGE}.datto-manifest`), 'the manifest of another image');
});

test('a whole copy replaces the image at its end, and keeps the one before until the next run', () => {
  const before = volume();
  writeVolume([60]);
  const { previous, reason } = backUpJson(['--whole']);
  assert.equal([previous, reason], [REPLACED, 'it was requested']);
  assert.ok(readFileSync(REPLACED).equals(before));
  assertGood();
  writeVolume([61]);
  assert.is(backUpJson().kind, 'incremental');
  assert.not.ok(existsSync(REPLACED) || existsSync(`${REPLACED}.datto-state`));
  assertGood();
});

const NEEDS_WHOLE: ReadonlyArray<readonly [what: string, change: () => void, reason: RegExp]> = [
  ['the device is gone', () => rmSync(machine('device')), /the volume is not tracked any more: /],
  ['the image is gone', () => rmSync(IMAGE), /there is no image yet/],
  ['nothing is known of the image', () => rmSync(`${IMAGE}.datto-state`), /the state of [^\n]* is unknown/],
  ['something else wrote the image', () => writeFileSync(IMAGE, 'x', { flag: 'r+' }), /something else wrote/],
  ['the volume is tracked anew', () => changeDevice({ series: '5'.repeat(32) }), /a new series was started/],
  ['snapshots were missed', () => changeDevice({ sequence: 1000 }), /lists of changes from snapshot \d+ to 1000/],
  ['the device is behind the image', () => changeDevice({ sequence: 1 }), /the image is snapshot \d+, and/],
];

for (const [what, change, reason] of NEEDS_WHOLE) {
  test(`everything is copied if ${what}, but not with --no-whole`, () => {
    makeMachine();
    backUp();
    backUp();
    const old = existsSync(IMAGE) ? readFileSync(IMAGE) : undefined;
    writeVolume([77]);
    change();
    const before = everything();
    const refused = backup(['--no-whole']);
    assert.is(refused.status, 4);
    assert.match(refused.stderr, reason);
    assert.match(refused.stderr, /^datto-backup: [^\n]*\n$/);
    assert.equal(
      everything().filter(([name]) => !name.endsWith('.lock')),
      before.filter(([name]) => !name.endsWith('.lock')),
    );
    const { kind, reason: told } = backUpJson();
    assert.is(kind, 'whole');
    assert.match(told ?? '', reason);
    assertGood();
    if (existsSync(REPLACED)) assert.is(readFileSync(REPLACED).length, old?.length);
  });
}

test('a change that was not listed is found; status 3, and the next run copies everything', () => {
  makeMachine();
  backUp();
  backUp([], CLONES);
  writeVolume([20]);
  // The driver takes no notice.
  writeFileSync(machine('snapshot'), volume());
  writeVolume([21]);
  const { status, stderr, stdout } = backup(['--verify', 'all'], CLONES);
  assert.is(status, 3);
  assert.match(stderr, /block 20 differs from the snapshot, though not listed as changed/);
  assert.match(stdout, /volume\.img is not a snapshot: /);
  assert.is(imageState().state, 'DIFFERS');
  assert.match(backUpJson([], CLONES).reason ?? '', /found to differ/);
  assertGood();
});

test('an image that could not be written is finished by the next run, from all lists', () => {
  makeMachine();
  backUp();
  writeVolume([100, 101]);
  const failed = backup([], { ...CLONES, FAKE_BAD_WRITE: `${100 * BLOCK}` });
  assert.is(failed.status, 5);
  assert.match(failed.stderr, /cannot write [^\n]*volume\.img at offset 409600, 4096 bytes: Input\/output error\n/);
  assert.is(imageState().state, 'UPDATING');
  // The volume is not left with a snapshot that grows.
  assert.is(device()?.state, 2);
  writeVolume([102]);
  assert.is(backUpJson([], CLONES).kind, 'incremental');
  assertGood();
});

test('a whole copy that could not be written goes on where it was', () => {
  makeMachine();
  const failed = backup(['--checkpoint', '1'], { FAKE_BAD_WRITE: `${300 * BLOCK}` });
  assert.is(failed.status, 5);
  assert.match(failed.stderr, /cannot write [^\n]*volume\.img\.new: Input\/output error\n$/);
  assert.match(failed.stderr, /is kept, so that the next run can resume/);
  assert.not.ok(existsSync(IMAGE));
  const begun = volume();
  writeVolume([1, 1000]);
  const { kind, finished, notices } = backUpJson();
  assert.equal([kind, finished], ['incremental', 1]);
  assert.match(notices.join(), /backup of snapshot 1 was interrupted; it is finished first/);
  assertGood();
  assert.not.ok(volume().equals(begun));
});

test('a device that fails while it is copied keeps the last good image', () => {
  makeMachine();
  backUp();
  const good = volume();
  writeVolume(Array.from({ length: 200 }, (_, at) => 1 + at));
  writeFileSync(machine('full'), '');
  const { status, stderr } = backup(['--keep-previous', 'nothing'], CLONES);
  rmSync(machine('full'));
  assert.is(status, 4);
  assert.match(stderr, /is snapshot 1 again, the last that was complete\n/);
  assert.match(stderr, /active snapshot, failed: COW file full; --restart destroys it [^\n]*\n$/);
  assert.ok(readFileSync(IMAGE).equals(good));
  assert.is(imageState().state, 'CLEAN');
  assert.is(backup().status, 4);
  const { kind, reason } = backUpJson(['--restart']);
  assert.is(kind, 'whole');
  assert.match(reason ?? '', /COW file full/);
  assertGood();
  assert.ok(readFileSync(REPLACED).equals(good));
});

test('a device that fails during a whole copy is destroyed by --restart, and the copy begun anew', () => {
  makeMachine();
  writeFileSync(machine('full'), '');
  assert.is(backup().status, 4);
  rmSync(machine('full'));
  assert.ok(existsSync(FRESH));
  backUp(['--restart']);
  assertGood();
});

test('a first run that was killed once it had its snapshot is known by its COW file', () => {
  makeMachine();
  backup([], { FAKE_BAD_WRITE: '0' });
  assert.is(device()?.state, 3);
  assert.is(backUpJson().finished, 1);
  assertGood();
});

test('a switch done by hand is made up for', () => {
  makeMachine();
  backUp();
  writeVolume([5]);
  assert.is(runTool('dbdctl', ['transition-to-snapshot', machine('mount/by-hand'), '7'], FAKES).status, 0);
  writeVolume([6]);
  const { kind, finished } = backUpJson();
  assert.equal([kind, finished], ['incremental', 2]);
  assert.ok(readFileSync(IMAGE).equals(volume()));
});

test('progress is shown when it is asked for', () => {
  makeMachine();
  assert.match(backUp(['--progress']).stderr, /100 % {2}4 of 4 MiB\n/);
});

test('the examples of datto-backup(8) work', () => {
  makeMachine();
  mkdirSync(inFolder('data'));
  const examples = manual.sections
    .filter(({ title }) => title === 'EXAMPLES')
    .flatMap(({ blocks }) => blocks)
    .flatMap((block) => (typeof block === 'object' && 'example' in block ? block.example : []));
  const lines = examples.map((line) => line.replace('/dev/sda1', VOLUME).replace('/backup/data', inFolder('data')));
  const functions = ['datto-backup', 'update-img'].map(
    (name) => `${name}() { ${toolPath(name as 'update-img')} "$@"; }`,
  );
  const output = execFileSync('bash', ['--norc', '-e', '-c', [...functions, ...lines].join('\n')], {
    encoding: 'utf8',
    cwd: at(''),
    env: environment(FAKES),
  });
  assert.match(output, /volume\.img is snapshot 1 again: 0 blocks restored\n$/);
  assert.ok(readFileSync(inFolder('data/volume.img')).equals(volume()));
});

test('a script says how to take tracking up after a reboot, as of each transition', () => {
  makeMachine();
  backUp();
  const script = (): string => readdirSync(at('scripts')).at(-1) ?? '';
  const text = (): string => readFileSync(at(`scripts/${script()}`), 'utf8');
  rmSync(at('scripts'), { recursive: true });
  writeVolume([4]);
  backUp();
  assert.match(script(), /^reload_backup-/);
  const says = (command: string): string => `dbdctl ${command} '${VOLUME}' '${device()?.cow}' 7\n`;
  assert.ok(text().endsWith(says('reload-incremental')), text());
  writeVolume([5]);
  backUp();
  assert.ok(text().endsWith(says('reload-incremental')), text());
  rmSync(at('scripts'), { recursive: true });
  writeFileSync(at('scripts'), '');
  writeVolume([6]);
  assert.match(backUp().stderr, /scripts[^\n]*: the first run after a reboot will copy everything/);
  rmSync(at('scripts'));
  writeVolume([7]);
  backUp();
  assert.ok(text().endsWith(says('reload-incremental')), text());
  assertGood();
});

test('the script is right again, or gone, as soon as a run has begun', () => {
  makeMachine();
  rmSync(at('scripts'), { recursive: true });
  backUp();
  const [script = ''] = readdirSync(at('scripts'));
  const right = readFileSync(at(`scripts/${script}`), 'utf8');
  writeFileSync(at(`scripts/${script}`), 'dbdctl reload-snapshot /dev/old /.cow 7\n');
  assert.is(backup(['--cow-folder', at('')]).status, 22);
  assert.is(readFileSync(at(`scripts/${script}`), 'utf8'), right);
  // Tracking was ended by hand.
  rmSync(machine('device'));
  assert.is(backup(['--no-whole']).status, 4);
  assert.equal(readdirSync(at('scripts')), []);
  backUp();
  assert.equal(readdirSync(at('scripts')), [script]);
});

test('a device that was not taken up after a reboot, or failed while it noted changes, is done without', () => {
  for (const state of [4, 5, 2]) {
    writeVolume([8]);
    changeDevice({ state, error: -116 });
    assert.match(backup(['--dry-run']).stdout, /^full copy /);
    assert.is(backup(['--no-whole']).status, 4);
    assert.is(device()?.error, -116);
    const { kind, reason, notices } = backUpJson();
    assert.is(kind, 'whole');
    assert.match(reason ?? '', /its device could not be used any more: /);
    assert.ok(
      notices.some((text) => /^minor 7 is destroyed, it has failed: /.test(text)),
      notices.join('\n'),
    );
    assertGood(`state ${state}`);
  }
});

test('with a limit of the rate all is copied, compared and counted as without', () => {
  makeMachine();
  const full = backUpJson(['--verify', 'all', '--rate', '64']);
  assert.equal([full.kind, full.compared_blocks], ['whole', 1024]);
  assertGood();
  writeVolume([3, 4, 5, 800]);
  const { kind, copied_bytes } = backUpJson(['--rate', '1M']);
  assert.equal([kind, copied_bytes], ['incremental', 4 * BLOCK]);
  assertGood();
});

test.run();
