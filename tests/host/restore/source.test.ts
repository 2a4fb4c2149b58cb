/** What is found at an address, and how a point of it is named. No mount is needed. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusalError } from '../../../host/errors.js';
import { writeState } from '../../../host/image/state.js';
import { makeManifest } from '../../../host/image/verify-image.js';
import { copyPoint } from '../../../host/restore/copy-point.js';
import { findPoint, type RestorePoint, requirePoints } from '../../../host/restore/point.js';
import { openSource } from '../../../host/restore/source.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { Qcow2Target } from '../../../host/targets/qcow2.js';
import { backUp, contentOf, seriesOf } from '../targets/point-run.js';

const syscalls = nativeSyscalls();
const scratch = mkdtempSync(join(tmpdir(), 'datto-source-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const SEED = 7;
const SERIES = seriesOf(SEED);

const refuses = (code: string, text: RegExp, run: () => unknown): void =>
  assert.throws(
    run,
    (error: unknown) => error instanceof RefusalError && error.code === code && text.test(error.message),
  );

let folders = 0;
const newFolder = (): string => {
  const folder = join(scratch, `${++folders}`);
  mkdirSync(folder, { mode: 0o700 });
  return folder;
};

/** Makes an image of a snapshot, with its state. */
const makeImage = (path: string, sequence: number, state: object = {}): void => {
  writeFileSync(path, contentOf(SEED, sequence), { mode: 0o600 });
  const { size, mtimeNs } = statSync(path, { bigint: true });
  const identity = { series: SERIES, sequence: BigInt(sequence), bytes: Number(size), mtime: mtimeNs };
  writeState(`${path}.datto-state`, { state: 'CLEAN', ...identity, ...state });
};

const pointsIn = (address: string): { points: readonly RestorePoint[]; notices: string[] } => {
  const notices: string[] = [];
  return { points: requirePoints(openSource(address, syscalls), (text) => notices.push(text)), notices };
};
const namesIn = (address: string): string[] => pointsIn(address).points.map(({ name }) => name);

/** The content of each point, by copy: number of the snapshot that it is. */
const requireContent = (address: string): void => {
  const source = openSource(address, syscalls);
  for (const point of requirePoints(source, () => undefined)) {
    const destination = join(scratch, 'copied');
    const result = copyPoint({ source, point, destination, force: true }, syscalls);
    assert.is(result.differingBlocks, 0);
    const [, sequence] = point.name.split('-');
    assert.ok(readFileSync(destination).equals(contentOf(SEED, Number(sequence))), point.name);
  }
};

test('a folder of restore points has them all, the oldest first, and each is its snapshot', () => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  for (const sequence of [1, 2, 3]) backUp(target, folder, SEED, sequence);
  const { points, notices } = pointsIn(folder);
  assert.equal(notices, []);
  const expected = target.points().map((point) => ({
    ...{ name: point.name, time: point.time, kind: point.kind, bytes: point.bytes },
    storedBytes: target.storedBytes(point),
  }));
  assert.equal(points, expected);
  requireContent(folder);
});

test('an image, one that a full copy replaced, and a kept previous one are points', () => {
  const folder = newFolder();
  const image = join(folder, 'volume.img');
  makeImage(join(folder, 'volume.img.replaced'), 1);
  makeImage(image, 3, { previous: { kind: 'clone', sequence: 2n, keep: true } });
  writeFileSync(`${image}.datto-previous-2`, contentOf(SEED, 2));
  const prefix = SERIES.slice(0, 8);
  assert.equal(namesIn(folder), [`${prefix}-1`, `${prefix}-2`, `${prefix}-3`]);
  requireContent(folder);
  // The image by its own name, too.
  assert.equal(namesIn(image), [`${prefix}-2`, `${prefix}-3`]);
});

test('an image and restore points in one folder are both there', () => {
  const folder = newFolder();
  makeImage(join(folder, 'volume.img'), 1);
  backUp(new Qcow2Target(folder, syscalls), folder, SEED, 2);
  assert.equal(
    pointsIn(folder).points.map(({ kind }) => kind),
    ['image', 'whole'],
  );
  requireContent(folder);
});

test('an image between two snapshots is none; its clone of before is', () => {
  const folder = newFolder();
  const image = join(folder, 'volume.img');
  const update = { state: 'UPDATING', next: 3n, cursor: 0, changedBlocks: 9 };
  makeImage(image, 2, update);
  refuses('NO_POINT', /between snapshots 2 and 3.*it is no restore point; hint/, () => pointsIn(folder));
  makeImage(image, 2, { ...update, previous: { kind: 'clone', sequence: 2n, keep: false } });
  copyFileSync(image, `${image}.datto-previous-2`);
  const { points, notices } = pointsIn(folder);
  assert.equal(points.length, 1);
  assert.match(notices.join(), /between snapshots 2 and 3/);
});

test('what may not be its snapshot has a note', () => {
  const folder = newFolder();
  const image = join(folder, 'volume.img');
  makeImage(image, 2);
  utimesSync(image, 1, 1);
  assert.match(pointsIn(folder).points[0]?.fault ?? '', /something else wrote it/);
  makeImage(image, 2, { state: 'DIFFERS' });
  assert.match(pointsIn(folder).points[0]?.fault ?? '', /differs from its snapshot/);
  const points = newFolder();
  const target = new Qcow2Target(points, syscalls);
  for (const sequence of [1, 2]) backUp(target, points, SEED, sequence);
  utimesSync(join(points, 'points', `${SERIES.slice(0, 8)}-2.qcow2`), 1, 1);
  assert.equal(
    pointsIn(points).points.map(({ fault }) => fault !== undefined),
    [false, true],
  );
  rmSync(join(points, 'points', `${SERIES.slice(0, 8)}-2.qcow2`));
  const { points: left, notices } = pointsIn(points);
  assert.is(left.length, 1);
  assert.match(notices.join(), /-2 is lost: a file of it is missing/);
});

test('damage is found by the sums of a point, and by the manifest of an image, and copied as it is', () => {
  const folder = newFolder();
  const image = join(folder, 'volume.img');
  makeImage(image, 2);
  const copyOf = (): { damaged: number | undefined; runs: unknown[] } => {
    const source = openSource(folder, syscalls);
    const runs: unknown[] = [];
    const point = findPoint(
      requirePoints(source, () => undefined),
      folder,
      'latest',
    );
    const request = { source, point, destination: join(scratch, 'copied'), force: true };
    const { damagedBlocks } = copyPoint(request, syscalls, { onDamage: (run) => runs.push(run) });
    return { damaged: damagedBlocks, runs };
  };
  assert.equal(copyOf(), { damaged: undefined, runs: [] });
  makeManifest({ image }, syscalls);
  assert.equal(copyOf(), { damaged: 0, runs: [] });
  const content = readFileSync(image);
  for (const block of [3, 4, 700]) content.writeUInt8(content.readUInt8(block * 4096) ^ 1, block * 4096);
  writeFileSync(image, content);
  assert.equal(copyOf(), {
    damaged: 3,
    runs: [
      { start: 3, count: 2 },
      { start: 700, count: 1 },
    ],
  });
  assert.ok(readFileSync(join(scratch, 'copied')).equals(content));
});

test('an image that is being updated is not read', () => {
  const folder = newFolder();
  const image = join(folder, 'volume.img');
  makeImage(image, 1);
  const source = openSource(folder, syscalls);
  const [point] = source.points(() => undefined);
  const held = source.open(point!).held!;
  syscalls.lock(held.fd, image, 'exclusive');
  refuses('IMAGE_LOCKED', /another process is working on it/, () => source.open(point!));
  held.close();
  source.open(point!).close();
});

test('a point is named by its name, the only beginning, or latest', () => {
  const names = ['1c0ffee0-1', '1c0ffee0-12', '2c0ffee0-3'];
  const points = names.map((name): RestorePoint => ({ name, kind: 'whole', bytes: 1, storedBytes: 1 }));
  const find = (text: string): string => findPoint(points, '/b', text).name;
  assert.equal(['latest', '2', '1c0ffee0-1', '1c0ffee0-12'].map(find), [names[2], names[2], names[0], names[1]]);
  refuses('NO_POINT', /2 names begin like that, expected one; hint: datto-restore list \/b$/, () => find('1c'));
  for (const wrong of ['', '3', 'Latest']) refuses('NO_POINT', /there is none of that name/, () => find(wrong));
});

test('what is no source is refused', () => {
  const empty = newFolder();
  refuses('NO_POINT', /it has no restore points/, () => pointsIn(empty));
  refuses('IMAGE_KIND', /of an unknown kind, 'tape:', expected/, () => openSource('tape:1', syscalls));
  refuses('IMAGE_KIND', /a character device/, () => openSource('/dev/null', syscalls));
  const file = join(empty, 'file');
  writeFileSync(file, 'x');
  refuses('NO_POINT', /there is no .*file.datto-state/, () => pointsIn(file));
});

test('a copy does not replace what is there, or lie in the backup', () => {
  const folder = newFolder();
  const image = join(folder, 'volume.img');
  makeImage(image, 1);
  const source = openSource(folder, syscalls);
  const [point] = source.points(() => undefined);
  const copy = (destination: string, force: boolean): unknown =>
    copyPoint({ source, point: point!, destination, force }, syscalls);
  const there = join(newFolder(), 'there');
  writeFileSync(there, 'x');
  refuses('OUTPUT_EXISTS', /expected a new file or --force/, () => copy(there, false));
  refuses('IMAGE_KIND', /is a folder/, () => copy(folder, true));
  refuses('IMAGE_KIND', /there is no such device/, () => copy('/dev/sdzz9', true));
  for (const path of [image, join(folder, 'new')])
    refuses('IMAGE_IS_INPUT', /in the backup that is restored/, () => copy(path, true));
  assert.is(readFileSync(there, 'utf8'), 'x');
  assert.ok(readFileSync(image).equals(contentOf(SEED, 1)));
});

test.run();
