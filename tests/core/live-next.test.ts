// A live checkpoint on its way to the next snapshot: in that one's file, of this snapshot, until the next one has its own.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COPIED_WAITS } from '../../host/layout.js';
import { Bench, ENGINES, errno, PLENTY, SNAPSHOT } from './harness.js';
import * as layout from './live-layout.js';
import { dirtyOnDisk, isLeft, kindOnDisk, listed, seqidOnDisk } from './live-listing.js';
import { superblockWith } from './live-superblock.js';
import { Tracked } from './live-tracked.js';

const SMALL = 8n * 100_000n;
const FIRST = layout.dataOffset(SMALL);
const SLOTS = layout.slotOffset(SMALL, 2n) - layout.mapOffset(SMALL, 0n);
const NO_ROOM = errno('ENOSPC');
const INVALID = errno('EINVAL');

for (const engine of ENGINES) {
  const test = suite(`core live checkpoints and the next snapshot, ${engine.name}`);

  /** One of blocks 9 and 5000, in the file of the next snapshot. */
  const moved = (): { all: Tracked; next: Tracked } => {
    const all = new Tracked(engine, SMALL);
    all.mark(9);
    assert.is(all.driver.live(), 0n);
    all.mark(5000);
    all.driver.flushMap();
    const next = all.takeNext(engine);
    assert.is(all.driver.live(), 0n);
    return { all, next };
  };

  const takeOver = ({ all, next }: { all: Tracked; next: Tracked }): void => {
    all.driver.handOver(next.bench);
    assert.is(next.driver.identity(next.superblock, false), 1n);
  };

  /** What a reload of its file lists. */
  const ranges = ({ file, superblock }: Tracked): unknown => {
    const again = new Tracked(engine, SMALL, file);
    again.superblock = superblock;
    assert.is(again.driver.load(), 0n);
    const blocks = listed(again.bench).ranges;
    again.close();
    return blocks;
  };

  test('it lies among the copies, as one of incremental mode, and the file of before names the next one', () => {
    const { all, next } = moved();
    const header = next.file.read(0, 4096);
    assert.is(seqidOnDisk(next.file), 1n);
    assert.is(header.readUInt32LE(4), 2); // INDEX_ONLY
    assert.is(header.readBigUInt64LE(8) * 4096n, FIRST + SLOTS);
    assert.is(header.readBigUInt64LE(16), PLENTY);
    assert.is(header.readBigUInt64LE(152), FIRST);
    assert.is(kindOnDisk(next.file), 'live');
    assert.is(isLeft(next.file), false);
    assert.is(kindOnDisk(all.file), 'none');
    assert.is(isLeft(all.file), true);
    assert.equal(ranges(next), [
      [9, 9],
      [5000, 5000],
    ]);
    all.close();
    next.close();
  });

  test('the next core keeps it true, and then makes one of its own', () => {
    const { all, next } = moved();
    takeOver({ all, next });
    const { bench, driver, file } = next;
    assert.is(bench.stat('LIVE'), 1n);
    assert.is(bench.served('commit_copy', 70_000n, 1n), 1n);
    assert.is(bench.call('is_copied', 70_000n * 8n, 8n), BigInt(COPIED_WAITS));
    assert.is(driver.flushMap(), 1);
    assert.is(bench.call('is_copied', 70_000n * 8n, 8n), 1n);
    assert.is(seqidOnDisk(file), 1n);
    const region = [69_888, 70_143];
    assert.equal(ranges(next), [[9, 9], [5000, 5000], region]);

    next.superblock = superblockWith({ 52: 1 });
    assert.is(driver.identity(next.superblock), 0n);
    driver.renew();
    assert.is(seqidOnDisk(file), 1n);
    assert.is(file.read(0, 4096).readUInt32LE(4), 2);
    assert.is(file.read(0, 4096).readBigUInt64LE(8) * 4096n, FIRST + SLOTS); // without what was copied since
    assert.equal(ranges(next), [[9, 9], [5000, 5000], region]);
    assert.is(driver.identity(next.superblock), 1n);

    assert.is(bench.call('live_former_closed'), 1n);
    driver.renew();
    assert.is(seqidOnDisk(file), 2n); // of the same blocks
    assert.equal(ranges(next), [[9, 9], [5000, 5000], region]);

    assert.is(driver.live(), 0n);
    assert.is(bench.call('live_former_closed'), 0n);
    assert.is(seqidOnDisk(file), 2n);
    assert.is(file.read(0, 4096).readUInt32LE(4), 0);
    assert.is(dirtyOnDisk(file, SMALL).nr, 0);
    assert.equal(ranges(next), [[70_000, 70_000]]);
    all.close();
    next.close();
  });

  test('snapshot mode ends before it has one of its own: that is of the new snapshot, and the former lists more', () => {
    const { all, next } = moved();
    takeOver({ all, next });
    const { bench, driver, file } = next;
    assert.is(bench.call('to_incremental', PLENTY), 0n);
    assert.is(bench.stat('NEEDED_BYTES'), FIRST + SLOTS);
    assert.is(seqidOnDisk(file), 1n);
    assert.is(driver.live(), 0n);
    assert.is(bench.stat('NEEDED_BYTES'), FIRST);
    assert.is(seqidOnDisk(file), 2n);
    all.close();
    next.close();
  });

  test('a reload that went on from a file that was closed has the number of the next snapshot', () => {
    const bench = new Bench(engine, { nrSectors: SMALL });
    const follow = (change: (block: Buffer) => void): bigint => {
      assert.is(bench.call('header_create', PLENTY, 7n), 0n);
      bench.call('header_encode', 1n);
      change(bench.buffer());
      assert.is(bench.call('header_follow'), 0n);
      return bench.stat('SEQID');
    };
    assert.is(
      follow(() => {}),
      8n,
    );
    assert.is(
      follow((block) => block.writeUInt32LE(0, 4)),
      7n,
    ); // in use
    assert.is(
      follow((block) => block.writeUInt32LE(0, 0)),
      7n,
    ); // no COW file
    assert.is(
      follow((block) => block.writeBigUInt64LE(6n, 24)),
      7n,
    );
    assert.is(
      follow((block) => block.writeBigUInt64LE(8n, 24)),
      7n,
    );
    for (const at of [32, 47])
      assert.is(
        follow((block) => (block[at]! ^= 1)),
        7n,
      ); // another series
    bench.close();
  });

  test('given up: the present file has the next one again', () => {
    const { all, next } = moved();
    assert.is(all.bench.call('live_move', 0n, 0n), INVALID); // one is in force there
    all.driver.drop();
    assert.is(all.bench.call('live_move', 0n, 0n), 0n);
    all.driver.file = all.file;
    assert.is(isLeft(all.file), true);
    all.mark(20);
    assert.is(all.driver.live(), 0n);
    assert.is(isLeft(all.file), false);
    assert.is(all.file.read(0, 4096).readBigUInt64LE(152), 4096n);
    assert.equal(ranges(all), [
      [9, 9],
      [20, 20],
      [5000, 5000],
    ]);
    all.close();
    next.close();
  });

  test('what cannot be is refused', () => {
    const { all, next } = moved();
    const base = FIRST;
    assert.is(all.bench.call('slots_take'), INVALID);
    assert.is(next.bench.call('slots_take'), base); // once
    assert.is(next.bench.call('live_move', base, PLENTY), INVALID);
    for (const [offset, fsize] of [
      [base + 1n, PLENTY],
      [base - 4096n, PLENTY],
      [base, base + SLOTS - 1n],
      [base, base - 1n],
      [-4096n, -1n],
    ] as const)
      assert.is(all.bench.call('live_move', offset, fsize), INVALID, `${offset}, ${fsize}`);
    assert.is(all.bench.call('live_move', base, base + SLOTS), 0n);

    const small = new Bench(engine, { nrSectors: SMALL, mode: SNAPSHOT, fsize: base + 4n * SLOTS - 4096n });
    assert.is(small.call('slots_take'), NO_ROOM);
    small.close();

    const header = next.file.read(0, 4096);
    const inherit = (change: (block: Buffer) => void): bigint => {
      const block = Buffer.from(header);
      change(block);
      next.bench.buffer().set(block);
      return next.bench.call('live_inherit');
    };
    for (const at of [64, 72, 76, 80, 88, 152])
      assert.is(
        inherit((block) => (block[at]! ^= 1)),
        INVALID,
        `byte ${at}`,
      );
    assert.is(next.bench.call('live_take_over'), INVALID); // nothing was begun
    assert.is(
      inherit(() => {}),
      0n,
    );
    assert.is(next.bench.call('live_take_over'), INVALID); // its map is missing
    all.driver.handOver(next.bench);
    assert.is(
      inherit(() => {}),
      INVALID,
    ); // there is one
    all.close();
    next.close();
  });

  test.run();
}
