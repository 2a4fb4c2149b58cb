import { closeSync, copyFileSync, openSync, truncateSync, writeSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BlockRun } from '../../../host/cow/runs.js';
import { diffCows } from '../../../host/inspect/diff.js';
import { flagNames } from '../../../host/inspect/flags.js';
import type { CowInfo } from '../../../host/inspect/info.js';
import { describeCow } from '../../../host/inspect/info.js';
import { Xxh64 } from '../../../host/manifest/hashing.js';
import { bytesRead } from '../bytes-read.js';
import { makeCowFile } from '../cow-maker.js';
import { closedWithNext, inspect, recordBlock, refusal, sectors, temporaryFolder } from './files.js';
import type { Golden } from './golden.js';
import { makeIncremental, makeSnapshot } from './golden.js';

const at = temporaryFolder();
const [COW, OTHER] = [at('cow'), at('other')];
const NR_SECTORS = 524288;
const GOLDEN: Golden = { nrSectors: NR_SECTORS, changed: [5, 9, 10, 60000] };

const snapshot = (golden: Partial<Golden> = {}): void =>
  makeSnapshot(COW, { ...GOLDEN, ...golden }, () => Buffer.alloc(4096));
const incremental = (golden: Partial<Golden> = {}): void => makeIncremental(COW, { ...GOLDEN, ...golden });

const describe = (size?: number): CowInfo => inspect(COW, describeCow, size === undefined ? undefined : sectors(size));

test("the size of the index follows from an incremental file's size", () => {
  incremental();
  inspect(COW, ({ answer }) => {
    assert.is(answer.geometry?.nrSections, 16);
    assert.is(answer.geometry?.exact, false);
    assert.match(answer.basis, /by the file's size/);
  });
});

test('the size of the index follows from fpos and the counter in snapshot mode, closed or not', () => {
  for (const flags of [1, 0]) {
    snapshot({ flags });
    inspect(COW, ({ answer }) => assert.is(answer.geometry?.nrSections, 16));
  }
});

test('info names the file with which tracking went on', () => {
  incremental();
  const next = `${COW}.next`;
  closedWithNext(COW, next, NR_SECTORS, '/.datto-8');
  assert.match(inspect(next, describeCow).state, /snapshot; tracking went on with \/\.datto-8$/);
});

test('the size of the index is unknown where nothing tells it', () => {
  snapshot({ version: 0n });
  assert.is(
    inspect(COW, ({ answer }) => answer.geometry),
    undefined,
  );
  assert.is(
    refusal(() => inspect(COW, (cow) => cow.requireList({ allowUnclean: false }))),
    'ORIGIN_SIZE_UNKNOWN',
  );
  const blocks = inspect(COW, (cow) => [...cow.changedRuns({ allowUnclean: false })], sectors(NR_SECTORS));
  assert.equal(blocks, [
    { start: 5, count: 1 },
    { start: 9, count: 2 },
    { start: 60000, count: 1 },
  ]);
});

test('what was assumed is said, unless the size is known', () => {
  incremental();
  assert.match(describe().assumed ?? '', /61441 to 65536 blocks; 65536 assumed/);
  assert.is(describe(NR_SECTORS).assumed, undefined);
});

const STATES: ReadonlyArray<readonly [make: () => void, state: RegExp, code: string | undefined]> = [
  [() => incremental(), /^incremental, closed cleanly/, undefined],
  [() => incremental({ flags: 2 }), /^incremental, in use or not closed/, 'NOT_CLEAN'],
  [() => snapshot(), /^snapshot, closed cleanly/, 'NOT_INCREMENTAL'],
  [() => snapshot({ flags: 0 }), /^snapshot, in use or not closed/, 'NOT_CLEAN'],
  [
    () => {
      snapshot({ flags: 0 });
      truncateSync(COW, 528384);
    },
    /^incremental, in use .* previous snapshot$/,
    'NOT_CLEAN',
  ],
];

test('describeCow() tells the state, and whether update-img may use the file', () => {
  for (const [make, state, code] of STATES) {
    make();
    const info = describe();
    assert.match(info.state, state);
    assert.is(info.updateImg.code, code);
    assert.is(info.updateImg.usable, code === undefined);
  }
  incremental();
  truncateSync(COW, 528383);
  assert.is(describe(NR_SECTORS).updateImg.code, 'INDEX_SHORT');
  assert.is(describe().updateImg.usable, true);
});

test('describeCow() explains every field of the header', () => {
  incremental({ seqid: 7n });
  const { fields } = describe();
  assert.equal(
    fields.map(({ name, value }) => [name, value]),
    [
      ['magic', '4776'],
      ['flags', '0x3'],
      ['fpos', '131'],
      ['fsize', '528384'],
      ['seqid', '7'],
      ['uuid', '59f6e5eca78e40df90f8d4c98373e791'],
      ['version', '1'],
      ['nr_changed_blocks', '4'],
    ],
  );
  assert.ok(fields.every(({ meaning }) => meaning.length > 0));
});

test('flagNames() names flags, and masks of those that have none', () => {
  assert.equal(flagNames(0), []);
  assert.equal(flagNames(0x80000007), ['CLEAN', 'INDEX_ONLY', 'VMALLOC_UPPER', 'unknown 0x80000000']);
});

test('changedRuns() refuses what is no complete list', () => {
  const list = (allowUnclean: boolean, size?: number): unknown =>
    inspect(COW, (cow) => [...cow.changedRuns({ allowUnclean })], size === undefined ? undefined : sectors(size));
  incremental({ flags: 2 });
  assert.is(
    refusal(() => list(false)),
    'NOT_CLEAN',
  );
  assert.is(
    refusal(() => list(true)),
    undefined,
  );
  incremental();
  assert.is(
    refusal(() => list(false, NR_SECTORS / 2)),
    'ORIGIN_SIZE_MISMATCH',
  );
  makeCowFile(COW, { nrSectors: 4104, entries: [[600, 1n]] });
  assert.is(
    refusal(() => list(false, 4104)),
    'INDEX_BEYOND_END',
  );
  incremental();
  truncateSync(COW, 528383);
  assert.is(
    refusal(() => list(false, NR_SECTORS)),
    'INDEX_SHORT',
  );
});

test('diffCows() refuses indexes of different sizes', () => {
  incremental();
  copyFileSync(COW, OTHER);
  incremental({ nrSectors: NR_SECTORS * 2 });
  const compare = (): unknown => inspect(COW, (a) => inspect(OTHER, (b) => diffCows(a, b, { allowUnclean: false })));
  assert.is(refusal(compare), 'ORIGIN_SIZE_MISMATCH');
});

test('an index of 32 GiB with holes is checked and listed without reading these, in little memory', () => {
  const nrSectors = 2 ** 35;
  const changed = Array.from({ length: 1000 }, (_, index) => index * 4294967 + (index % 3));
  makeIncremental(COW, { nrSectors, changed });
  let found: readonly BlockRun[] = [];
  const bytes = bytesRead(() => {
    found = inspect(COW, (cow) => [...cow.changedRuns({ allowUnclean: false })], sectors(nrSectors));
  });
  assert.equal(
    found.map(({ start }) => start),
    changed,
  );
  assert.ok(bytes < 2 ** 29, `${bytes} bytes were read`);
  assert.ok(process.resourceUsage().maxRSS < 400 * 1024, `${process.resourceUsage().maxRSS} KiB`);
  console.log(
    `32 GiB index: ${Math.round(bytes / 2 ** 20)} MiB read, ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`,
  );
});

const overwrite = (bytes: Buffer): void => {
  const fd = openSync(COW, 'r+');
  writeSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
};

test('a checkpoint is told, with the size of its origin; a damaged one is none', () => {
  for (const isIncremental of [true, false]) {
    incremental({ flags: 2 });
    const block = recordBlock(NR_SECTORS, isIncremental);
    overwrite(block);
    const info = describe();
    assert.match(
      info.state,
      isIncremental ? /^checkpoint of a tracked volume, incremental/ : /^checkpoint .*, snapshot/,
    );
    assert.match(info.basis, /524288 sectors .*checkpoint/);
    assert.is(info.updateImg.usable, false);
    // What follows the header is not to be seen through the filesystem: no list at all is better than an empty one.
    const list = (): unknown => inspect(COW, (cow) => [...cow.changedRuns({ allowUnclean: true })]);
    assert.is(refusal(list), 'NOT_CLEAN');
    // The first version, as an older module left it.
    block.writeUInt32LE(1, 72);
    block.writeBigUInt64LE(0n, 136);
    block.writeBigUInt64LE(new Xxh64().bytes(block), 136);
    overwrite(block);
    assert.is(describe().state, info.state);
    block.writeUInt8(block[120]! ^ 1, 120);
    overwrite(block);
    assert.match(describe().state, /in use or not closed cleanly/);
  }
});

test.run();
