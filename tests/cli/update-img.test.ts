import {
  copyFileSync,
  linkSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCowFile, UUID } from '../host/cow-maker.js';
import { at, readLog } from './tool.js';
import type { Scene } from './update-scene.js';
import { BLOCK, COW, expected, IMAGE, LOG, makeScene, run, SNAP, SNAPSHOT, update } from './update-scene.js';

/** A refusal: status, a line of words, and neither the image nor the inputs are touched. */
const assertRefused = (scene: Scene, status: number, words: RegExp, change: () => void = () => undefined): void => {
  const before = makeScene(scene);
  change();
  const files = [SNAP, COW, IMAGE].map((path) => readFileSync(path));
  const outcome = update();
  assert.is(outcome.status, status, outcome.stderr);
  assert.is(outcome.stdout, '');
  assert.match(outcome.stderr, words);
  assert.equal(
    [SNAP, COW, IMAGE].map((path) => readFileSync(path)),
    files,
  );
  assert.ok(before.image.length > 0);
};

test('update-img copies the listed blocks, and says so in three lines', () => {
  const scene = makeScene();
  const cow = readFileSync(COW);
  const outcome = update();
  assert.equal(outcome, {
    status: 0,
    stdout: 'snapshot is 512 blocks large\ncopying blocks\ncopying complete: 3 blocks changed, 0 errors\n',
    stderr: '',
  });
  assert.ok(readFileSync(IMAGE).equals(expected(scene, [1, 2, 300])));
  assert.ok(readFileSync(SNAP).equals(scene.snapshot));
  assert.ok(readFileSync(COW).equals(cow));
  assert.equal(readLog(LOG), ['8']);
});

test('update-img copies nothing if nothing changed', () => {
  const scene = makeScene({ entries: [] });
  assert.match(update().stdout, /copying complete: 0 blocks changed, 0 errors\n$/);
  assert.ok(readFileSync(IMAGE).equals(scene.image));
});

test('update-img copies all of it if all changed, though every read and write be short', () => {
  const entries = Array.from({ length: 512 }, (_, block) => [block, 1n] as const);
  const scene = makeScene({ entries });
  assert.is(update({ FAKE_SHORT: '1' }).status, 0);
  assert.ok(readFileSync(IMAGE).equals(scene.snapshot));
});

test('update-img follows a link to the snapshot', () => {
  const scene = makeScene();
  rmSync(at('link'), { force: true });
  symlinkSync(SNAPSHOT, at('link'));
  assert.is(run([at('link'), COW, IMAGE]).status, 0);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, [1, 2, 300])));
});

test('a partial last block is copied up to the end of the snapshot', () => {
  const scene = makeScene({ nrSectors: 4096 + 3, entries: [[512, 1n]] });
  const outcome = update();
  assert.match(outcome.stdout, /^snapshot is 513 blocks large\n[\s\S]*: 1 blocks changed, 0 errors\n$/);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, [512])));
  assert.is(readFileSync(IMAGE).length, 4099 * 512);
});

test('a partial last block without an index entry is always copied', () => {
  const scene = makeScene({ nrSectors: 4096 * 8 + 5, entries: [[4095, 1n]] });
  assert.match(update().stdout, /: 2 blocks changed, 0 errors\n$/);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, [4095, 4096])));
});

test('zeros become holes of the image, which stays the same in every byte', () => {
  const scene = makeScene({
    nrSectors: 8 * 1024,
    entries: Array.from({ length: 1024 }, (_, block) => [block, 1n] as const),
  });
  scene.snapshot.fill(0, 1048576, 3 * 1048576);
  writeFileSync(SNAP, scene.snapshot);
  const outcome = update({}, ['--json']);
  assert.is((JSON.parse(outcome.stdout) as { punched_bytes: number }).punched_bytes, 2 * 1048576);
  assert.ok(readFileSync(IMAGE).equals(scene.snapshot));
  assert.ok(statSync(IMAGE).blocks * 512 < 3 * 1048576);
});

test('zeros are written where the filesystem has no holes', () => {
  const scene = makeScene({
    entries: [
      [4, 1n],
      [9, 1n],
    ],
  });
  scene.snapshot.fill(0, 4 * BLOCK, 10 * BLOCK);
  writeFileSync(SNAP, scene.snapshot);
  const outcome = update({ FAKE_HOLE_ERRNO: '95' }, ['--json']);
  assert.is((JSON.parse(outcome.stdout) as { punched_bytes: number }).punched_bytes, 0);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, [4, 9])));
});

test('F4.1: other than three arguments is a usage error on standard error', () => {
  makeScene();
  for (const args of [
    [],
    [SNAPSHOT],
    [SNAPSHOT, COW],
    [SNAPSHOT, COW, IMAGE, 'more'],
    ['--nope', SNAPSHOT, COW, IMAGE],
  ]) {
    const { status, stdout, stderr } = run(args);
    assert.equal({ status, stdout }, { status: 22, stdout: '' });
    assert.match(stderr, /^Usage: update-img /);
  }
});

test('F4.2 to F4.4: what cannot be opened gives its errno, in this order', () => {
  makeScene();
  const missing = at('missing');
  for (const [paths, culprit] of [
    [[missing, missing, missing], missing],
    [[SNAPSHOT, missing, `${missing}2`], missing],
    [[SNAPSHOT, COW, missing], missing],
  ] as const) {
    const { status, stdout, stderr } = run(paths);
    assert.equal({ status, stdout }, { status: 2, stdout: '' });
    assert.is(stderr, `update-img: cannot open ${culprit}: No such file or directory\n`);
  }
  assert.is(run([SNAPSHOT, COW, at('.')]).status, 21);
});

test('F4.5: only a snapshot node is a snapshot', () => {
  makeScene();
  const { status, stderr } = run([SNAP, COW, IMAGE]);
  assert.is(status, 22);
  assert.match(stderr, /expected \/dev\/datto<minor>\n$/);
});

test('F4.6: what the driver answers is the exit status', () => {
  makeScene();
  assert.is(update({ FAKE_IOCTL_ERRNO: '6' }).status, 6);
  // The exit status has 8 bits.
  for (const errno of [255, 256, 257, 512, 524]) assert.is(update({ FAKE_IOCTL_ERRNO: `${errno}` }).status, 255);
  assert.is(update({ FAKE_CONTROL_ERRNO: '13' }).status, 13);
});

test('F4.7: a COW file shorter than its header is refused', () => {
  assertRefused({}, 22, /header has 63 bytes, expected 64\n$/, () => truncateSync(COW, 63));
});

test('F4.8: a file without the magic is refused', () => {
  assertRefused({ magic: 4775 }, 22, /is not a COW file\n$/);
});

test('F4.9: a COW file of another series is refused', () => {
  assertRefused({ deviceUuid: Buffer.alloc(16, 1) }, 22, /series is 0011[0-9a-f]+, expected 0101/);
});

test('F4.10: a COW file that does not precede the snapshot is refused', () => {
  assertRefused({ deviceSeqid: 1n }, 22, /number 1 of its series, expected 0\n$/);
  assertRefused({ deviceSeqid: 3n }, 22, /number 1 of its series, expected 2\n$/);
});

test('a COW file that was not closed cleanly, or of snapshot mode, is refused', () => {
  assertRefused({ flags: 2 }, 22, /not closed cleanly\n$/);
  assertRefused({ flags: 0 }, 22, /not closed cleanly\n$/);
  assertRefused({ flags: 1 }, 22, /snapshot mode, expected incremental mode\n$/);
});

test('a COW file that ends before its index is refused', () => {
  assertRefused({ bytes: 36863 }, 22, /36863 bytes, expected at least 36864\n$/);
});

test('an index that lists blocks beyond the end of the snapshot is refused', () => {
  assertRefused({ entries: [[512, 1n]] }, 22, /lists block 512, expected less than 512\n$/);
});

test('a device that is no usable snapshot is refused', () => {
  assertRefused({ state: 2 }, 22, /active incremental, expected a snapshot that can be read\n$/);
  assertRefused({ state: 5 }, 22, /unverified snapshot/);
  assertRefused({ error: -27 }, 22, /failed: COW file full/);
});

test('an image of another size is refused, and told the size', () => {
  assertRefused({}, 22, /2096640 bytes, expected 2097152/, () => truncateSync(IMAGE, 2097152 - 512));
  assertRefused({}, 22, /2097153 bytes, expected 2097152/, () => truncateSync(IMAGE, 2097153));
});

test('a list that is not as long as its header says is refused', () => {
  for (const counted of [0, 2, 4, 6])
    assertRefused({ counted }, 22, /its header counts \d changed blocks, and its index lists 3; /);
  const scene = makeScene();
  makeCowFile(at('cow-0'), { nrSectors: 4096, seqid: 0n, entries: [[9, 1n]], counted: 2 });
  assert.match(
    update({}, ['--also', at('cow-0')]).stderr,
    /cow-0: its header counts 2 changed blocks, and its index lists 1; /,
  );
  assert.ok(readFileSync(IMAGE).equals(scene.image));
  // A last block without an entry may be counted or not.
  const entries = [[5, 1n]] as const;
  for (const counted of [1, 2]) {
    makeScene({ nrSectors: 32768 + 3, entries, counted });
    assert.is(update().status, 0);
  }
  assertRefused({ nrSectors: 32768 + 3, entries, counted: 3 }, 22, /its header counts 3 changed blocks/);
});

test('an image that is one of the inputs is refused', () => {
  assertRefused({}, 22, /it is one of the inputs\n$/, () => {
    rmSync(IMAGE);
    linkSync(SNAP, IMAGE);
  });
});

test('an image that is no file is refused', () => {
  makeScene();
  const { status, stderr } = run([SNAPSHOT, COW, '/dev/null']);
  assert.is(status, 22);
  assert.match(stderr, /expected a regular file or a block device\n$/);
});

test('blocks that cannot be read are counted, named and make the run fail; all others are copied', () => {
  const entries = Array.from({ length: 512 }, (_, block) => [block, 1n] as const);
  const scene = makeScene({ entries });
  const { status, stdout, stderr } = update({ FAKE_BAD_READ: `${5 * BLOCK + 17}` });
  assert.is(status, 5);
  assert.match(stdout, /copying complete: 512 blocks changed, 1 errors\n$/);
  assert.is(stderr, `update-img: cannot read ${SNAPSHOT} at offset 20480, 4096 bytes: Input/output error\n`);
  const blocks = entries.map(([block]) => block).filter((block) => block !== 5);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, blocks)));
});

test('blocks that cannot be written are counted, named and make the run fail', () => {
  const scene = makeScene();
  const { status, stdout, stderr } = update({ FAKE_BAD_WRITE: `${2 * BLOCK}` });
  assert.is(status, 5);
  assert.match(stdout, /copying complete: 3 blocks changed, 1 errors\n$/);
  assert.is(stderr, `update-img: cannot write ${IMAGE} at offset 8192, 4096 bytes: Input/output error\n`);
  assert.ok(readFileSync(IMAGE).equals(expected(scene, [1, 300])));
});

test('an image that cannot be synced is an error', () => {
  makeScene();
  const { status, stdout, stderr } = update({ FAKE_FSYNC_ERRNO: '28' });
  assert.is(status, 28);
  assert.not.match(stdout, /copying complete/);
  assert.match(stderr, /cannot sync .*: No space left on device\n$/);
});

test('--dry-run checks everything and writes nothing', () => {
  const scene = makeScene();
  const { status, stdout, stderr } = update({}, ['--dry-run']);
  assert.equal({ status, stderr }, { status: 0, stderr: '' });
  assert.match(stdout, /^snapshot is 512 blocks large\n3 blocks to copy, 12288 bytes\nabout [\d.]+ s: .*\n$/);
  assert.ok(readFileSync(IMAGE).equals(scene.image));
  makeScene({ flags: 2 });
  assert.is(update({}, ['--dry-run']).status, 22);
});

test('--json is one object, of results or of a refusal', () => {
  makeScene();
  const { status, stdout } = update({ FAKE_BAD_READ: '8192' }, ['--json']);
  assert.is(status, 5);
  const failure = { offset: 8192, bytes: 4096, call: 'read', subject: SNAPSHOT, errno: 5 };
  const { copy_seconds: seconds, ...result } = JSON.parse(stdout) as { copy_seconds: number };
  assert.ok(seconds > 0);
  assert.equal(result, {
    ...{ dry_run: false, action: 'adopt', series: UUID.toString('hex'), from: 1, to: 2, cursor: 0 },
    ...{ snapshot_blocks: 512, changed_blocks: 3, changed_bytes: 12288 },
    ...{ copied_bytes: 8192, punched_bytes: 0, failed_blocks: 1, direct: false },
    ...{ failures: [failure], differences: [], notices: [] },
  });
  makeScene({ flags: 2 });
  const refused = update({}, ['--json']);
  assert.is(refused.status, 22);
  assert.is((JSON.parse(refused.stdout) as { error: { code: string } }).error.code, 'NOT_CLEAN');
});

test('--help and --version need nothing', () => {
  assert.is(run(['--help']).status, 0);
  assert.match(run(['--version']).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('an image that was brought up to date stays so when it is done again', () => {
  const scene = makeScene();
  update();
  copyFileSync(IMAGE, at('first'));
  assert.is(update().status, 0);
  assert.ok(readFileSync(IMAGE).equals(readFileSync(at('first'))));
  assert.ok(readFileSync(IMAGE).equals(expected(scene, [1, 2, 300])));
});

test.run();
