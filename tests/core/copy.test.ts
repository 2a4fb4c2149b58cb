import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMIT_BLOCKS_MAX, PLAN_BLOCKS_MAX, PLAN_RANGES_MAX, PLAN_RUNS_MAX } from '../../host/layout.js';
import { Bench, COW, ENGINES, errno, MISS, ORIGIN, SECTION_BLOCKS, SECTION_SECTORS, ZERO } from './harness.js';

for (const engine of ENGINES) {
  const test = suite(`core copying, ${engine.name}`);

  /** 64 sections, first position 513. */
  const opened = (fsize?: bigint): Bench =>
    new Bench(engine, { nrSectors: 64n * SECTION_SECTORS, ...(fsize === undefined ? {} : { fsize }) });

  test('plan_copy() names each uncopied block once, ascending, runs joined over ranges', () => {
    const bench = opened();
    assert.equal(
      bench.planCopy([
        [4n, 1n],
        [7n, 2n],
        [16n, 8n],
        [16n, 80n],
        [20n, 4n],
        [4000n, 16n],
      ]),
      [
        [0, 12, ORIGIN],
        [500, 2, ORIGIN],
      ],
    );
    bench.close();
  });

  test('plan_copy() leaves out what is copied and tells zeros from the origin', () => {
    const bench = opened();
    bench.commit(10n, 5n);
    bench.call('mask_extent', 12n, 100n);
    assert.equal(bench.planCopy([[0n, 8n * 200n]]), [
      [0, 10, ORIGIN],
      [15, 97, ZERO],
      [112, 88, ORIGIN],
    ]);
    assert.equal(bench.planCopy([[80n, 40n]]), []);
    bench.close();
  });

  test('plan_copy() stops at max_blocks', () => {
    const bench = opened();
    bench.commit(64n, 1n);
    assert.equal(bench.planCopy([[0n, 8000n]], 100n), [
      [0, 64, ORIGIN],
      [65, 36, ORIGIN],
    ]);
    assert.equal(bench.planCopy([[0n, 8000n]], 64n), [[0, 64, ORIGIN]]);
    assert.equal(bench.planCopy([[0n, 8000n]], 0n), []);
    bench.close();
  });

  test('plan_copy() stops when the runs are full', () => {
    const bench = opened();
    for (let block = 0n; block < 4000n; block += 2n) bench.call('mask_extent', block, 1n);
    const runs = bench.planCopy([[0n, 8n * 4000n]]);
    assert.ok(Array.isArray(runs));
    assert.is(runs.length, PLAN_RUNS_MAX);
    assert.equal(runs.at(-1), [PLAN_RUNS_MAX - 1, 1, ORIGIN]);
    bench.close();
  });

  test('plan_copy() cuts ranges at the end of the origin', () => {
    const bench = opened();
    const end = 64n * SECTION_SECTORS;
    assert.equal(
      bench.planCopy([
        [end - 1n, 1n << 50n],
        [end, 8n],
        [-1n, -1n],
      ]),
      [[262143, 1, ORIGIN]],
    );
    assert.equal(bench.planCopy([[0n, 0n]]), []);
    bench.close();
  });

  test('plan_copy() refuses to look at too many blocks, however few are left to copy', () => {
    const bench = opened();
    const most = BigInt(PLAN_BLOCKS_MAX);
    bench.call('mark', 0n, 8n * most);
    assert.equal(bench.planCopy([[0n, 8n * most]]), []);
    assert.is(bench.planCopy([[0n, 8n * most + 1n]]), errno('EINVAL'));
    assert.is(
      bench.planCopy([
        [8n, 8n * most - 8n],
        [16n * most, 16n],
      ]),
      errno('EINVAL'),
    );
    assert.equal(bench.planCopy(Array.from({ length: 3 }, () => [0n, 8n * most])), []);
    bench.close();
  });

  test('plan_copy() refuses ranges that are not sorted or too many', () => {
    const bench = opened();
    assert.is(
      bench.planCopy([
        [8n, 8n],
        [0n, 8n],
      ]),
      errno('EINVAL'),
    );
    assert.is(bench.call('plan_copy', PLAN_RANGES_MAX + 1, 1n), errno('EINVAL'));
    assert.is(bench.call('plan_copy', -1n, 1n), errno('EINVAL'));
    bench.close();
  });

  test('plan_copy() takes as many ranges as it may', () => {
    const bench = opened();
    const ranges = Array.from({ length: PLAN_RANGES_MAX }, (_, i) => [BigInt(i) * 16n, 8n] as const);
    const runs = bench.planCopy(ranges);
    assert.ok(Array.isArray(runs));
    assert.is(runs.length, PLAN_RANGES_MAX);
    assert.equal(runs.at(-1), [2 * (PLAN_RANGES_MAX - 1), 1, ORIGIN]);
    bench.close();
  });

  test('commit_copy() gives positions in sequence, and says which section it misses', () => {
    const bench = opened();
    assert.is(bench.call('commit_copy', 5n * SECTION_BLOCKS + 7n, 3n), MISS);
    assert.is(bench.call('miss_section'), 5n);
    assert.is(bench.stat('FPOS'), 513n);
    assert.is(bench.stat('NR_CHANGED'), 0n);
    bench.loadSection(5n);
    assert.is(bench.call('commit_copy', 5n * SECTION_BLOCKS + 7n, 3n), 3n);
    bench.commit(0n, 1n);
    assert.is(bench.stat('FPOS'), 517n);
    assert.is(bench.stat('NR_CHANGED'), 4n);
    assert.is(bench.stat('NR_DIRTY'), 2n);
    assert.equal(bench.planRead(5n * SECTION_SECTORS + 56n, 24n), [[513, 3, COW]]);
    assert.equal(bench.planRead(0n, 8n), [[516, 1, COW]]);
    bench.close();
  });

  test('commit_copy() commits so many blocks at most', () => {
    const bench = opened();
    const most = BigInt(COMMIT_BLOCKS_MAX);
    bench.loadSection(0n);
    assert.is(bench.call('commit_copy', 5n, most + 1n), most);
    assert.is(bench.call('commit_copy', 5n + most, 1n), 1n);
    assert.equal(bench.planRead(40n, 8n * (most + 1n)), [[513, COMMIT_BLOCKS_MAX + 1, COW]]);
    bench.close();
  });

  test('commit_copy() stops at the first section that is not in memory', () => {
    const bench = opened();
    bench.loadSection(2n);
    assert.is(bench.call('commit_copy', 3n * SECTION_BLOCKS - 10n, 30n), 10n);
    assert.is(bench.call('commit_copy', 3n * SECTION_BLOCKS, 20n), MISS);
    assert.is(bench.call('miss_section'), 3n);
    bench.close();
  });

  test('commit_copy() never replaces an entry', () => {
    const bench = opened();
    bench.commit(100n, 100n);
    assert.is(bench.call('commit_copy', 100n, 1n), errno('EINVAL'));
    assert.is(bench.call('commit_copy', 199n, 5n), errno('EINVAL'));
    assert.is(bench.call('commit_copy', 90n, 100n), 10n);
    assert.is(bench.stat('FPOS'), 623n);
    assert.equal(bench.planRead(8n * 90n, 8n * 110n), [
      [613, 10, COW],
      [513, 100, COW],
    ]);
    bench.close();
  });

  test('commit_copy() refuses blocks past the end and does nothing for none', () => {
    const bench = opened();
    assert.is(bench.call('commit_copy', 262144n, 1n), errno('EINVAL'));
    assert.is(bench.call('commit_copy', -1n, 1n), errno('EINVAL'));
    assert.is(bench.call('commit_copy', 0n, 0n), 0n);
    bench.loadSection(63n);
    assert.is(bench.call('commit_copy', 262143n, 5n), 1n);
    bench.close();
  });

  test('commit_copy() says EFBIG at the size limit; the last block may end past it', () => {
    for (const [fsize, room] of [
      [513n * 4096n, 0n],
      [513n * 4096n + 1n, 1n],
      [514n * 4096n, 1n],
      [520n * 4096n + 4095n, 8n],
      [0n, 0n],
    ] as const) {
      const bench = opened(fsize);
      bench.loadSection(0n);
      if (room) assert.is(bench.call('commit_copy', 0n, 100n), room);
      assert.is(bench.call('commit_copy', room, 100n), errno('EFBIG'));
      assert.is(bench.stat('FPOS'), 513n + room);
      bench.call('set_fsize', (513n + room + 2n) * 4096n);
      assert.is(bench.call('commit_copy', room, 100n), 2n);
      bench.close();
    }
  });

  test('commit_copy() refuses a loaded header whose fpos points into the index', () => {
    const bench = opened();
    bench.call('header_encode', 1n);
    bench.buffer().writeBigUInt64LE(512n, 8);
    assert.is(bench.call('header_check', 0n), 0n);
    bench.loadSection(0n);
    assert.is(bench.call('commit_copy', 0n, 1n), errno('EINVAL'));
    bench.close();
  });

  test('a tail block with a slack entry is block B of the last section', () => {
    const bench = new Bench(engine, { nrSectors: 33n * 8n + 3n });
    assert.equal(bench.planCopy([[264n, 8n]]), [[33, 1, ORIGIN]]);
    bench.commit(33n, 1n);
    assert.equal(bench.planRead(256n, 100n), [
      [32, 1, ORIGIN],
      [9, 1, COW],
    ]);
    assert.is(bench.call('export_section', 0n), 1n);
    assert.is(bench.buffer().readBigUInt64LE(33 * 8), 9n);
    bench.close();
  });

  test('a tail block without a slack entry is kept in memory only', () => {
    const bench = new Bench(engine, { nrSectors: SECTION_SECTORS + 1n });
    assert.is(bench.call('commit_copy', SECTION_BLOCKS, 5n), 1n);
    assert.is(bench.stat('NR_CHANGED'), 1n);
    assert.is(bench.stat('NR_DIRTY'), 0n);
    assert.is(bench.call('commit_copy', SECTION_BLOCKS, 1n), errno('EINVAL'));
    assert.is(bench.call('is_copied', SECTION_SECTORS, 1n), 1n);
    bench.commit(SECTION_BLOCKS - 2n, 2n);
    assert.equal(bench.planRead(SECTION_SECTORS - 24n, 100n), [
      [4093, 1, ORIGIN],
      [10, 2, COW],
      [9, 1, COW],
    ]);
    assert.is(bench.call('next_changed_section', 1n), 1n);
    assert.is(bench.call('export_section', 0n), 2n);
    assert.is(bench.call('export_section', 1n), errno('EINVAL'));
    assert.equal(bench.runs(bench.call('changed_runs', 0n)), [[4094, 3, 0]]);
    bench.call('to_incremental', 36864n);
    assert.is(bench.call('is_copied', SECTION_SECTORS, 1n), 1n);
    bench.close();
  });

  test('a tail block behind 64 sections touches no section', () => {
    const bench = new Bench(engine, { nrSectors: 64n * SECTION_SECTORS + 1n });
    assert.is(bench.call('commit_copy', 64n * SECTION_BLOCKS, 1n), 1n);
    assert.is(bench.call('export_section', 0n), MISS);
    assert.is(bench.call('next_changed_section', 0n), 64n);
    bench.close();
  });

  test('commit_copy() goes from the last section on into the tail block', () => {
    const bench = new Bench(engine, { nrSectors: SECTION_SECTORS + 1n });
    bench.loadSection(0n);
    assert.is(bench.call('commit_copy', SECTION_BLOCKS - 2n, 10n), 3n);
    assert.equal(bench.planRead(SECTION_SECTORS - 16n, 100n), [[9, 3, COW]]);
    bench.close();
  });

  test('an origin smaller than a block has no section and one block', () => {
    const bench = new Bench(engine, { nrSectors: 3n });
    assert.equal(bench.planCopy([[0n, 8n]]), [[0, 1, ORIGIN]]);
    assert.is(bench.call('commit_copy', 0n, 1n), 1n);
    assert.equal(bench.planRead(0n, 3n), [[1, 1, COW]]);
    assert.is(bench.call('section_request', 0n), errno('EINVAL'));
    bench.close();
  });

  test.run();
}
