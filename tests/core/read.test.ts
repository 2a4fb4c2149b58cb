import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { READ_BLOCKS_MAX, READ_RUNS_MAX } from '../../host/layout.js';
import { Bench, COW, ENGINES, errno, MISS, ORIGIN, SECTION_BLOCKS, SECTION_SECTORS, ZERO } from './harness.js';

for (const engine of ENGINES) {
  const test = suite(`core reading, ${engine.name}`);

  const opened = (): Bench => new Bench(engine, { nrSectors: 64n * SECTION_SECTORS });

  /** Makes a section not resident, by asking for twice as many others as there are slots. */
  const evict = (bench: Bench, section: bigint): void => {
    for (let other = 63n; other >= 32n; other--) bench.loadSection(other);
    assert.is(bench.call('export_section', section), MISS);
  };

  test('an untouched range is one run from the origin', () => {
    const bench = opened();
    assert.equal(bench.planRead(1001n, 2000n), [[125, 251, ORIGIN]]);
    assert.equal(bench.planRead(0n, 1n << 40n), [[0, 262144, ORIGIN]]);
    bench.close();
  });

  test('copied blocks come from the COW file, masked ones are zeros, the rest is the origin', () => {
    const bench = opened();
    bench.commit(50n, 30n);
    bench.commit(20n, 5n);
    bench.call('mask_extent', 60n, 100n);
    assert.equal(bench.planRead(0n, 8n * 200n), [
      [0, 20, ORIGIN],
      [543, 5, COW],
      [25, 25, ORIGIN],
      [513, 30, COW],
      [80, 80, ZERO],
      [160, 40, ORIGIN],
    ]);
    bench.close();
  });

  test('positions in sequence are one run, over words and sections', () => {
    const bench = opened();
    bench.commit(SECTION_BLOCKS - 100n, 200n);
    assert.equal(bench.planRead(SECTION_SECTORS - 800n, 1600n), [[513, 200, COW]]);
    bench.close();
  });

  test('positions out of sequence are runs of their own', () => {
    const bench = opened();
    for (const block of [3n, 2n, 1n, 0n]) bench.commit(block, 1n);
    assert.equal(bench.planRead(0n, 32n), [
      [516, 1, COW],
      [515, 1, COW],
      [514, 1, COW],
      [513, 1, COW],
    ]);
    bench.close();
  });

  test('a missing section ends the answer, or is the answer if it is first', () => {
    const bench = opened();
    bench.commit(100n, 10n);
    evict(bench, 0n);
    assert.equal(bench.runs(bench.call('plan_read', 8n * 90n, 8n * 30n)), [[90, 10, ORIGIN]]);
    assert.is(bench.call('plan_read', 8n * 100n, 8n), MISS);
    assert.is(bench.call('miss_section'), 0n);
    assert.equal(bench.planRead(8n * 100n, 8n * 30n), [
      [513, 10, COW],
      [110, 20, ORIGIN],
    ]);
    bench.close();
  });

  test('the answer ends when the runs are full', () => {
    const bench = opened();
    for (let block = 0n; block < 100n; block += 2n) bench.call('mask_extent', block, 1n);
    const runs = bench.runs(bench.call('plan_read', 0n, 8n * 100n));
    assert.is(runs.length, READ_RUNS_MAX);
    assert.equal(runs.at(-1), [READ_RUNS_MAX - 1, 1, ORIGIN]);
    bench.close();
  });

  test('the answer covers so many blocks at most', () => {
    const bench = opened();
    bench.commit(100n, 3000n);
    assert.equal(bench.runs(bench.call('plan_read', 8n * 5000n, 8n * 2000n)), [[5000, READ_BLOCKS_MAX, ORIGIN]]);
    assert.equal(bench.runs(bench.call('plan_read', 8n * 99n + 1n, 8n * 2000n)), [
      [99, 1, ORIGIN],
      [513, READ_BLOCKS_MAX - 1, COW],
    ]);
    bench.close();
  });

  test('a run cut by full runs ends on a whole run from the COW file', () => {
    const bench = opened();
    const most = BigInt(READ_RUNS_MAX);
    for (let block = most + 2n; block > 0n; block--) bench.commit(block - 1n, 1n);
    const runs = bench.runs(bench.call('plan_read', 0n, 8n * 100n));
    assert.is(runs.length, READ_RUNS_MAX);
    assert.equal(runs.at(-1), [513 + 2, 1, COW]);
    assert.equal(bench.planRead(8n * most, 24n), [
      [514, 1, COW],
      [513, 1, COW],
      [READ_RUNS_MAX + 2, 1, ORIGIN],
    ]);
    bench.close();
  });

  test('a block that was marked without being copied is an error, never the origin', () => {
    const bench = opened();
    bench.commit(10n, 2n);
    bench.call('mark', 8n * 12n, 8n);
    assert.equal(bench.planRead(8n * 8n, 8n * 10n), [
      [8, 2, ORIGIN],
      [513, 2, COW],
    ]);
    assert.is(bench.planRead(8n * 12n, 8n), errno('EIO'));
    assert.is(bench.call('commit_copy', 12n, 1n), errno('EINVAL'));
    bench.close();
  });

  test('ranges that touch nothing have no runs', () => {
    const bench = opened();
    assert.equal(bench.planRead(64n * SECTION_SECTORS, 8n), []);
    assert.equal(bench.planRead(0n, 0n), []);
    assert.equal(bench.planRead(-1n, 8n), []);
    bench.close();
  });

  test.run();
}
