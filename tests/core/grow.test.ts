import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Bench, ENGINES, errno, expectation, INCREMENTAL } from './harness.js';

const CHUNK = 262144n;

for (const engine of ENGINES) {
  const test = suite(`core grow, ${engine.name}`);

  /** What the stub does with an origin that has grown: a larger core takes over (control/grow_origin.c). */
  const grown = (small: Bench, sectors: bigint, nrSectors: bigint): Bench => {
    const large = new Bench(engine, { nrSectors, mode: INCREMENTAL });
    const hand = (): void => void large.buffer().set(small.buffer());
    for (let chunk = 0n; chunk < small.stat('MASK_CHUNKS'); chunk++) {
      if (small.call('mask_export', chunk) > 0n) {
        hand();
        assert.is(large.call('mask_import', chunk), 0n);
      }
      if (small.call('changed_export', chunk) === 0n) continue;
      hand();
      assert.is(large.call('changed_import', chunk), 0n);
    }
    assert.is(small.call('header_encode', 0n), 4096n);
    hand();
    assert.is(large.call('header_check', expectation('INCREMENTAL') + expectation('UNCLEAN_OK')), 0n);
    const from = sectors - (sectors % 8n);
    large.markAll(from, nrSectors - from);
    return large;
  };

  for (const [sectors, larger] of [
    [8n * CHUNK, 16n * CHUNK],
    [8n * CHUNK - 5n, 8n * CHUNK],
    [8n * 5000n + 3n, 8n * 40000n + 1n],
    [1n << 35n, (1n << 35n) + 8n * 70000n],
  ] as const) {
    test(`${sectors} to ${larger} sectors: what changed and what is new is listed, nothing else`, () => {
      const small = new Bench(engine, { nrSectors: sectors, mode: INCREMENTAL });
      const blocks = (sectors + 7n) / 8n;
      small.call('mark', 8n * 17n, 24n);
      small.call('mark', 8n * (blocks - 40n), 8n);
      small.call('mask_extent', 15n, 4n);
      const changed = small.stat('NR_CHANGED');
      const large = grown(small, sectors, larger);
      const whole = sectors / 8n;
      const all = (larger + 7n) / 8n;
      assert.equal(large.runs(large.call('changed_runs', 0n)), [
        [17, 3, 0],
        [Number(blocks) - 40, 1, 0],
        [Number(whole), Number(all - whole), 0],
      ]);
      assert.is(large.stat('NR_CHANGED'), changed + all - whole);
      assert.is(large.call('mask_export', 0n), 2n);
      assert.is(large.call('next_changed_section', 0n), 0n);
      assert.is(large.call('next_changed_section', (larger / 8n - 1n) / 4096n), (larger / 8n - 1n) / 4096n);
      assert.is(large.stat('SEQID'), 1n);
      small.close();
      large.close();
    });
  }

  test('chunks past the end are refused', () => {
    const bench = new Bench(engine, { nrSectors: 8n * CHUNK, mode: INCREMENTAL });
    for (const name of ['changed_export', 'changed_import'] as const) {
      assert.is(bench.call(name, 1n), errno('EINVAL'));
      assert.is(bench.call(name, -1n), errno('EINVAL'));
    }
    bench.close();
  });

  test.run();
}
