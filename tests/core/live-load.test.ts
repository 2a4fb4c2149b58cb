// Live checkpoints on disk: the bytes of the dirty map and of the header, what a load lists and what it refuses.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Xxh64 } from '../../host/manifest/hashing.js';
import { Bench, ENGINES, errno, refusal, SNAPSHOT } from './harness.js';
import { Driver, lookAt, PlainFile, REGION } from './live-driver.js';
import { mapBlocks } from './live-layout.js';
import { dirtyOnDisk, listed } from './live-listing.js';
import { readFrom, superblockWith } from './live-superblock.js';
import { copyOf, loads, Tracked, written } from './live-tracked.js';

const SMALL = 8n * 100_000n + 3n;
/** 3 blocks of a map of the smallest regions. */
const LARGE = 8n * 20_000_000n + 3n;
const SECTOR_REGIONS = 63 * 64;
const hash = new Xxh64();

const fold = (sum: bigint, value: bigint): bigint => {
  const rotated = BigInt.asUintN(64, sum << 27n) | (sum >> 37n);
  return BigInt.asUintN(64, (rotated ^ value) * 0x9e3779b185ebca87n + 0x85ebca77c2b2ae63n);
};

/** A sector of a map that has these of its regions. */
const mapSector = (generation: bigint, sector: number, regions: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(512);
  for (const region of regions) bytes[region >> 3]! |= 1 << (region & 7);
  const sum = fold(fold(fold(0n, generation), BigInt(sector)), hash.bytes(bytes.subarray(0, 504)));
  bytes.writeBigUInt64LE(sum, 504);
  return bytes;
};

for (const engine of ENGINES) {
  const test = suite(`core live checkpoints on disk, ${engine.name}`);

  const tracked = (nrSectors = SMALL, file = new PlainFile()): Tracked => new Tracked(engine, nrSectors, file);
  const writtenAt = (blocks: readonly number[], nrSectors = SMALL): Tracked => written(engine, nrSectors, blocks);
  const answers = (file: PlainFile, nrSectors = SMALL): bigint => loads(engine, nrSectors, file);
  const ranges = (bench: Bench): unknown => listed(bench).ranges;

  // The map.

  test('a sector of the map has 63 words, and a checksum in which its number and that of the map are', () => {
    const region = SECTOR_REGIONS * 8 + 5; // in the second block
    const all = writtenAt([0, 63 * 256, (SECTOR_REGIONS - 1) * 256, SECTOR_REGIONS * 256, region * 256 + 9], LARGE);
    assert.is(all.bench.stat('MAP_BLOCKS'), mapBlocks(LARGE));
    const offset = Number(all.bench.call('map_offset', 0n));
    const expected: readonly number[][] = [[0, 63, SECTOR_REGIONS - 1], [0], [], [], [], [], [], [], [5]];
    for (let sector = 0; sector < 24; sector++) {
      const bytes = all.file
        .read(offset + 4096 * (sector >> 3), 4096)
        .subarray((sector & 7) * 512)
        .subarray(0, 512);
      assert.is(
        bytes.toString('hex'),
        mapSector(1n, sector, expected[sector] ?? []).toString('hex'),
        `sector ${sector}`,
      );
    }
    all.driver.live();
    const next = Number(all.bench.call('map_offset', 2n));
    assert.is(all.file.read(next, 4096).toString('hex', 0, 512), mapSector(2n, 16, []).toString('hex'));
    all.close();
  });

  test('a block of which some sectors are older is right; one of another map, or a flipped bit, is not', () => {
    const all = writtenAt([10, SECTOR_REGIONS * 256], LARGE);
    const offset = Number(all.bench.call('map_offset', 0n));
    const before = Buffer.from(all.file.read(offset, 4096));
    for (const block of [700, SECTOR_REGIONS * 256 + 700]) all.bench.call('mark', block * 8, 8n);
    all.driver.flushMap();
    for (const [sector, blocks] of [
      [
        0,
        [
          [0, 255],
          [SECTOR_REGIONS * 256, SECTOR_REGIONS * 256 + 255],
          [SECTOR_REGIONS * 256 + 512, SECTOR_REGIONS * 256 + 767],
        ],
      ],
      [
        1,
        [
          [0, 255],
          [512, 767],
          [SECTOR_REGIONS * 256, SECTOR_REGIONS * 256 + 255],
        ],
      ],
    ] as const) {
      const torn = copyOf(all.file);
      before.copy(torn.blocks.get(offset)!, sector * 512, sector * 512, sector * 512 + 512);
      const next = tracked(LARGE, torn);
      assert.is(next.driver.load(), 0n);
      assert.equal(ranges(next.bench), blocks);
      next.bench.close();
    }
    for (const at of [0, 503, 504, 511, 512, 4095, 4096, 2 * 4096 + 8 * 511, 3 * 4096 - 1]) {
      const damaged = copyOf(all.file);
      damaged.blocks.get(offset + 4096 * Math.floor(at / 4096))![at % 4096]! ^= 4;
      assert.is(answers(damaged, LARGE), refusal('DAMAGED'), `byte ${at}`);
    }
    for (const [sector, bytes] of [
      [1, mapSector(2n, 1, [])],
      [1, mapSector(1n, 2, [])],
      [9, Buffer.alloc(512)],
    ] as const) {
      const other = copyOf(all.file);
      bytes.copy(other.blocks.get(offset + 4096 * (sector >> 3))!, (sector & 7) * 512);
      assert.is(answers(other, LARGE), refusal('DAMAGED'));
    }
    const missing = copyOf(all.file);
    missing.blocks.delete(offset + 4096);
    assert.is(answers(missing, LARGE), refusal('DAMAGED'));
    all.close();
  });

  test('blocks of the map are taken in their order, all of them, and only while a live checkpoint is loaded', () => {
    const all = writtenAt([10], LARGE);
    const { bench, driver } = tracked(LARGE, all.file);
    const take = (block: bigint): bigint => {
      bench.buffer().set(all.file.read(Number(all.bench.call('map_offset', block & 3n)), 4096));
      return bench.call('map_import', block);
    };
    assert.is(take(0n), errno('EINVAL'));
    driver.tie();
    lookAt(bench, 'WHOLE', readFrom(superblockWith()));
    bench.buffer().set(all.file.read(0, 4096));
    assert.is(bench.call('record_check'), 0n);
    assert.is(bench.call('map_offset', 2n), all.bench.call('map_offset', 2n));
    bench.call('record_next');
    bench.buffer().set(all.file.read(Number(bench.call('record_offset')), 4096));
    assert.is(bench.call('record_import'), 0n);
    assert.is(bench.call('record_next'), 0n);
    assert.is(take(1n), errno('EINVAL'));
    assert.is(take(0n), 0n);
    assert.is(take(0n), errno('EINVAL'));
    assert.is(take(1n), 0n);
    assert.is(bench.call('record_accept'), refusal('FOREIGN'));
    lookAt(bench, 'TIE', readFrom(superblockWith()));
    assert.is(bench.call('record_accept'), refusal('DAMAGED'));
    assert.is(take(2n), 0n);
    assert.is(bench.call('record_accept'), 0n);
    assert.is(take(2n), errno('EINVAL'));
    bench.close();
    all.close();
  });

  test('a superblock that is another one as the load ends is refused', () => {
    const all = writtenAt([10]);
    const next = tracked(SMALL, all.file);
    all.file.read = (offset, length) => {
      // Its last piece.
      if (offset !== 0) next.superblock = superblockWith({ 48: 1 });
      return PlainFile.prototype.read.call(all.file, offset, length);
    };
    assert.is(next.driver.load(), refusal('DAMAGED'));
    next.close();
    all.close();
  });

  // What is listed.

  test('what is stored is listed, and each block of the regions that were written to since, and counted', () => {
    const all = tracked();
    for (const block of [5, 1000, 1001, 99_999]) all.bench.call('mark', block * 8, 8n);
    all.bench.call('mask_extent', 1020n, 500n);
    assert.is(all.driver.live(), 0n);
    for (const block of [1002, 50_000, 99_998, 100_000]) assert.is(all.bench.call('mark', block * 8, 1n), REGION);
    all.driver.flushMap();
    all.bench.call('mark', 70_000n * 8n, 8n); // it waits, and the power is cut
    const { bench, driver } = tracked(SMALL, all.file);
    bench.call('regions_set', 1024n);
    assert.is(driver.load(), 0n);
    // The last region has 160 blocks and a part of one.
    const regions = [
      [768, 1023],
      [49_920, 50_175],
      [99_840, 100_000],
    ];
    assert.equal(ranges(bench), [[5, 5], ...regions]);
    assert.is(bench.stat('NR_CHANGED'), 1n + 256n + 256n + 161n);
    assert.is(bench.stat('NEW_BLOCKS'), 1n + 256n + 256n + 161n - 4n);
    assert.is(bench.stat('DIRTY_REGIONS'), 3n);
    assert.is(bench.stat('REGION_BLOCKS'), 256n);
    assert.is(bench.stat('LIVE'), 1n);
    assert.is(bench.call('mask_export', 0n), 1520n - 1024n);
    // It goes on.
    assert.is(bench.call('mark', 1005n * 8n, 8n), 0n);
    assert.is(bench.call('mark', 256n * 8n, 8n), REGION);
    assert.is(driver.flushMap(), 1);
    assert.is(driver.live(), 0n);
    assert.is(dirtyOnDisk(all.file, SMALL).nr, 0);
    bench.close();
    all.close();
  });

  test('a region of all sizes, one that is marked whole, and one of many words', () => {
    for (const size of [256, 512, 1024, 2048, 4096, 8192, 16384]) {
      const all = tracked();
      all.bench.call('regions_set', size);
      all.bench.markAll(0n, BigInt(size) * 8n);
      all.driver.live();
      for (const block of [0, size - 1, 2 * size, 100_000]) all.bench.call('mark', block * 8, 8n);
      all.driver.flushMap();
      const { bench, driver } = tracked(SMALL, all.file);
      assert.is(driver.load(), 0n);
      const last = Math.floor(100_000 / size) * size;
      assert.equal(ranges(bench), [
        [0, size - 1],
        [2 * size, 3 * size - 1],
        [last, 100_000],
      ]);
      assert.is(bench.stat('NR_CHANGED'), BigInt(2 * size + 100_001 - last));
      bench.close();
      all.close();
    }
  });

  // The header.

  test('the first 512 bytes of the header decide, each of them', () => {
    const all = writtenAt([10]);
    const answer = (at: number): bigint => {
      const file = copyOf(all.file);
      file.blocks.get(0)![at]! ^= 1;
      return answers(file);
    };
    for (const at of [512, 513, 1000, 4095]) assert.is(answer(at), 0n, `byte ${at}`);
    for (let at = 4; at < 512; at += 4) assert.is(answer(at), refusal('NOT_CLEAN'), `byte ${at}`);
    assert.is(answer(0), refusal('BAD_MAGIC'));
    all.close();
  });

  test('fields that cannot be right are refused, though the checksum is', () => {
    const all = writtenAt([10]);
    const answer = (change: (header: Buffer) => void): bigint => {
      const file = copyOf(all.file);
      const header = file.blocks.get(0)!;
      change(header);
      header.writeBigUInt64LE(0n, 136);
      header.writeBigUInt64LE(hash.bytes(header.subarray(0, 512)), 136);
      return answers(file);
    };
    assert.is(
      answer(() => {}),
      0n,
    );
    const damaged = refusal('DAMAGED');
    for (const size of [0n, 1n, 128n, 257n, 32768n, 1n << 63n])
      assert.is(
        answer((header) => header.writeBigUInt64LE(size, 160)),
        damaged,
      );
    for (const [at, value] of [
      [88, 4096n],
      [144, 2n],
      [152, 4096n * 3n],
      [152, 0n],
    ] as const)
      assert.is(
        answer((header) => header.writeBigUInt64LE(value, at)),
        damaged,
      );
    for (const [at, name] of [
      [80, 'RESIZED'],
      [112, 'MOVED'],
      [168, 'FOREIGN'],
    ] as const)
      assert.is(
        answer((header) => header.fill(9, at, at + 8).fill(9, 176, at === 168 ? 184 : 176)),
        refusal(name),
      );
    const snapshot = new Bench(engine, { nrSectors: SMALL, mode: SNAPSHOT });
    assert.is(new Driver(snapshot, all.file, () => superblockWith()).load(), refusal('CRASHED'));
    snapshot.close();
    all.close();
  });

  test('a clean checkpoint and the live one before it are distinguished, whatever of the header block is torn', () => {
    const all = writtenAt([10]);
    const live = Buffer.from(all.file.read(0, 4096));
    assert.is(all.driver.clean(), 0n);
    const clean = Buffer.from(all.file.read(0, 4096));
    for (const [first, rest] of [
      [live, clean],
      [clean, live],
    ] as const) {
      const torn = copyOf(all.file);
      torn.blocks.set(0, Buffer.concat([first.subarray(0, 512), rest.subarray(512)]));
      const { bench, driver } = tracked(SMALL, torn);
      assert.is(driver.load(), 0n);
      assert.is(bench.stat('LIVE'), BigInt(first === live));
      assert.equal(ranges(bench), first === live ? [[0, 255]] : [[10, 10]]);
      bench.close();
    }
    all.close();
  });

  test.run();
}
