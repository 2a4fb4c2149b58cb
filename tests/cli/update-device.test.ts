/** update-img on an image that is a block device. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { diskNumber } from '../../host/image/device-identity.js';
import { makeCowFile } from '../host/cow-maker.js';
import type { Fakes, Outcome } from './tool.js';
import { at } from './tool.js';
import { COW, expected, IMAGE, makeInfo, makeScene, run, SNAPSHOT } from './update-scene.js';

const STATE = at('image-state');
const BLOCK_DEVICE: Fakes = { FAKE_BLOCK: IMAGE };

const update = (fakes: Fakes = {}, ...options: string[]): Outcome =>
  run([...options, '--state', STATE, SNAPSHOT, COW, IMAGE], { ...BLOCK_DEVICE, ...fakes });
const rollback = (fakes: Fakes = {}): Outcome =>
  run(['--rollback', '--state', STATE, IMAGE], { ...BLOCK_DEVICE, ...fakes });

test('a block device that is mounted, or in use otherwise, is not written', () => {
  const scene = makeScene();
  rmSync(STATE, { force: true });
  const busy: Fakes = { FAKE_BUSY: '1' };
  const assertBusy = ({ status, stdout, stderr }: Outcome): void => {
    assert.equal([status, stdout], [16, '']);
    assert.match(stderr, /^update-img: cannot write [^\n]*image: it is mounted, or part of something that is in use, /);
  };
  assertBusy(update(busy));
  assertBusy(update(busy, '--dry-run'));
  assert.ok(readFileSync(IMAGE).equals(scene.image));
  assert.is(update({}, '--keep-previous').status, 0);
  const updated = expected(scene, [1, 2, 300]);
  assert.ok(readFileSync(IMAGE).equals(updated));
  assertBusy(rollback(busy));
  assert.ok(readFileSync(IMAGE).equals(updated));
  assert.is(rollback().status, 0);
  assert.ok(readFileSync(IMAGE).equals(scene.image));
});

/** The next snapshot, and the list that leads to it: an image of snapshot 1 is then one of 2. */
const makeNext = (): void => {
  makeCowFile(COW, { nrSectors: 4096, seqid: 2n, entries: [[7, 1n]] });
  makeInfo({ deviceSeqid: 3n });
};

const assertOther = ({ status, stdout, stderr }: Outcome, reason: RegExp): void => {
  assert.equal([status, stdout], [22, '']);
  assert.match(
    stderr,
    /^update-img: cannot (update|roll back) [^\n]*image: it is not as it was at [^\n]*; hint: [^\n]*\n$/,
  );
  assert.match(stderr, reason);
};

test('another disk under the name of an image is not taken for it', () => {
  const scene = makeScene();
  rmSync(STATE, { force: true });
  assert.is(update({}, '--keep-previous').status, 0);
  const updated = readFileSync(IMAGE);
  assert.match(
    run(['--status', '--state', STATE, IMAGE], BLOCK_DEVICE).stdout,
    /, on a device of 2097152 bytes, known by/,
  );
  makeNext();
  const others: ReadonlyArray<readonly [string, Buffer]> = [
    ['of something else', Buffer.alloc(updated.length, 'other')],
    ['one that takes turns with it, and has the snapshot before', scene.image],
  ];
  for (const [name, content] of others) {
    writeFileSync(IMAGE, content);
    assertOther(update(), /block \d+ has another content/);
    assertOther(rollback(), /block \d+ has another content/);
    assert.ok(readFileSync(IMAGE).equals(content), name);
  }
  writeFileSync(IMAGE, Buffer.concat([updated, Buffer.alloc(4096)]));
  assertOther(update(), /it has 2101248 bytes, expected 2097152/);
  writeFileSync(IMAGE, updated);
  assert.is(update().status, 0);
  // Whoever vouches for it may use it, and it is known from then on.
  writeFileSync(IMAGE, scene.image);
  assert.is(update({}, '--adopt').status, 0);
  assert.is(update().status, 0);
});

test('an update of a device that was interrupted goes on, and only on that device', () => {
  const scene = makeScene();
  rmSync(STATE, { force: true });
  assert.is(update().status, 0);
  const before = readFileSync(IMAGE);
  makeNext();
  const clean = readFileSync(STATE);
  let mixtures = 0;
  for (let step = 2; update({ FAKE_KILL_AT: `${step}` }).status !== 0; step += 3) {
    const mixed = readFileSync(IMAGE);
    if (readFileSync(STATE, 'utf8').includes('"UPDATING"')) {
      mixtures++;
      writeFileSync(IMAGE, scene.image);
      assertOther(update(), /block \d+ has another content/);
      writeFileSync(IMAGE, mixed);
    }
    assert.is(update().status, 0);
    writeFileSync(IMAGE, before);
    writeFileSync(STATE, clean);
  }
  assert.ok(mixtures > 0);
});

test('a disk is known by its number, and a partition by its place on it', () => {
  const sysfs = at('sysfs');
  const make = (path: string, text: string): void => {
    mkdirSync(dirname(`${sysfs}/${path}`), { recursive: true });
    writeFileSync(`${sysfs}/${path}`, text);
  };
  make('devices/sda/device/wwid', 'naa.5000c500a1b2c3d4\n');
  make('devices/sda/sda1/partition', '1\n');
  make('devices/sda/sda1/start', '2048\n');
  make('devices/vda/serial', '\n');
  make('devices/vdb/serial', 'backup-7\n');
  make('devices/dm-0/dm/uuid', 'LVM-abc\n');
  mkdirSync(`${sysfs}/dev/block`, { recursive: true });
  for (const [number, path] of Object.entries({
    '8:0': 'sda',
    '8:1': 'sda/sda1',
    '254:0': 'vda',
    '254:16': 'vdb',
    '253:0': 'dm-0',
  }))
    symlinkSync(`../../devices/${path}`, `${sysfs}/dev/block/${number}`);
  assert.equal(
    ['8:0', '8:1', '254:0', '254:16', '253:0', '1:1'].map((number) => diskNumber(number, sysfs)),
    [
      'naa.5000c500a1b2c3d4',
      'naa.5000c500a1b2c3d4, partition 1 at sector 2048',
      undefined,
      'backup-7',
      'LVM-abc',
      undefined,
    ],
  );
});

test.run();
