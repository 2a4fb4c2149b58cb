import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Bench, ENGINES, entriesOf, errno, INCREMENTAL, MISS, SECTION_BLOCKS, SECTION_SECTORS } from './harness.js';

for (const engine of ENGINES) {
  const test = suite(`core walks, ${engine.name}`);

  const opened = (mode?: bigint): Bench =>
    new Bench(engine, { nrSectors: 200n * SECTION_SECTORS, ...(mode === undefined ? {} : { mode }) });

  test('next_changed_section() names the sections with changed blocks', () => {
    const bench = opened(INCREMENTAL);
    for (const section of [0n, 63n, 64n, 199n]) bench.call('mark', section * SECTION_SECTORS, 8n);
    bench.call('mark', 100n * SECTION_SECTORS - 8n, 16n);
    const seen: bigint[] = [];
    for (let section = 0n; (section = bench.call('next_changed_section', section)) < 200n; section++)
      seen.push(section);
    assert.equal(seen, [0n, 63n, 64n, 99n, 100n, 199n]);
    assert.is(bench.call('next_changed_section', 200n), 200n);
    assert.is(bench.call('next_changed_section', -1n), 200n);
    bench.close();
  });

  test('an exported section of an incremental is 1 where a block changed', () => {
    const bench = opened(INCREMENTAL);
    bench.call('mark', 7n * SECTION_SECTORS + 8n * 60n, 8n * 10n);
    bench.call('mark', 8n * SECTION_SECTORS - 8n, 8n);
    bench.buffer().fill(0xee);
    assert.is(bench.call('export_section', 7n), 11n);
    const ones = entriesOf(bench.buffer().subarray(0, 32768)).flatMap((entry, i) => (entry ? [[i, entry]] : []));
    assert.equal(ones, [...Array.from({ length: 10 }, (_, i) => [60 + i, 1]), [4095, 1]]);
    assert.is(bench.call('export_section', 8n), 0n);
    assert.is(bench.call('export_section', 200n), errno('EINVAL'));
    bench.close();
  });

  test('an exported section of a snapshot holds the positions', () => {
    const bench = opened();
    assert.is(bench.call('export_section', 7n), MISS);
    assert.is(bench.call('miss_section'), 7n);
    bench.commit(7n * SECTION_BLOCKS + 5n, 3n);
    assert.is(bench.call('export_section', 7n), 3n);
    const first = Number(bench.stat('DATA_OFFSET') / 4096n);
    assert.equal(entriesOf(bench.buffer().subarray(0, 32768)).slice(4, 9), [0, first, first + 1, first + 2, 0]);
    bench.close();
  });

  test('after to_incremental() copied blocks are exported as changed', () => {
    const bench = opened();
    bench.commit(5n, 3n);
    bench.call('to_incremental', 4096n);
    bench.call('mark', 8n * 8n, 8n);
    assert.is(bench.call('export_section', 0n), 4n);
    assert.equal(entriesOf(bench.buffer().subarray(0, 32768)).slice(4, 10), [0, 1, 1, 1, 1, 0]);
    bench.close();
  });

  test('changed_runs() gives the runs from a block on, over words and sections', () => {
    const bench = opened(INCREMENTAL);
    bench.call('mark', 0n, 8n);
    bench.call('mark', 8n * 62n, 8n * 5n);
    bench.call('mark', 8n * 4000n, 8n * 9000n);
    bench.call('mark', 8n * 700000n, 8n);
    const runs = [
      [0, 1, 0],
      [62, 5, 0],
      [4000, 9000, 0],
      [700000, 1, 0],
    ];
    assert.equal(bench.runs(bench.call('changed_runs', 0n)), runs);
    assert.equal(bench.runs(bench.call('changed_runs', 1n)), runs.slice(1));
    assert.equal(bench.runs(bench.call('changed_runs', 5000n)), [[5000, 8000, 0], runs[3]]);
    assert.is(bench.call('changed_runs', 700001n), 0n);
    assert.is(bench.call('changed_runs', 819200n), 0n);
    assert.is(bench.call('changed_runs', -1n), 0n);
    bench.close();
  });

  test('changed_runs() stops when the runs are full; the next call goes on', () => {
    const bench = opened(INCREMENTAL);
    for (let block = 0n; block < 40000n; block += 2n) bench.call('mark', block * 8n, 8n);
    const first = bench.runs(bench.call('changed_runs', 0n));
    assert.is(first.length, 16384);
    assert.equal(first[16383], [32766, 1, 0]);
    const second = bench.runs(bench.call('changed_runs', 32767n));
    assert.is(second.length, 20000 - 16384);
    assert.equal(second[0], [32768, 1, 0]);
    bench.close();
  });

  test('scan_index() gives the runs of non-zero entries', () => {
    const bench = new Bench(engine);
    const entries = new BigUint64Array(32768);
    for (const i of [0, 1, 9, 10, 11, 500, 32766, 32767]) entries[i] = i % 2 ? 1n : 1n << 63n;
    bench.buffer().set(new Uint8Array(entries.buffer));
    const base = 1 << 30;
    assert.equal(bench.runs(bench.call('scan_index', base, 32768n)), [
      [base, 2, 0],
      [base + 9, 3, 0],
      [base + 500, 1, 0],
      [base + 32766, 2, 0],
    ]);
    assert.equal(bench.runs(bench.call('scan_index', 0n, 10n)), [
      [0, 2, 0],
      [9, 1, 0],
    ]);
    assert.is(bench.call('scan_index', 0n, 0n), 0n);
    assert.is(bench.call('scan_index', 0n, 32769n), errno('EINVAL'));
    bench.close();
  });

  test('scan_index() finds every entry wherever it lies', () => {
    const bench = new Bench(engine);
    for (let i = 0; i < 40; i++) {
      bench.buffer().fill(0);
      bench.buffer()[i * 8 + (i % 8)] = 1;
      assert.equal(bench.runs(bench.call('scan_index', 0n, 40n)), [[i, 1, 0]]);
      assert.is(bench.call('scan_index', 0n, i), 0n);
    }
    bench.close();
  });

  test('scan_index() takes the most runs there can be', () => {
    const bench = new Bench(engine);
    const entries = new BigUint64Array(32768);
    for (let i = 0; i < 32768; i += 2) entries[i] = 5n;
    bench.buffer().set(new Uint8Array(entries.buffer));
    const runs = bench.runs(bench.call('scan_index', 0n, 32768n));
    assert.is(runs.length, 16384);
    assert.equal(runs[16383], [32766, 1, 0]);
    bench.close();
  });

  test.run();
}
