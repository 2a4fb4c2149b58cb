import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STATS } from '../../host/core-exports.js';
import { Bench, coreBytes, ENGINES, errno, INCREMENTAL, MIB, SNAPSHOT, V8_RELEASE } from './harness.js';

const SECTORS_MAX = 1n << 37n;

/** docs/FORMAT.md, X, and the corners around it: N, blocks tracked, S, data_offset, first position. */
const WORKED = [
  [524288n, 65536n, 16n, 528384n, 129n],
  [524292n, 65537n, 16n, 528384n, 129n],
  [524296n, 65537n, 17n, 561152n, 137n],
  [122880n, 15360n, 4n, 135168n, 33n],
  [2097152n, 262144n, 64n, 2101248n, 513n],
  [209715200n, 26214400n, 6400n, 209719296n, 51201n],
  [2147483648n, 268435456n, 65536n, 2147487744n, 524289n],
  [1n, 1n, 0n, 4096n, 1n],
  [7n, 1n, 0n, 4096n, 1n],
  [8n, 1n, 1n, 36864n, 9n],
  [9n, 2n, 1n, 36864n, 9n],
  [32767n, 4096n, 1n, 36864n, 9n],
  [32768n, 4096n, 1n, 36864n, 9n],
  [32769n, 4097n, 1n, 36864n, 9n],
] as const;

for (const engine of ENGINES) {
  const test = suite(`core sizes, ${engine.name}`);

  for (const [nrSectors, blocks, sections, dataOffset, firstPosition] of WORKED) {
    test(`${nrSectors} sectors: ${blocks} blocks, ${sections} sections`, () => {
      const bench = new Bench(engine, { nrSectors });
      assert.is(bench.stat('NR_BLOCKS'), blocks);
      assert.is(bench.stat('NR_SECTIONS'), sections);
      assert.is(bench.stat('DATA_OFFSET'), dataOffset);
      assert.is(bench.stat('FPOS'), firstPosition);
      assert.is(bench.stat('MASK_CHUNKS'), (blocks + 262143n) / 262144n);
      assert.is(bench.call('mark', nrSectors - 1n, 1n), 1n);
      assert.is(bench.call('mark', nrSectors, 1n), 0n);
      assert.is(bench.call('changed_runs', 0n), 1n);
      assert.equal(bench.runs(1n), [[Number(blocks) - 1, 1, 0]]);
      bench.close();
    });
  }

  test('init() grows memory to what memory_needed() says, once', () => {
    for (const [nrSectors, cache] of [
      [8n, 0n],
      [524292n, 300n * MIB],
      [1n << 31n, 10n * MIB],
    ] as const) {
      const bench = new Bench(engine);
      const needed = bench.call('memory_needed', nrSectors, cache);
      assert.is(bench.call('init', nrSectors, cache, SNAPSHOT), 0n);
      assert.is(BigInt(bench.memoryBytes), needed);
      assert.is(bench.call('init', nrSectors, cache, SNAPSHOT), errno('EINVAL'));
      bench.close();
    }
  });

  test('slots: at least 16, at most the cache limit, never more than sections', () => {
    for (const [nrSectors, cache, slots] of [
      [2097152n, 0n, 16n],
      [2097152n, 16n * 32768n + 32767n, 16n],
      [2097152n, 17n * 32768n, 17n],
      [2097152n, 300n * MIB, 64n],
      [122880n, 0n, 4n],
      [7n, 0n, 0n],
    ] as const) {
      const bench = new Bench(engine, { nrSectors, cacheBytes: cache });
      assert.is(bench.stat('NR_SLOTS'), slots);
      bench.close();
    }
  });

  if (engine.interpreter === 'V8')
    test('a cache limit that linear memory cannot hold is cut to what it can', () => {
      const bench = new Bench(engine, { nrSectors: SECTORS_MAX, cacheBytes: 1n << 40n });
      const most = BigInt(bench.memoryBytes) + (bench.stat('NR_SLOTS') - 16n) * 32768n;
      // What remains is for a C of which every leaf has bits.
      const leaves = (SECTORS_MAX / 8n / 32768n) * 4096n;
      assert.ok(most + leaves < (1n << 32n) + 4n * 32768n && most + leaves > 0xfffe0000n - 32768n, `${most}`);
      bench.close();
    });

  test('init() refuses no sectors, more than 64 TiB and bad modes', () => {
    const bench = new Bench(engine);
    for (const nrSectors of [0n, SECTORS_MAX + 1n, -1n]) {
      assert.is(bench.call('init', nrSectors, 0n, SNAPSHOT), errno('EINVAL'));
      assert.is(bench.call('memory_needed', nrSectors, 0n), errno('EINVAL'));
    }
    for (const mode of [2n, -1n, 1n << 32n]) assert.is(bench.call('init', 8n, 0n, mode), errno('EINVAL'));
    assert.is(bench.call('init', 8n, 0n, INCREMENTAL), 0n);
    bench.close();
  });

  test('init() says ENOMEM if memory cannot grow', () => {
    const bytes = coreBytes(engine.build);
    const unlimited = Buffer.from([0x05, 0x03, 0x01, 0x00, 0x09]);
    const at = bytes.indexOf(unlimited);
    assert.ok(at > 0 && bytes.indexOf(unlimited, at + 1) < 0);
    const limited = Buffer.from([0x05, 0x04, 0x01, 0x01, 0x09, 0x0a]);
    const instance = engine.load(
      Buffer.concat([bytes.subarray(0, at), limited, bytes.subarray(at + unlimited.length)]),
    );
    assert.is(instance.call('init', 2097152n, 0n, SNAPSHOT), errno('ENOMEM'));
    instance.close();
  });

  test('stat() refuses a field that is none', () => {
    const bench = new Bench(engine, { nrSectors: 8n });
    for (const field of [BigInt(STATS.length), -1n, 1n << 32n]) assert.is(bench.call('stat', field), errno('EINVAL'));
    bench.close();
  });

  for (const [size, blocks] of [
    ['16 TiB', 1n << 32n],
    ['64 TiB', 1n << 34n],
  ] as const) {
    test(`${size}: the last block and section work`, () => {
      const bench = new Bench(engine, { nrSectors: 8n * blocks });
      const sections = blocks / 4096n;
      assert.is(bench.stat('NR_BLOCKS'), blocks);
      assert.is(bench.stat('NR_SECTIONS'), sections);
      assert.is(bench.stat('DATA_OFFSET'), 4096n + 8n * blocks);
      const last = blocks - 1n;
      bench.commit(last - 1n, 2n);
      const first = (4096n + 8n * blocks) / 4096n;
      assert.equal(bench.planRead(8n * blocks - 24n, 1000n), [
        [Number(last) - 2, 1, 0],
        [Number(first), 2, 1],
      ]);
      bench.flush();
      assert.equal([...bench.file.keys()], [sections - 1n]);
      assert.is(bench.call('next_changed_section', 0n), sections - 1n);
      assert.is(bench.call('mask_extent', last - 3n, 100n), 0n);
      assert.is(bench.call('mask_export', blocks / 262144n - 1n), 2n);
      assert.is(bench.call('mask_export', blocks / 262144n), errno('EINVAL'));
      assert.is(bench.call('changed_runs', 0n), 1n);
      bench.close();
    });
  }

  test('64 TiB: what crosses block 2^32 is one piece, and nothing near block 0 changes', () => {
    const bench = new Bench(engine, { nrSectors: SECTORS_MAX });
    const edge = 1n << 32n;
    assert.equal(bench.planCopy([[8n * (edge - 3n), 48n]]), [[Number(edge) - 3, 6, 0]]);
    bench.commit(edge - 3n, 6n);
    assert.is(bench.call('is_copied', 8n * (edge - 3n), 48n), 1n);
    assert.is(bench.call('is_copied', 8n * edge, 8n), 1n);
    assert.is(bench.call('is_copied', 0n, 8n), 0n);
    assert.is(bench.call('is_copied', 8n * (edge + 3n), 8n), 0n);
    const first = (4096n + 8n * (1n << 34n)) / 4096n;
    assert.equal(bench.planRead(8n * (edge - 4n), 64n), [
      [Number(edge) - 4, 1, 0],
      [Number(first), 6, 1],
      [Number(edge) + 3, 1, 0],
    ]);
    assert.equal(bench.planRead(0n, 64n), [[0, 8, 0]]);
    assert.is(bench.call('mask_extent', edge - 10n, 20n), 0n);
    assert.is(bench.call('mask_export', 16383n), 7n);
    assert.is(bench.call('mask_export', 16384n), 7n);
    assert.is(bench.call('mask_export', 0n), 0n);
    assert.equal(bench.planRead(8n * (edge + 3n), 72n), [
      [Number(edge) + 3, 7, 2],
      [Number(edge) + 10, 2, 0],
    ]);
    assert.is(bench.call('to_incremental', 0n), 0n);
    assert.is(bench.call('mark', 8n * (edge - 5n), 80n), 4n);
    assert.equal(bench.runs(bench.call('changed_runs', 0n)), [[Number(edge) - 5, 10, 0]]);
    assert.is(bench.call('next_changed_section', 0n), (1n << 20n) - 1n);
    assert.is(bench.call('export_section', (1n << 20n) - 1n), 5n);
    assert.is(bench.call('export_section', 1n << 20n), 5n);
    bench.close();
  });

  test('memory goes by what is used: 64 TiB that nobody writes to, 1,000 writes far apart, runs of all blocks', () => {
    const bench = new Bench(engine, { nrSectors: SECTORS_MAX, mode: INCREMENTAL });
    const idle = bench.memoryBytes;
    // Four forms of the dirty map, a bit for each region of 256 blocks; tables of leaves, 4 MiB, and of sections, 17 MiB; the rest.
    const maps = 4n * (SECTORS_MAX / 8n / 256n / 8n);
    assert.is(maps, 32n * MIB);
    assert.ok(BigInt(idle) > maps + 21n * MIB && BigInt(idle) < maps + 24n * MIB, `${idle}`);
    for (let n = 0n; n < 1000n; n++) assert.is(bench.call('mark', ((n * SECTORS_MAX) / 8000n) * 8n, 8n), 1n);
    const used = bench.memoryBytes - idle;
    assert.ok(used >= 1000 * 4096 - 19 * 32768 && used < 1000 * 4096 * 1.1 + 32 * 32768, `${used}`);
    const part = SECTORS_MAX / 16n;
    const fresh = bench.markAll(SECTORS_MAX - part, part);
    bench.inSlices('mask_extent', (SECTORS_MAX - part) / 8n, part / 8n, 1n);
    assert.is(bench.stat('NR_CHANGED'), 1000n + fresh);
    assert.ok(fresh > part / 8n - 1000n && fresh < part / 8n, `${fresh}`);
    assert.is(BigInt(bench.memoryBytes), BigInt(idle + used));
    assert.ok(bench.inSlices('is_copied', SECTORS_MAX - part, part, 8n).every(Boolean));
    assert.is(bench.call('mask_export', 65535n), 0n);
    bench.close();
  });

  test.run();
}

// Minutes in an interpreter, and nothing in it depends on one.
const whole = suite('core sizes, all of 64 TiB');

whole('runs of all blocks are cut before their count wraps', () => {
  const bench = new Bench(V8_RELEASE, { nrSectors: SECTORS_MAX, mode: INCREMENTAL });
  const half = SECTORS_MAX / 2n;
  assert.is(bench.call('mark', half - 8n, 16n), 2n);
  assert.is(bench.markAll(0n, SECTORS_MAX), (1n << 34n) - 2n);
  assert.is(bench.stat('NR_CHANGED'), 1n << 34n);
  const runs = bench.runs(bench.call('changed_runs', 0n));
  assert.equal(
    runs,
    Array.from({ length: 8 }, (_, n) => [n * 2 ** 31, 2 ** 31, 0]),
  );
  bench.close();
});

whole.run();
