import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crashCost } from '../../host/driver/explain.js';
import { describeState, parseStatus, readStatus } from '../../host/driver/status.js';

const device = (lines: string[]): string => `\t\t{\n${lines.map((line) => `\t\t\t${line}\n`).join('')}\t\t}`;
const file = (devices: string[]): string =>
  `{\n\t"version": "0.12.1",\n\t"devices": [\n${devices.join(',\n')}\n\t]\n}\n`;

const ACTIVE = device([
  '"minor": 3,',
  '"cow_file": "/c",',
  '"block_device": "/dev/loop0",',
  '"max_cache": 314572800,',
  '"fallocate": 26214400,',
  '"cow_size_current": 26843545,',
  '"seq_id": 1,',
  '"uuid": "59f6e5eca78e40df90f8d4c98373e791",',
  '"version": 1,',
  '"nr_changed_blocks": 18446744073709551615,',
  '"last_freeze_ms": 25,',
  '"auto_expand": {',
  '\t"step_size_mib": 7,',
  '\t"reserved_space_mib": 1',
  '},',
  '"state": 3',
]);

const LIVE = device([
  '"minor": 5,',
  '"cow_file": "/c",',
  '"block_device": "/dev/loop0",',
  '"max_cache": 1,',
  '"checkpoint": "live",',
  '"checkpoint_age_seconds": 18446744073709551615,',
  '"checkpoint_bytes": 69632,',
  '"dirty_regions": 3,',
  '"region_bytes": 4194304,',
  '"state": 2',
]);

const failed = (path: string): string =>
  device([
    '"minor": 4,',
    `"cow_file": "${path}",`,
    '"block_device": "/dev/sdb",',
    '"max_cache": 1,',
    '"error": -27,',
    '"state": 2',
  ]);

test('parseStatus() reads all fields of an active snapshot', () => {
  const status = parseStatus(file([ACTIVE]));
  assert.is(status.version, '0.12.1');
  assert.equal(status.devices, [
    {
      minor: 3,
      cowFile: '/c',
      blockDevice: '/dev/loop0',
      maxCache: 314572800n,
      fallocate: 26214400n,
      cowSizeCurrent: 26843545n,
      seqId: 1n,
      uuid: '59f6e5eca78e40df90f8d4c98373e791',
      version: 1n,
      nrChangedBlocks: 18446744073709551615n,
      lastFreezeMs: 25n,
      autoExpand: { stepSizeMib: 7n, reservedSpaceMib: 1n },
      state: 3,
    },
  ]);
});

test('parseStatus() reads several devices, and leaves out what a device does not show', () => {
  const { devices } = parseStatus(file([ACTIVE, failed('/x')]));
  assert.is(devices.length, 2);
  assert.equal(devices[1], { minor: 4, cowFile: '/x', blockDevice: '/dev/sdb', maxCache: 1n, error: -27, state: 2 });
});

test('parseStatus() reads what is shown of a checkpoint', () => {
  const named = (kind: string): string =>
    LIVE.replace('"live"', `"${kind}"`).replace(/\t*"(checkpoint_|dirty|region).*\n/g, '');
  const { devices } = parseStatus(file([LIVE, named('clean'), named('none')]));
  const common = { minor: 5, cowFile: '/c', blockDevice: '/dev/loop0', maxCache: 1n, state: 2 };
  const figures = {
    checkpointAgeSeconds: 18446744073709551615n,
    checkpointBytes: 69632n,
    dirtyRegions: 3n,
    regionBytes: 4194304n,
  };
  assert.equal(devices, [
    { ...common, checkpoint: 'live', ...figures },
    { ...common, checkpoint: 'clean' },
    { ...common, checkpoint: 'none' },
  ]);
  const costs: ReadonlyArray<bigint | 'full' | undefined> = [12582912n, 0n, 'full'];
  assert.equal(devices.map(crashCost), costs);
});

test('crashCost() knows nothing where the driver shows nothing', () => {
  const { devices } = parseStatus(file([ACTIVE, failed('/x')]));
  assert.equal(devices.map(crashCost), [undefined, undefined]);
  const unknown = parseStatus(file([LIVE.replace('"live"', '"other"').replace(/\t*"dirty.*\n/, '')]));
  assert.equal(unknown.devices.map(crashCost), [undefined]);
});

test('parseStatus() reads a status without devices', () => {
  assert.equal(parseStatus('{\n\t"version": "0.12.1",\n\t"devices": [\n\n\t]\n}\n').devices, []);
});

test('parseStatus() reads paths that are escaped as JSON demands', () => {
  for (const path of ['/a "quote"', '/back\\slash', '/new\nline", and more', '/\u0001é€💾'])
    assert.is(parseStatus(file([failed(JSON.stringify(path).slice(1, -1))])).devices[0]?.cowFile, path);
});

test('parseStatus() takes paths as they are, with quotes, commas and newlines', () => {
  for (const path of ['/a "b", c', '/two\nlines', '/back\\slash', '/ends with",x']) {
    assert.is(parseStatus(file([failed(path)])).devices[0]?.cowFile, path);
  }
});

test('parseStatus() refuses a status that is cut short', () => {
  const whole = file([ACTIVE]);
  assert.throws(() => parseStatus(whole.slice(0, whole.indexOf('"state"'))), /cut short/);
  assert.throws(() => parseStatus(''), /cut short/);
});

test('parseStatus() refuses a device without a state', () => {
  assert.throws(() => parseStatus(file([device(['"minor": 1,'])])), /has no/);
});

test('readStatus() fails with the errno if there is no driver', () => {
  assert.throws(
    () => readStatus('/nonexistent/datto-info'),
    (error: { errno?: number }) => error.errno === 2,
  );
});

test('describeState() has plain words for states and errors', () => {
  assert.is(describeState(3), 'active snapshot');
  assert.is(describeState(0), 'dormant incremental');
  assert.is(describeState(5), 'unverified snapshot');
  assert.is(describeState(2, -27), 'active incremental, failed: COW file full');
  assert.is(describeState(3, -131), 'active snapshot, failed: core trapped');
  assert.is(describeState(3, -118), 'active snapshot, failed: Not a XENIX named type file');
});

test.run();
