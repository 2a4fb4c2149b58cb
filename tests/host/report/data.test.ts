import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runsWithout, unionRuns } from '../../../host/cow/runs.js';
import { withFiles } from '../../../host/inspect/inspected-cow.js';
import type { BlockOwner } from '../../../host/inspect/owners/owner.js';
import { HeatMap } from '../../../host/inspect/picture/heat-map.js';
import type { TreeNode } from '../../../host/report/files.js';
import { fileReport } from '../../../host/report/files.js';
import { largestRegions } from '../../../host/report/regions.js';
import { makeReport } from '../../../host/report/report.js';
import { openSeries } from '../../../host/report/series.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { makeCowFile } from '../cow-maker.js';
import { refusal, temporaryFolder } from '../inspect/files.js';
import { makeIncremental, randomBlocks } from '../inspect/golden.js';

const at = temporaryFolder();
const NR_SECTORS = 32768;
const [A, B] = [randomBlocks(200, 4096, 3), randomBlocks(300, 4096, 4)];
makeIncremental(at('a'), { nrSectors: NR_SECTORS, changed: A, seqid: 4n });
makeIncremental(at('b'), { nrSectors: NR_SECTORS, changed: B, seqid: 5n });

const runsOf = (blocks: Iterable<number>) =>
  [...new Set(blocks)].sort((a, b) => a - b).map((start) => ({ start, count: 1 }));
const blocksOf = (runs: Iterable<{ start: number; count: number }>): number[] =>
  [...runs].flatMap(({ start, count }) => Array.from({ length: count }, (_, index) => start + index));

test('unionRuns() and runsWithout() are those of sets', () => {
  const lists = [A, B, randomBlocks(50, 4096, 5)];
  const union = [...unionRuns(lists.map(runsOf))];
  assert.equal(
    blocksOf(union),
    [...new Set(lists.flat())].sort((a, b) => a - b),
  );
  union.slice(1).forEach(({ start }, index) => assert.ok(start > union[index]!.start + union[index]!.count));
  assert.equal(
    blocksOf(runsWithout(runsOf(A), runsOf(B))),
    A.filter((block) => !B.includes(block)).sort((a, b) => a - b),
  );
});

const owner = (kind: BlockOwner['kind'], name: string): BlockOwner => ({ kind, inode: undefined, name });
const bytesOf = (node: TreeNode): number =>
  'bytes' in node ? node.bytes : node.children.reduce((sum, child) => sum + bytesOf(child), 0);
const depthOf = (node: TreeNode): number => ('bytes' in node ? 0 : 1 + Math.max(0, ...node.children.map(depthOf)));
const leavesOf = (node: TreeNode): number =>
  'bytes' in node ? 1 : node.children.reduce((sum, child) => sum + leavesOf(child), 0);

test('fileReport() has at most 200 files, and a tree of all that changed', () => {
  const files = Array.from({ length: 500 }, (_, number) => ({
    owner: owner('file', `/home/u${number % 7}/f${number}`),
    bytes: 4096 * (500 - number),
  }));
  const owned = [...files, { owner: owner('metadata', 'journal'), bytes: 8192 }];
  const all = owned.reduce((sum, { bytes }) => sum + bytes, 0);
  const report = fileReport(owned, all + 4096, ({ name }) => name ?? '');
  assert.is(report.files.length, 200);
  assert.is(report.others.count, 300);
  assert.is(report.freeBytes, 4096);
  assert.is(bytesOf(report.tree), all + 4096);
  assert.is(leavesOf(report.tree), 200 + 3);
  // The sums of folders have the small files, too.
  assert.equal(report.folders[0], { name: '/home', bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) });
  assert.is(report.folders.length, 8);
});

test('fileReport() keeps the tree shallow, and needs no path', () => {
  const owned = [`/${'d/'.repeat(2000)}file`, '/', 'inode 7, without a name', '//odd//', '/__proto__/constructor'];
  const report = fileReport(
    owned.map((name) => ({ owner: owner('file', name), bytes: 4096 })),
    4096 * owned.length,
    ({ name }) => name ?? '',
  );
  assert.ok(depthOf(report.tree) <= 8);
  assert.is(bytesOf(report.tree), 4096 * owned.length);
  assert.is(leavesOf(report.tree), owned.length);
});

test('largestRegions() joins cells next to each other of one main owner', () => {
  const map = new HeatMap(
    [
      { start: 0, count: 48 },
      { start: 160, count: 8 },
    ],
    4096 * 16,
    6,
  );
  const names = new Map([
    [0, [['/a', 65536]] as const],
    [
      1,
      [
        ['/a', 32768],
        ['/b', 32768],
      ] as const,
    ],
    [2, [['/b', 65536]] as const],
    [10, [['/b', 32768]] as const],
  ]);
  const { regions, count } = largestRegions(map, names);
  assert.is(count, 3);
  assert.equal(regions, [
    { offset: 0, bytes: 131072, changedBytes: 131072, names: ['/a', '/b'] },
    { offset: 131072, bytes: 65536, changedBytes: 65536, names: ['/b'] },
    { offset: 655360, bytes: 65536, changedBytes: 32768, names: ['/b'] },
  ]);
});

const report = (...names: string[]) =>
  withFiles(names.map(at), (...files) =>
    makeReport(openSeries(files, nativeSyscalls(), undefined), undefined, { allowUnclean: false }, () => ''),
  );

test('makeReport() orders the files, counts each on its own, and each block once', () => {
  const { points, changed, map, owners, cowBlocks } = report('b', 'a');
  assert.equal(
    points.map(({ path, sequence, changedBlocks }) => [path, sequence, changedBlocks]),
    [
      [at('a'), 4n, 200],
      [at('b'), 5n, 300],
    ],
  );
  assert.is(changed.blocks, new Set([...A, ...B]).size);
  assert.is(map.changedBlocks, changed.blocks);
  assert.is(map.changed.length, 64 ** 2);
  assert.is(cowBlocks, 0);
  assert.ok('why' in owners);
});

test('makeReport() has no more cells for a large volume, and takes one without changes', () => {
  makeCowFile(at('large'), { nrSectors: 2 ** 36, entries: [[2 ** 33 - 1, 1n]] });
  const { map, changed } = report('large');
  assert.is(map.changed.length, 4096);
  assert.is(map.changed[4095], 1);
  assert.is(changed.blocks, 1);
  makeCowFile(at('none'), { nrSectors: 4096, entries: [] });
  const none = report('none');
  assert.equal([none.changed.blocks, none.regions.length, none.changed.histogram], [0, 0, []]);
});

test('openSeries() refuses files of two series, and two of one snapshot', () => {
  makeCowFile(at('other'), { nrSectors: NR_SECTORS, entries: [] });
  makeIncremental(at('again'), { nrSectors: NR_SECTORS, changed: A, seqid: 4n });
  assert.is(
    refusal(() => report('a', 'other')),
    'UUID_MISMATCH',
  );
  assert.is(
    refusal(() => report('a', 'again')),
    'SEQID_MISMATCH',
  );
});

test('openSeries() takes files of before the volume grew, though the size is that of after', () => {
  makeIncremental(at('grown'), { nrSectors: 4 * NR_SECTORS, changed: [5000], seqid: 6n });
  const sizes = withFiles(['grown', 'a'].map(at), (...files) =>
    openSeries(files, nativeSyscalls(), { sectors: 4 * NR_SECTORS, source: 'the test' }).map((cow) => cow.nrBlocks()),
  );
  assert.equal(sizes, [NR_SECTORS / 8, NR_SECTORS / 2]);
  assert.is(report('grown', 'a').nrBlocks, NR_SECTORS / 2);
});

test.run();
