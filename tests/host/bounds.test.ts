/** What is walked through and not kept: memory stays small whatever the number of blocks. */

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { randomNumbers, sampleSize, sampleUnlisted } from '../../host/copy/compare.js';
import { RunList } from '../../host/cow/run-list.js';
import type { BlockRun } from '../../host/cow/runs.js';

const MIB = 2 ** 20;

test('sampleUnlisted() chooses as many blocks as asked for, ascending, none twice and none that is listed', () => {
  const seed = Date.now() % 2 ** 32;
  const random = randomNumbers(seed);
  for (let round = 0; round < 300; round++) {
    const nrBlocks = 1 + random(200);
    const listed = new Set(Array.from({ length: random(nrBlocks + 1) }, () => random(nrBlocks)));
    const runs = [...listed].sort((a, b) => a - b).map((start) => ({ start, count: 1 }));
    const count = sampleSize(listed.size, nrBlocks, random(nrBlocks + 50));
    const chosen = [...sampleUnlisted(runs, listed.size, nrBlocks, count, random)].map(({ start }) => start);
    const where = `seed ${seed}, round ${round}`;
    assert.is(chosen.length, count, where);
    assert.ok(
      chosen.every((block, at) => block > (chosen[at - 1] ?? -1) && block < nrBlocks && !listed.has(block)),
      where,
    );
  }
});

test('sampleUnlisted() may choose every block', () => {
  const seen = new Set<number>();
  for (let seed = 0; seed < 200; seed++)
    for (const { start } of sampleUnlisted([{ start: 3, count: 2 }], 2, 12, 3, randomNumbers(seed))) seen.add(start);
  assert.equal(
    [...seen].sort((a, b) => a - b),
    [0, 1, 2, 5, 6, 7, 8, 9, 10, 11],
  );
});

test('sampleUnlisted() chooses more blocks than a Set holds', () => {
  const [nrBlocks, count] = [2 ** 32, 17_000_000];
  let chosen = 0;
  let last = -1;
  for (const { start } of sampleUnlisted([{ start: 0, count: 1 }], 1, nrBlocks, count, randomNumbers(1))) {
    if (start <= last) assert.unreachable(`${start} after ${last}`);
    last = start;
    // The rest is as this, and takes seconds.
    if (++chosen === 1_000_000) break;
  }
  assert.ok(last > nrBlocks / 20 && last < nrBlocks / 10, `${last}`);
});

test('a list of runs puts them in order, joins them, and takes 8 bytes for each', () => {
  const expected = (runs: BlockRun[]): unknown => {
    const list = new RunList();
    for (const run of runs) list.add(run);
    assert.equal([...list], [...list], 'as often as wanted');
    return [[...list], list.blocks];
  };
  assert.equal(expected([]), [[], 0]);
  const runs = [
    { start: 2 ** 32 - 256, count: 256 },
    { start: 10, count: 4 },
    { start: 5, count: 5 },
    { start: 11, count: 1 },
    { start: 12, count: 9 },
  ];
  assert.equal(expected(runs), [
    [
      { start: 5, count: 16 },
      { start: 2 ** 32 - 256, count: 256 },
    ],
    272,
  ]);
  const list = new RunList();
  const before = process.memoryUsage().rss;
  for (let at = 400_000; at > 0; at--) list.add({ start: at * 1000, count: 1 });
  assert.is(list.blocks, 400_000);
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 64 * MIB, `${grown} bytes`);
});

test.run();
