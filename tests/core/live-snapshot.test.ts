// Live checkpoints in snapshot mode: where they lie, what a write is answered, and how that mode ends.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COPIED_WAITS } from '../../host/layout.js';
import { Xxh64 } from '../../host/manifest/hashing.js';
import { Bench, ENGINES, errno, INCREMENTAL, refusal, SNAPSHOT } from './harness.js';
import { Driver, NO_ROOM, PlainFile, REGION } from './live-driver.js';
import * as layout from './live-layout.js';
import { dirtyOnDisk, listed } from './live-listing.js';
import { superblockWith } from './live-superblock.js';
import { copyOf } from './live-tracked.js';

const SMALL = 8n * 100_000n;
const FIRST = layout.dataOffset(SMALL) / 4096n;
const MAPS = layout.mapOffset(SMALL, 2n) - layout.mapOffset(SMALL, 0n);
const SLOTS = layout.slotOffset(SMALL, 2n) - layout.mapOffset(SMALL, 0n);

const field = (file: PlainFile, offset: number): bigint => file.read(0, 4096).readBigUInt64LE(offset);
const pieces = (file: PlainFile): bigint => field(file, 88);
const map = (file: PlainFile): bigint => field(file, 152);
const regions = (file: PlainFile): unknown => dirtyOnDisk(file, SMALL).blocks.ranges;

for (const engine of ENGINES) {
  const test = suite(`core live checkpoints in snapshot mode, ${engine.name}`);

  const driven = (file = new PlainFile(), mode = SNAPSHOT, fsize = 1n << 40n): Driver => {
    const bench = new Bench(engine, { nrSectors: SMALL, mode, fsize });
    assert.is(bench.call('regions_set', 256n), 0n);
    return new Driver(bench, file, () => superblockWith());
  };
  const copy = ({ bench }: Driver, block: number): void => assert.is(bench.served('commit_copy', block, 1n), 1n);

  test('they lie where the next copies would have gone, if enough is left for these', () => {
    const least = (4n * SLOTS) / 4096n;
    for (const [blocks, answer] of [
      [least, 0n],
      [least - 1n, NO_ROOM],
    ] as const) {
      const all = driven(new PlainFile(), SNAPSHOT, (FIRST + 1n + blocks) * 4096n);
      copy(all, 9);
      assert.is(all.bench.stat('SLOTS_BYTES'), SLOTS);
      assert.is(answer ? all.bench.call('live_begin') : all.live(), answer);
      const taken = answer ? 0n : SLOTS / 4096n;
      assert.is(all.bench.stat('FPOS'), FIRST + 1n + taken);
      assert.is(all.bench.stat('ROOM'), blocks - taken);
      all.bench.close();
    }
  });

  test('they take that place once, in turns, and a clean one lies there too', () => {
    const file = new PlainFile();
    const all = driven(file);
    copy(all, 9);
    const base = (FIRST + 1n) * 4096n;
    const slot = layout.slotOffset(SMALL, 1n) - layout.slotOffset(SMALL, 0n);
    for (const turn of [0n, 1n, 0n]) {
      assert.is(all.live(), 0n);
      assert.is(map(file), base + (turn * MAPS) / 2n);
      assert.is(pieces(file), base + MAPS + turn * slot);
      copy(all, 20 + Number(turn) + Number(all.bench.stat('FPOS') % 100n) * 3);
      assert.is(all.bench.stat('NEEDED_BYTES'), all.bench.stat('FPOS') * 4096n);
    }
    const { bench } = all;
    const fpos = bench.stat('FPOS');
    assert.is(fpos, FIRST + 4n + SLOTS / 4096n);
    for (let section = 0n; (section = bench.call('next_dirty_section', section)) < bench.stat('NR_SECTIONS'); section++)
      assert.is(bench.call('section_write_done'), 0n);
    assert.is(all.clean(), 0n);
    assert.is(pieces(file), base + MAPS + slot);
    assert.is(field(file, 144), base);
    bench.close();

    const next = driven(file);
    assert.is(next.load(), 0n);
    assert.is(next.bench.stat('FPOS'), fpos);
    copy(next, 50_000);
    assert.is(next.live(), 0n);
    assert.is(next.bench.stat('FPOS'), fpos + 1n);
    assert.is(pieces(file), base + MAPS);
    next.bench.close();
  });

  test('a clean one whose place is not between index and fpos is damaged', () => {
    const file = new PlainFile();
    const all = driven(file);
    assert.is(all.live(), 0n);
    assert.is(all.clean(), 0n);
    const clean = copyOf(file);
    const fpos = all.bench.stat('FPOS') * 4096n;
    all.bench.close();
    for (const [place, answer] of [
      [fpos - SLOTS, 0n],
      [0n, 0n],
      [fpos - SLOTS + 1n, refusal('DAMAGED')],
      [fpos - SLOTS + 4096n, refusal('DAMAGED')],
      [fpos + 4096n, refusal('DAMAGED')],
      [FIRST * 4096n - 4096n, refusal('DAMAGED')],
      [(1n << 64n) - 4096n, refusal('DAMAGED')],
    ] as const) {
      const other = copyOf(clean);
      const header = Buffer.from(other.read(0, 4096));
      header.writeBigUInt64LE(place, 144);
      header.writeBigUInt64LE(0n, 136);
      header.writeBigUInt64LE(new Xxh64().bytes(header), 136);
      other.blocks.set(0, header);
      const next = driven(other);
      assert.is(next.load(), answer, `${place}`);
      next.bench.close();
    }
  });

  test('a copied block waits for the map, as do blocks that are kept, in each map', () => {
    const file = new PlainFile();
    const all = driven(file);
    const { bench } = all;
    const copied = (block: number): bigint => bench.call('is_copied', block * 8, 8n);
    copy(all, 9);
    assert.is(bench.call('regions_keep', 70_000n, 600n), 0n);
    assert.is(bench.call('regions_set', 512n), errno('EINVAL')); // they would be others
    assert.is(all.live(), 0n);
    assert.equal(regions(file), [[273 * 256, 276 * 256 - 1]]);
    assert.is(copied(9), 1n); // in the C that is stored
    copy(all, 10);
    assert.is(copied(10), BigInt(COPIED_WAITS));
    assert.is(bench.call('is_copied', 9n * 8n, 16n), BigInt(COPIED_WAITS));
    assert.is(copied(11), 0n);
    assert.is(bench.call('regions_keep', 512n, 1n), REGION);
    assert.is(all.flushMap(), 1);
    assert.is(copied(10), 1n);
    assert.is(bench.call('regions_keep', 512n, 1n), 0n);
    assert.is(all.live(), 0n);
    assert.equal(regions(file), [
      [512, 767],
      [273 * 256, 276 * 256 - 1],
    ]);
    assert.is(bench.call('to_incremental', 1n << 40n), 0n);
    assert.is(bench.call('regions_keep', 0n, 1n), errno('EINVAL'));
    assert.is(all.live(), 0n);
    assert.is(all.live(), 0n);
    assert.equal(regions(file), []);
    bench.close();
  });

  test('one whose pieces were planned in snapshot mode cannot come true after that', () => {
    const file = new PlainFile();
    const all = driven(file);
    const { bench } = all;
    assert.is(all.live(), 0n);
    const before = pieces(file);
    assert.is(bench.call('live_begin'), 0n);
    all.tie();
    assert.ok(bench.call('record_plan') > 0n);
    while (bench.call('record_next') !== 0n) bench.call('record_export');
    assert.is(bench.call('to_incremental', 1n << 40n), 0n);
    assert.is(all.identity(superblockWith(), false), 1n);
    assert.is(bench.call('live_switch', 0n, 1n), errno('EINVAL'));
    assert.is(bench.stat('NEEDED_BYTES'), bench.stat('FPOS') * 4096n);
    assert.is(all.live(), 0n);
    assert.ok(pieces(file) < before);
    bench.close();
  });

  test('a load in incremental mode lists what was copied; the next one lies in the place of the index', () => {
    for (const isLeft of [false, true]) {
      const file = new PlainFile();
      const all = driven(file);
      copy(all, 9);
      assert.is(all.live(), 0n);
      copy(all, 300);
      all.flushMap();
      if (isLeft) {
        // Its header is written once more in incremental mode, for the superblock.
        assert.is(all.bench.call('to_incremental', 1n << 40n), 0n);
        assert.is(all.identity(superblockWith({ 44: 77 })), 0n);
        all.renew();
      }
      all.bench.close();

      const snapshot = driven(copyOf(file));
      assert.is(snapshot.load(), refusal('CRASHED'));
      snapshot.bench.close();
      const next = driven(file, INCREMENTAL);
      assert.is(next.load(), 0n);
      assert.equal(listed(next.bench).ranges, [
        [9, 9],
        [256, 511],
      ]);
      assert.is(next.bench.stat('NEEDED_BYTES'), next.bench.stat('FPOS') * 4096n);
      assert.is(next.live(), 0n);
      assert.is(map(file), layout.mapOffset(SMALL, 0n));
      assert.is(pieces(file), layout.slotOffset(SMALL, 0n));
      assert.is(next.bench.stat('NEEDED_BYTES'), next.bench.stat('DATA_OFFSET'));
      next.bench.close();
    }
  });

  test.run();
}
