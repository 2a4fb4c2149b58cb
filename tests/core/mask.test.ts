import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SLICE_BLOCKS } from '../../host/layout.js';
import { Bench, COW, ENGINES, errno, INCREMENTAL, ORIGIN, SECTION_SECTORS, ZERO } from './harness.js';

const CHUNK_BYTES = 32768;

for (const engine of ENGINES) {
  const test = suite(`core mask, ${engine.name}`);

  /** 1000 blocks more than one chunk, and a tail of 5 sectors. */
  const nrSectors = (262144n + 1000n) * 8n + 5n;
  const opened = (mode?: bigint): Bench => new Bench(engine, { nrSectors, ...(mode === undefined ? {} : { mode }) });

  test('a masked block reads as zeros until it is copied, then from its copy', () => {
    const bench = opened();
    assert.is(bench.call('mask_extent', 100n, 10n), 0n);
    assert.equal(bench.planRead(800n, 80n), [[100, 10, ZERO]]);
    assert.equal(bench.planCopy([[808n, 8n]]), [[101, 1, ZERO]]);
    bench.commit(101n, 1n);
    const first = Number(bench.stat('DATA_OFFSET') / 4096n);
    assert.equal(bench.planRead(800n, 80n), [
      [100, 1, ZERO],
      [first, 1, COW],
      [102, 8, ZERO],
    ]);
    bench.close();
  });

  test('extents are cut at the end of the origin', () => {
    const bench = opened();
    assert.is(bench.call('mask_extent', 263143n, 1n << 40n), 0n);
    bench.call('mask_extent', 263145n, 1n);
    bench.call('mask_extent', -1n, 5n);
    bench.call('mask_extent', 5n, 0n);
    assert.is(bench.call('mask_export', 0n), 0n);
    assert.is(bench.call('mask_export', 1n), 2n);
    assert.equal(bench.planRead(263142n * 8n, 800n), [
      [263142, 1, ORIGIN],
      [263143, 2, ZERO],
    ]);
    bench.close();
  });

  test('more than a slice is refused, and changes nothing', () => {
    const bench = opened(INCREMENTAL);
    const most = BigInt(SLICE_BLOCKS);
    for (const block of [0n, 7n]) {
      assert.is(bench.call('mask_extent', block, most + 1n), errno('EINVAL'));
      assert.is(bench.call('mark_unmasked', block, most + 1n), errno('EINVAL'));
    }
    assert.is(bench.call('mask_export', 0n), 0n);
    assert.is(bench.stat('NR_CHANGED'), 0n);
    assert.is(bench.call('mask_extent', 7n, most), 0n);
    assert.is(bench.call('mark_unmasked', 6n, most), 1n);
    bench.close();
  });

  test('mask_export() gives what is masked and not changed, chunk by chunk', () => {
    const bench = opened(INCREMENTAL);
    bench.call('mask_extent', 262100n, 100n);
    bench.call('mark', 262110n * 8n, 8n);
    assert.is(bench.call('mask_export', 0n), 43n);
    const chunk = bench.buffer().subarray(0, CHUNK_BYTES);
    assert.is(chunk[262100 / 8 - 0.5], 0xf0);
    assert.is(chunk[Math.floor(262110 / 8)], 0xff & ~(1 << (262110 % 8)));
    assert.is(bench.call('mask_export', 1n), 56n);
    assert.equal([...bench.buffer().subarray(0, 8)], [255, 255, 255, 255, 255, 255, 255, 0]);
    assert.is(bench.call('mask_export', 2n), errno('EINVAL'));
    assert.is(bench.call('mask_export', -1n), errno('EINVAL'));
    bench.close();
  });

  test('mask_import() replaces a chunk of the mask, never past the last block', () => {
    const bench = opened();
    bench.call('mask_extent', 262144n, 1n);
    bench.buffer().subarray(0, CHUNK_BYTES).fill(0);
    bench.buffer()[1] = 0x81;
    assert.is(bench.call('mask_import', 0n), 0n);
    bench.buffer().subarray(0, CHUNK_BYTES).fill(0xff);
    bench.buffer()[0] = 0xfc;
    assert.is(bench.call('mask_import', 1n), 0n);
    assert.is(bench.call('mask_export', 0n), 2n);
    assert.is(bench.call('mask_export', 1n), 999n);
    assert.equal(bench.planRead(0n, nrSectors), [
      [0, 8, ORIGIN],
      [8, 1, ZERO],
      [9, 6, ORIGIN],
      [15, 1, ZERO],
      [16, 262130, ORIGIN],
      [262146, 999, ZERO],
    ]);
    assert.is(bench.call('mask_import', 2n), errno('EINVAL'));
    bench.close();
  });

  test('mark_unmasked() marks what the mask does not cover', () => {
    const bench = opened(INCREMENTAL);
    bench.call('mask_extent', 50n, 100n);
    bench.call('mark', 8n * 10n, 8n);
    assert.is(bench.call('mark_unmasked', 0n, 200n), 99n);
    assert.is(bench.stat('NR_CHANGED'), 100n);
    assert.equal(bench.runs(bench.call('changed_runs', 0n)), [
      [0, 50, 0],
      [150, 50, 0],
    ]);
    assert.is(bench.call('mark_unmasked', 0n, 200n), 0n);
    assert.is(bench.call('mark_unmasked', 263144n, -1n), 1n);
    assert.is(bench.call('mark_unmasked', 263145n, 1n), 0n);
    assert.is(bench.call('mark_unmasked', 0n, 0n), 0n);
    bench.close();
  });

  test('a mask goes from one core to the next: (M and not C) or the new extents', () => {
    const first = opened(INCREMENTAL);
    first.call('mask_extent', 1000n, 100n);
    first.call('mark', 8n * 1050n, 8n);
    const next = opened();
    for (let chunk = 0n; chunk < 2n; chunk++) {
      first.call('mask_export', chunk);
      next.buffer().set(first.buffer().subarray(0, CHUNK_BYTES));
      next.call('mask_import', chunk);
    }
    next.call('mask_extent', 2000n, 10n);
    assert.equal(next.planRead(8n * 999n, 8n * 1012n), [
      [999, 1, ORIGIN],
      [1000, 50, ZERO],
      [1050, 1, ORIGIN],
      [1051, 49, ZERO],
      [1100, 900, ORIGIN],
      [2000, 10, ZERO],
      [2010, 1, ORIGIN],
    ]);
    first.close();
    next.close();
  });

  test('a mask is handed out chunk by chunk, and again what changed since', () => {
    const chunks = 1000n;
    const bench = new Bench(engine, { nrSectors: chunks * 262144n * 8n, mode: INCREMENTAL });
    // Each call passes over so many without a mask at most, and names the chunk that it has come to.
    const masked = (): bigint[] => {
      const found: bigint[] = [];
      for (let from = 0n; from < chunks; ) {
        const chunk = bench.call('mask_next', from);
        if (chunk < chunks && bench.call('mask_export', chunk) > 0n) found.push(chunk);
        from = chunk + 1n;
      }
      return found;
    };
    for (const chunk of [0n, 63n, 64n, 700n, 999n]) bench.call('mask_extent', chunk * 262144n + 5n, 10n);
    assert.is(bench.call('mask_begin'), 0n);
    assert.equal(masked(), [0n, 63n, 64n, 700n, 999n]);
    assert.equal(masked(), []);
    bench.call('mark', 8n * (64n * 262144n + 262143n), 8n);
    bench.call('mark', 8n * (65n * 262144n), 8n);
    bench.call('mark', 8n * (999n * 262144n + 5n), 8n);
    bench.call('mark_unmasked', 700n * 262144n, 1n);
    assert.is(bench.call('mask_next', 0n), 64n);
    assert.is(bench.call('mask_next', 65n), 700n);
    assert.equal(masked(), [64n, 700n, 999n]);
    assert.equal(masked(), []);
    bench.call('mask_begin');
    assert.equal(masked(), [0n, 63n, 64n, 700n, 999n]);
    assert.is(bench.call('mask_next', -1n), chunks);
    bench.close();
  });

  test('the mask does not reach into the areas behind it', () => {
    const bench = new Bench(engine, { nrSectors: SECTION_SECTORS * 64n });
    const slice = BigInt(SLICE_BLOCKS);
    for (let block = 0n; block < 64n * 4096n; block += slice) bench.call('mask_extent', block, slice);
    bench.buffer().subarray(0, CHUNK_BYTES).fill(0xff);
    bench.call('mask_import', 0n);
    assert.is(bench.call('next_changed_section', 0n), 64n);
    assert.is(bench.call('mask_export', 0n), 262144n);
    assert.is(bench.call('export_section', 0n), -4096n);
    bench.close();
  });

  test.run();
}
