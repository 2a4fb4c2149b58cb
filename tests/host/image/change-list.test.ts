import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ChangeList, mergeRuns } from '../../../host/cow/change-list.js';
import { Core } from '../../../host/cow/core.js';
import { CowFile } from '../../../host/cow/cow-file.js';
import { type BlockRun, PIECE_BYTES } from '../../../host/cow/runs.js';
import type { RefusalError } from '../../../host/errors.js';
import { OpenFile } from '../../../host/system/files.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { type CowOptions, makeCowFile } from '../cow-maker.js';

const folder = mkdtempSync(join(tmpdir(), 'datto-changes-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const BLOCK = 4096;
const SECTORS = 65536;
const BYTES = SECTORS * 512;

const entriesOf = (blocks: Iterable<number>): CowOptions['entries'] => [...blocks].map((block) => [block, 1n] as const);

/** Opens a COW file for each list of blocks, oldest last, and the changes of all of them. */
const withChanges = <T>(
  lists: ReadonlyArray<Iterable<number>>,
  run: (changes: ChangeList) => T,
  { nrSectors = SECTORS, ...options }: Partial<CowOptions> = {},
): T => {
  const files: CowFile[] = [];
  try {
    lists.forEach((blocks, index) => {
      const path = join(folder, `cow${index}`);
      makeCowFile(path, { nrSectors, entries: entriesOf(blocks), ...options });
      const core = new Core();
      assert.is(core.call('init', nrSectors, 0, 1), 0n);
      files.push(new CowFile(core, nativeSyscalls(), OpenFile.open(path, 'r'), nrSectors));
    });
    return run(new ChangeList(files, '/the/list', nrSectors * 512));
  } finally {
    for (const file of files) file.close();
  }
};

const refusalOf = (...args: Parameters<typeof withChanges>): RefusalError => {
  try {
    withChanges(...args);
  } catch (error) {
    return error as RefusalError;
  }
  throw new Error('it was not refused');
};

const blocksOf = (runs: Iterable<BlockRun>): number[] =>
  [...runs].flatMap(({ start, count }) => Array.from({ length: count }, (_, at) => start + at));

/** Ascending runs of some blocks, cut at random places. */
const randomRuns = (random: (below: number) => number): BlockRun[] => {
  const runs: BlockRun[] = [];
  for (let at = random(3); at < 60; ) {
    const count = 1 + random(7);
    runs.push({ start: at, count });
    at += count + random(4);
  }
  return runs.slice(0, random(runs.length + 1));
};

test('mergeRuns() yields each block of both once, ascending', () => {
  const seed = Date.now();
  let state = seed % 2147483647;
  const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  for (let round = 0; round < 2000; round++) {
    const [left, right] = [randomRuns(random), randomRuns(random)];
    const merged = [...mergeRuns(left, right)];
    const expected = [...new Set([...blocksOf(left), ...blocksOf(right)])].sort((a, b) => a - b);
    assert.equal(blocksOf(merged), expected, `seed ${seed}`);
    assert.ok(
      merged.every(({ count }) => count > 0),
      `seed ${seed}`,
    );
  }
});

test('mergeRuns() takes a run within another, and lists without an end of their own', () => {
  const runs = (...pairs: Array<[number, number]>): BlockRun[] => pairs.map(([start, count]) => ({ start, count }));
  assert.equal(
    blocksOf(mergeRuns(runs([0, 10]), runs([2, 3], [9, 3]))),
    Array.from({ length: 12 }, (_, at) => at),
  );
  assert.equal([...mergeRuns([], [])], []);
  function* forever(): Generator<BlockRun> {
    for (let start = 0; ; start += 2) yield { start, count: 1 };
  }
  const merged = mergeRuns(forever(), runs([1, 1]));
  assert.equal(
    [0, 1, 2, 3].map(() => (merged.next().value as BlockRun).start),
    [0, 1, 2, 4],
  );
});

test('the changes of one file are counted, and walked as often as wanted', () => {
  const blocks = [0, 1, 2, 500, 4095, 4096, 8191];
  withChanges([blocks], (changes) => {
    assert.equal([changes.snapshotBlocks, changes.changedBlocks, changes.changedBytes], [8192, 7, 7 * BLOCK]);
    for (let walk = 0; walk < 2; walk++) assert.equal(blocksOf(changes.runs()), blocks);
    // Two walks at once, of which one ends early.
    const [first] = changes.runs();
    assert.is(first?.start, 0);
    assert.equal(blocksOf(changes.runs()), blocks);
  });
});

test('the changes of several files are each block once', () => {
  withChanges(
    [
      [1, 5, 6],
      [5, 6, 7, 8000],
      [0, 1],
    ],
    (changes) => {
      assert.equal(blocksOf(changes.runs()), [0, 1, 5, 6, 7, 8000]);
      assert.equal([changes.changedBlocks, changes.changedBytes], [6, 6 * BLOCK]);
    },
  );
  withChanges([[], []], (changes) => {
    assert.equal([changes.changedBlocks, [...changes.pieces()]], [0, []]);
  });
});

test('a partial last block counts by its bytes', () => {
  const last = 8191;
  withChanges(
    [[0, last], [last]],
    (changes) => {
      assert.equal([changes.snapshotBlocks, changes.changedBlocks, changes.changedBytes], [8192, 2, BLOCK + 1024]);
      assert.equal(
        [...changes.pieces()],
        [
          { offset: 0, bytes: BLOCK },
          { offset: last * BLOCK, bytes: 1024 },
        ],
      );
    },
    { nrSectors: SECTORS - 6 },
  );
});

test('a block beyond the end of the snapshot is refused, in any of the files', () => {
  // The index has entries up to the end of its last section.
  const small = { nrSectors: 4096 };
  const lists: ReadonlyArray<ReadonlyArray<readonly number[]>> = [[[512]], [[1], [512]], [[511, 512, 513]], [[4095]]];
  for (const blocks of lists) {
    const { code, message } = refusalOf(blocks, () => undefined, small);
    assert.is(code, 'INDEX_BEYOND_END');
    assert.match(message, /^cannot use \/the\/list: it lists block \d+, expected less than 512$/);
  }
  assert.is(
    withChanges([[511]], ({ changedBlocks }) => changedBlocks, small),
    1,
  );
});

test('an index that lists another number of blocks than the header counts is refused', () => {
  for (const counted of [0, 2, 4, 2 ** 40]) {
    const { code, message } = refusalOf([[1, 2, 3]], () => undefined, { counted });
    assert.is(code, 'COUNTER_MISMATCH');
    assert.match(message, new RegExp(`counts ${counted} changed blocks, and its index lists 3;`));
  }
  // Of several, each by itself: what both list counts for both.
  assert.is(
    withChanges(
      [
        [1, 2, 3],
        [1, 2, 4],
      ],
      ({ changedBlocks }) => changedBlocks,
      { counted: 3 },
    ),
    4,
  );
  assert.is(
    refusalOf(
      [
        [1, 2, 3],
        [1, 2],
      ],
      () => undefined,
      { counted: 3 },
    ).code,
    'COUNTER_MISMATCH',
  );
});

test('pieces that end at a cursor or before are left out; one that goes beyond it is copied as a whole', () => {
  const half = PIECE_BYTES / BLOCK;
  const blocks = [...Array.from({ length: 2 * half }, (_, at) => at), 4000, 4002];
  withChanges([blocks], (changes) => {
    const all = [
      { offset: 0, bytes: PIECE_BYTES },
      { offset: PIECE_BYTES, bytes: PIECE_BYTES },
      { offset: 4000 * BLOCK, bytes: BLOCK },
      { offset: 4002 * BLOCK, bytes: BLOCK },
    ];
    const from = (cursor: number): number => all.length - [...changes.pieces(cursor)].length;
    assert.equal([...changes.pieces()], all);
    assert.equal([...changes.pieces(PIECE_BYTES + 1)], all.slice(1));
    assert.equal([0, 1, PIECE_BYTES - 1, PIECE_BYTES, 4000 * BLOCK].map(from), [0, 0, 0, 1, 2]);
    assert.equal([4001 * BLOCK, 4002 * BLOCK + 1, 4003 * BLOCK, BYTES, Infinity].map(from), [3, 3, 4, 4, 4]);
  });
});

test.run();
