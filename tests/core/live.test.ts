// Live checkpoints: where they lie, what a write is answered while they are made, and how a clean one becomes one.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Bench, ENGINES, errno, INCREMENTAL } from './harness.js';
import { Driver, NO_ROOM, type Phase, PlainFile, REGION } from './live-driver.js';
import * as layout from './live-layout.js';
import { dirtyOnDisk, generationOnDisk } from './live-listing.js';
import { superblockWith } from './live-superblock.js';
import { Tracked } from './live-tracked.js';

const TIB = 1n << 31n;
const SMALL = 8n * 100_000n;
/** 3 blocks of a map of the smallest regions. */
const LARGE = 8n * 20_000_000n;
/** Blocks of the origin for each of them. */
const COVERED = 504 * 64 * 256;

/** Offsets in the file at which the pieces of the checkpoint begin that the header names, and its map. */
const placesOnDisk = (file: PlainFile): { pieces: bigint; map: bigint } => {
  const header = file.read(0, 4096);
  return { pieces: header.readBigUInt64LE(88), map: header.readBigUInt64LE(152) };
};

for (const engine of ENGINES) {
  const test = suite(`core live checkpoints, ${engine.name}`);

  const tracked = (nrSectors = SMALL, regionBlocks = 256, file = new PlainFile()): Tracked =>
    new Tracked(engine, nrSectors, file, regionBlocks);

  /** Does something once, as soon as that phase is reached. */
  const once = (all: Tracked, phase: Phase, act: () => void): void => {
    all.between = (now) => {
      if (now !== phase) return;
      all.between = () => {};
      act();
    };
  };

  // Where it lies.

  test('two maps and two slots lie one behind the other, in turns, where the index would be', () => {
    const sizes = [
      8n,
      9n,
      16n,
      32768n,
      32771n,
      8n * 32768n,
      SMALL + 5n,
      8n * 262_144n,
      LARGE,
      TIB,
      TIB + 8n * 77n + 5n,
    ];
    for (const nrSectors of sizes) {
      for (const regionBlocks of [256, 1024, 16384]) {
        const all = tracked(nrSectors, regionBlocks);
        assert.is(all.bench.stat('MAP_BLOCKS'), layout.mapBlocks(nrSectors, BigInt(regionBlocks)));
        for (const turn of [0n, 1n, 0n, 1n]) {
          assert.is(all.driver.live(), 0n);
          assert.equal(placesOnDisk(all.file), {
            pieces: layout.slotOffset(nrSectors, turn),
            map: layout.mapOffset(nrSectors, turn),
          });
        }
        assert.ok(layout.slotOffset(nrSectors, 2n) <= all.bench.stat('DATA_OFFSET'));
        all.close();
      }
    }
  });

  test('up to 16 MiB, what an index of one section takes is just enough', () => {
    for (const nrSectors of [8n, 9n, 4096n, 32767n, 32768n]) {
      assert.is(layout.slotOffset(nrSectors, 2n), layout.dataOffset(nrSectors));
      const all = tracked(nrSectors);
      all.bench.markAll(0n, nrSectors);
      all.bench.call('mask_extent', 0n, 4096n);
      assert.is(all.driver.live(), 0n);
      assert.is(all.bench.stat('AREA_BYTES'), 3n * 4096n);
      all.close();
    }
  });

  test('an origin without a section, and a file that ends before its slots, have no room', () => {
    for (const [nrSectors, fsize, answer] of [
      [7n, 1n << 40n, NO_ROOM],
      [SMALL, layout.slotOffset(SMALL, 2n) - 1n, NO_ROOM],
      [SMALL, layout.slotOffset(SMALL, 2n), 0n],
    ] as const) {
      const bench = new Bench(engine, { nrSectors, mode: INCREMENTAL, fsize });
      assert.is(bench.call('live_begin'), answer);
      bench.close();
    }
  });

  // What a write is answered.

  test('before there is a checkpoint no write waits; then those to new regions do, until the map is written', () => {
    const all = tracked();
    assert.is(all.mark(0, 3), 3n);
    all.between = (phase) => phase === 'pieces' && assert.is(all.mark(300, 2) >= 0n, true);
    assert.is(all.driver.live(), 0n);
    assert.is(all.mark(310), 1n); // its region came with the checkpoint
    assert.is(all.mark(2), 0n); // in the C that is stored
    assert.is(all.mark(3), REGION);
    assert.is(all.mark(3), REGION);
    assert.is(all.mark(2, 2), REGION);
    assert.is(all.mark(2), REGION); // another write waits for its region
    assert.is(all.mark(4), REGION);
    assert.is(all.bench.stat('DIRTY_REGIONS'), 2n);
    assert.is(all.driver.flushMap(), 1);
    assert.is(all.mark(3), 0n);
    assert.is(all.mark(5, 5), 5n);
    assert.is(all.driver.flushMap(), 0);
    assert.is(all.bench.stat('NEW_BLOCKS'), 8n);
    all.close();
  });

  test('a write of many words waits if one of its regions must', () => {
    const all = tracked();
    assert.is(all.driver.live(), 0n);
    assert.is(all.mark(1000, 30_000), REGION);
    all.driver.flushMap();
    assert.is(all.mark(1000, 30_000), 0n);
    assert.is(all.mark(900, 60), 60n); // 768 to 1023 are one region
    assert.is(all.mark(1000, 32_000), REGION);
    assert.is(all.mark(1000, 31_000), REGION); // up to 32000
    assert.is(all.mark(1000, 30_000), 0n);
    assert.is(all.bench.stat('DIRTY_REGIONS'), BigInt(Math.floor(32_999 / 256) - Math.floor(900 / 256) + 1));
    all.close();
  });

  test('a discard waits for the regions of what it changes, and marks nothing that is masked', () => {
    const all = tracked();
    all.bench.call('mask_extent', 500n, 100n);
    assert.is(all.driver.live(), 0n);
    assert.is(all.bench.call('mark_unmasked', 490n, 200n), REGION);
    assert.is(all.bench.stat('NR_CHANGED'), 100n);
    all.driver.flushMap();
    assert.is(all.bench.call('mark_unmasked', 490n, 200n), 0n);
    all.close();
  });

  test('from the switch on only regions that both maps have are let go', () => {
    const all = tracked();
    all.driver.live();
    for (const block of [0, 300, 600]) all.mark(block);
    all.driver.flushMap();
    once(all, 'pieces', () => {
      assert.is(all.mark(1), 1n); // both will have it
      assert.is(all.mark(900), REGION); // only the next one
      once(all, 'switch', () => {
        // 300 is stored; 301 is not, and only the map in force has its region.
        const answers = [2, 300, 301, 900, 901, 1200].map((block) => all.mark(block));
        assert.equal(answers, [1n, 0n, REGION, REGION, REGION, REGION]);
      });
    });
    assert.is(all.driver.live(), 0n);
    // The new map has what both had; the rest follows.
    assert.equal(dirtyOnDisk(all.file, SMALL).blocks.ranges, [[0, 255]]);
    assert.is(all.bench.stat('DIRTY_REGIONS'), 4n);
    assert.is(all.driver.flushMap(), 1);
    for (const block of [301, 900, 901, 1200]) assert.is(all.mark(block), 0n);
    assert.is(dirtyOnDisk(all.file, SMALL).nr, 4);
    all.close();
  });

  test('what waits as a checkpoint is begun waits until the map in force has its region, though its block is stored', () => {
    const all = tracked();
    all.driver.live();
    assert.is(all.mark(5000), REGION);
    let asked = 0;
    all.between = (phase) => {
      if (phase !== 'switch') return;
      assert.is(all.mark(5000), REGION);
      asked++;
    };
    assert.is(all.driver.live(), 0n);
    assert.ok(asked > 0);
    assert.is(all.mark(5000), REGION);
    all.driver.flushMap();
    assert.is(all.mark(5000), 0n);
    all.close();
  });

  /** A checkpoint that is begun, up to its last piece. */
  const beginOne = ({ bench, driver }: Tracked): void => {
    assert.is(bench.call('live_begin'), 0n);
    driver.tie();
    assert.ok(bench.call('record_plan') > 0n);
    while (bench.call('record_next') !== 0n) bench.call('record_export');
  };

  test('the blocks of the map are switched one after the other: those behind are of the map in force', () => {
    const all = tracked(LARGE);
    const { bench } = all;
    all.driver.live();
    for (const block of [0, COVERED, 2 * COVERED]) all.mark(block);
    all.driver.flushMap();
    beginOne(all);
    assert.is(bench.call('live_switch', 0n, 1n), 0n);
    assert.is(bench.stat('DIRTY_REGIONS'), 3n); // those of the map in force
    assert.equal(
      [1, COVERED + 1, 2 * COVERED + 1, 2 * COVERED + 300].map((block) => all.mark(block)),
      [REGION, 1n, 1n, REGION],
    );
    assert.is(bench.call('map_next', 0n), 3n); // not now
    assert.is(bench.call('map_written', 0n, 1n), errno('EINVAL'));
    assert.is(bench.call('live_switch', 1n, 2n), 0n);
    assert.equal(
      [COVERED + 2, 2 * COVERED + 2, 2 * COVERED + 301].map((block) => all.mark(block)),
      [1n, 1n, REGION],
    );
    assert.is(bench.stat('DIRTY_REGIONS'), 4n); // of either
    assert.is(bench.call('live_commit'), 0n);
    assert.is(bench.stat('DIRTY_REGIONS'), 4n);
    assert.is(bench.call('map_next', 0n), 0n);
    assert.is(bench.call('map_next', 1n), 2n);
    assert.is(bench.call('map_next', 3n), 3n);
    all.close();
  });

  test('what waited for a checkpoint that ended waits for no part of the next one', () => {
    const all = tracked(LARGE);
    all.driver.live();
    assert.is(all.mark(2 * COVERED), REGION);
    all.driver.drop();
    beginOne(all);
    assert.is(all.bench.call('live_switch', 0n, 1n), 0n);
    assert.is(all.mark(0), REGION);
    assert.is(all.mark(2 * COVERED), 0n);
    all.close();
  });

  test('after the end of a checkpoint nothing waits, and the next one is as the first', () => {
    const all = tracked();
    all.driver.live();
    assert.is(all.mark(5), REGION);
    assert.is(all.bench.stat('LIVE'), 1n);
    all.driver.drop();
    assert.is(all.bench.stat('LIVE'), 0n);
    assert.is(all.bench.stat('DIRTY_REGIONS'), 0n);
    assert.is(all.mark(5), 0n);
    assert.is(all.mark(9000), 1n);
    assert.is(all.bench.call('map_next', 0n), 1n);
    assert.is(all.driver.live(), 0n);
    assert.is(dirtyOnDisk(all.file, SMALL).nr, 0);
    assert.is(all.mark(9001), REGION);
    all.close();
  });

  // The clean one.

  test('a clean checkpoint becomes a live one with an empty map, also one that was loaded', () => {
    const all = tracked();
    all.driver.live();
    all.mark(400);
    all.driver.flushMap();
    const generation = generationOnDisk(all.file);
    assert.is(all.driver.clean(), 0n);
    assert.is(all.bench.stat('LIVE'), 0n);
    const next = tracked(SMALL, 512, all.file);
    assert.is(next.driver.load(), 0n);
    for (const { driver, bench } of [all, next]) {
      assert.is(driver.resume(), 0n);
      assert.is(bench.stat('LIVE'), 1n);
      assert.is(bench.stat('DIRTY_REGIONS'), 0n);
      assert.is(bench.stat('NEW_BLOCKS'), 0n);
      assert.is(dirtyOnDisk(all.file, SMALL).nr, 0);
      assert.is(bench.call('mark', 8n * 400n, 8n), 0n);
      assert.is(bench.call('mark', 8n * 401n, 8n), REGION);
      assert.is(driver.flushMap(), 1);
      assert.is(bench.call('mark', 8n * 401n, 8n), 0n);
      if (bench === all.bench) assert.is(generationOnDisk(all.file), generation + 1n);
      bench.close();
    }
  });

  test('a clean checkpoint where an older module has its own cannot become a live one', () => {
    const short = layout.slotOffset(SMALL, 2n) - 4096n;
    const bench = new Bench(engine, { nrSectors: SMALL, mode: INCREMENTAL, fsize: short });
    const file = new PlainFile();
    const driver = new Driver(bench, file, () => superblockWith());
    bench.call('mark', 0n, 8n);
    assert.is(driver.clean(), 0n);
    assert.is(placesOnDisk(file).pieces, 4096n);
    bench.call('set_fsize', 1n << 40n); // the place is what counts
    const next = tracked(SMALL, 256, file);
    assert.is(next.driver.load(), 0n);
    for (const one of [driver, next.driver]) assert.is(one.resume(), NO_ROOM);
    assert.is(next.driver.load(), 2n); // the header has none
    bench.close();
    next.close();
  });

  test('what does not come in its turn is refused', () => {
    const all = tracked(LARGE);
    const { bench } = all;
    const refused = (...call: Parameters<Bench['call']>): void => assert.is(bench.call(...call), errno('EINVAL'));
    for (const blocks of [0n, 128n, 300n, 32768n, -256n]) refused('regions_set', blocks);
    refused('live_switch', 0n, 1n);
    refused('live_commit');
    refused('map_written', 0n, 1n);
    refused('map_import', 0n);
    refused('map_offset', 3n);
    refused('map_recount', bench.stat('MASK_CHUNKS'));
    assert.is(bench.call('live_begin'), 0n);
    refused('live_switch', 0n, 2n); // its pieces were not handed out
    beginOne(all);
    refused('live_resume');
    refused('regions_set', 512n);
    for (const [block, count] of [
      [1n, 1n],
      [0n, 0n],
      [0n, 4n],
      [0n, -1n],
    ] as const)
      refused('live_switch', block, count);
    assert.is(bench.call('live_switch', 0n, 2n), 0n);
    refused('live_switch', 0n, 1n);
    refused('live_switch', 2n, 2n);
    refused('live_begin');
    refused('live_commit');
    assert.is(bench.call('live_switch', 2n, 1n), 0n);
    assert.is(bench.call('live_commit'), 0n);
    for (const [block, count] of [
      [3n, 1n],
      [0n, 0n],
      [0n, 4n],
      [-1n, 1n],
      [1n, 5n],
    ] as const) {
      refused('map_export', block, count);
      refused('map_written', block, count);
    }
    refused('live_resume');
    refused('regions_set', 256n);
    assert.is(bench.call('live_drop'), 0n);
    assert.is(bench.call('regions_set', 512n), 0n);
    bench.close();
  });

  test.run();
}
