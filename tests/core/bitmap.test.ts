import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SLICE_BLOCKS } from '../../host/layout.js';
import { Bench, ENGINES, errno, INCREMENTAL } from './harness.js';

for (const engine of ENGINES) {
  const test = suite(`core bitmap, ${engine.name}`);

  /** 20000 blocks and half a block. */
  const opened = (): Bench => new Bench(engine, { nrSectors: 160004n, mode: INCREMENTAL });

  test('mark() counts each block once, whatever the parts of it that are written', () => {
    const bench = opened();
    assert.is(bench.call('mark', 8n, 1n), 1n);
    assert.is(bench.call('mark', 15n, 1n), 0n);
    assert.is(bench.call('mark', 15n, 2n), 1n);
    assert.is(bench.call('mark', 0n, 32n), 2n);
    assert.is(bench.stat('NR_CHANGED'), 4n);
    bench.close();
  });

  test('mark() sets exactly the blocks touched, within a word and over words', () => {
    for (const [first, count] of [
      [0n, 1n],
      [63n, 1n],
      [0n, 64n],
      [64n, 64n],
      [63n, 2n],
      [1n, 62n],
      [100n, 500n],
      [4095n, 2n],
      [0n, 20000n],
    ] as const) {
      const bench = opened();
      assert.is(bench.call('mark', first * 8n, count * 8n), count);
      const runs = bench.runs(bench.call('changed_runs', 0n));
      assert.equal(runs, [[Number(first), Number(count), 0]]);
      assert.is(bench.call('mark', first * 8n, count * 8n), 0n);
      bench.close();
    }
  });

  test('is_copied() is 1 only if every block touched is set', () => {
    const bench = opened();
    bench.call('mark', 80n, 8n * 300n);
    assert.is(bench.call('is_copied', 80n, 8n), 1n);
    assert.is(bench.call('is_copied', 80n, 2400n), 1n);
    assert.is(bench.call('is_copied', 79n, 2n), 0n);
    assert.is(bench.call('is_copied', 79n, 2401n), 0n);
    assert.is(bench.call('is_copied', 80n, 2401n), 0n);
    assert.is(bench.call('is_copied', 2479n, 1n), 1n);
    assert.is(bench.call('is_copied', 2479n, 2n), 0n);
    bench.close();
  });

  test('more than a slice is refused, whatever is set, and changes nothing', () => {
    const bench = new Bench(engine, { nrSectors: 1n << 21n, mode: INCREMENTAL });
    const sectors = 8n * BigInt(SLICE_BLOCKS);
    for (const sector of [0n, 8n, sectors - 1n, 5n * sectors + 3n]) {
      const most = sectors - (sector % 8n);
      assert.is(bench.call('mark', sector, most + 1n), errno('EINVAL'));
      assert.is(bench.call('is_copied', sector, most), 0n);
      assert.is(bench.call('is_copied', sector, most + 1n), errno('EINVAL'));
      assert.ok(bench.call('mark', sector, most) > 0n);
      assert.is(bench.call('mark', sector, most), 0n);
      assert.is(bench.call('mark', sector, most + 1n), errno('EINVAL'));
      assert.is(bench.call('is_copied', sector, most), 1n);
    }
    bench.close();
  });

  test('ranges are cut at the end of the origin; empty ones touch nothing', () => {
    const bench = opened();
    assert.is(bench.call('mark', 160003n, 1n << 40n), 1n);
    assert.is(bench.call('mark', 159992n, -1n), 1n);
    assert.is(bench.call('mark', 160004n, 8n), 0n);
    assert.is(bench.call('mark', -8n, 16n), 0n);
    assert.is(bench.call('mark', 0n, 0n), 0n);
    assert.is(bench.call('is_copied', 159992n, -1n), 1n);
    assert.is(bench.call('is_copied', 159984n, -1n), 0n);
    assert.is(bench.call('is_copied', 160004n, 8n), 1n);
    assert.is(bench.call('is_copied', 0n, 0n), 1n);
    assert.is(bench.stat('NR_CHANGED'), 2n);
    bench.close();
  });

  test.run();
}
