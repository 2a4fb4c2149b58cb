import { suite } from 'uvu';
import * as assert from 'uvu/assert';
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
    for (let block = 0n; block < 36000n; block += 2n) bench.call('mask_extent', block, 1n);
    const runs = bench.planRead(0n, 8n * 36000n);
    assert.ok(Array.isArray(runs));
    assert.is(runs.length, 16384);
    assert.equal(runs[16383], [16383, 1, ORIGIN]);
    bench.close();
  });

  test('a run cut by full runs ends on a whole run from the COW file', () => {
    const bench = opened();
    for (let block = 16386n; block > 0n; block--) bench.commit(block - 1n, 1n);
    const runs = bench.planRead(0n, 8n * 20000n);
    assert.ok(Array.isArray(runs));
    assert.is(runs.length, 16384);
    assert.equal(runs[16383], [513 + 2, 1, COW]);
    assert.equal(bench.planRead(8n * 16384n, 24n), [
      [514, 1, COW],
      [513, 1, COW],
      [16386, 1, ORIGIN],
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
