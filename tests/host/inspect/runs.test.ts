import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { estimateUpdate } from '../../../host/copy/update-estimate.js';
import { countRuns } from '../../../host/cow/run-statistics.js';
import type { BlockRun } from '../../../host/cow/runs.js';
import { compareRuns, joinRuns } from '../../../host/cow/runs.js';
import { PositionSet } from '../../../host/inspect/check/position-set.js';

const NR_BLOCKS = 200;
const sets = fc.uniqueArray(fc.nat({ max: NR_BLOCKS - 1 }), { maxLength: NR_BLOCKS });

/** Runs of a set of blocks, the longest that there are. */
const runsOf = (blocks: readonly number[]): BlockRun[] => {
  const runs: BlockRun[] = [];
  for (const block of [...blocks].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last.start + last.count === block) runs.splice(-1, 1, { ...last, count: last.count + 1 });
    else runs.push({ start: block, count: 1 });
  }
  return runs;
};

test('joinRuns() joins what touches and nothing else', () => {
  fc.assert(
    fc.property(sets, (blocks) => {
      const single = [...blocks].sort((a, b) => a - b).map((start) => ({ start, count: 1 }));
      assert.equal([...joinRuns(single)], runsOf(blocks));
    }),
  );
});

test('compareRuns() puts each block on its side, in order and once', () => {
  fc.assert(
    fc.property(sets, sets, (a, b) => {
      const found = new Map<number, string>();
      let end = 0;
      for (const { start, count, side } of compareRuns(runsOf(a), runsOf(b))) {
        assert.ok(start >= end && count > 0);
        end = start + count;
        for (let block = start; block < end; block++) found.set(block, side);
      }
      for (let block = 0; block < NR_BLOCKS; block++) {
        const [left, right] = [a.includes(block), b.includes(block)];
        assert.is(found.get(block), left && right ? 'both' : left ? 'a' : right ? 'b' : undefined);
      }
    }),
  );
});

test('countRuns() counts in classes by powers of two', () => {
  const runs = [1, 1, 2, 3, 4, 7, 8, 1000].map((count, at) => ({ start: at * 2000, count }));
  const { histogram, ...totals } = countRuns(runs);
  assert.equal(totals, { blocks: 1026, bytes: 1026 * 4096, runs: 8, longest: 1000 });
  assert.equal(histogram.slice(0, 5), [
    { from: 1, to: 1, runs: 2, blocks: 2 },
    { from: 2, to: 3, runs: 2, blocks: 5 },
    { from: 4, to: 7, runs: 2, blocks: 11 },
    { from: 8, to: 15, runs: 1, blocks: 8 },
    { from: 16, to: 31, runs: 0, blocks: 0 },
  ]);
  assert.is(histogram.at(-1)?.to, 1023);
  assert.equal(countRuns([]).histogram, []);
});

test('estimateUpdate() is near what it was made from, and says what it used', () => {
  const long = estimateUpdate({ bytes: 200 * 1048576, runs: 1 }, undefined);
  assert.ok(Math.abs(long.seconds - 0.283) < 0.03, `${long.seconds}`);
  const scattered = estimateUpdate({ bytes: 20000 * 4096, runs: 20000 }, undefined);
  assert.ok(Math.abs(scattered.seconds - 0.3) < 0.03, `${scattered.seconds}`);
  assert.match(long.basis, /900 MiB\/s.*measured/);
  const slow = estimateUpdate({ bytes: 100 * 1048576, runs: 1 }, 10);
  assert.ok(Math.abs(slow.seconds - 10.06) < 0.01);
  assert.match(slow.basis, /10 MiB\/s as given/);
});

test('PositionSet tells the first time from the second', () => {
  const positions = new PositionSet();
  for (const position of [0, 7, 8, 32767, 32768, 2 ** 40]) {
    assert.is(positions.add(position), true);
    assert.is(positions.add(position), false);
  }
});

test.run();
