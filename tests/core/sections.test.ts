import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SECTION_BYTES } from '../../host/layout.js';
import {
  AGAIN,
  Bench,
  COW,
  coreBytes,
  ENGINES,
  entriesOf,
  errno,
  MISS,
  ORIGIN,
  READ,
  READY,
  ROOM,
  SECTION_BLOCKS,
  SECTION_SECTORS,
  WRITE,
  ZERO,
} from './harness.js';

const SLOTS = 16n;

for (const engine of ENGINES) {
  const test = suite(`core sections, ${engine.name}`);

  /** The core with a memory of so many pages at most. */
  const limitedTo = (pages: number): Uint8Array => {
    const bytes = coreBytes(engine.build);
    const at = bytes.indexOf(Buffer.from([0x05, 0x03, 0x01, 0x00, 0x09]));
    const limited = Buffer.from([0x05, 0x04, 0x01, 0x01, 0x09, pages]);
    return Buffer.concat([bytes.subarray(0, at), limited, bytes.subarray(at + 5)]);
  };

  /** 64 sections on 16 slots. */
  const opened = (): Bench => new Bench(engine, { nrSectors: 64n * SECTION_SECTORS });

  /** One copied block in each of the first `count` sections. */
  const copied = (count: bigint): Bench => {
    const bench = opened();
    for (let section = 0n; section < count; section++) bench.commit(section * SECTION_BLOCKS + section, 1n);
    return bench;
  };

  test('a section never written is zeros, at once', () => {
    const bench = opened();
    assert.is(bench.call('section_request', 3n), READY);
    assert.is(bench.call('section_request', 3n), READY);
    assert.is(bench.stat('NR_RESIDENT'), 1n);
    assert.is(bench.call('export_section', 3n), 0n);
    bench.close();
  });

  test('a section past the end is refused', () => {
    const bench = opened();
    assert.is(bench.call('section_request', 64n), errno('EINVAL'));
    assert.is(bench.call('section_request', -1n), errno('EINVAL'));
    bench.close();
  });

  test('a dirty section is written before its slot is used again, and read when it is needed again', () => {
    const bench = copied(SLOTS);
    assert.is(bench.stat('NR_DIRTY'), SLOTS);
    assert.is(bench.call('section_request', 40n), WRITE);
    const victim = bench.call('io_section');
    bench.writeOut();
    assert.is(entriesOf(bench.file.get(victim)!)[Number(victim)], 513 + Number(victim));
    assert.is(bench.stat('NR_DIRTY'), SLOTS - 1n);
    assert.is(bench.call('section_request', 40n), READY);
    assert.is(bench.call('export_section', victim), MISS);
    assert.equal(bench.planRead(victim * (SECTION_SECTORS + 8n), 8n), [[513 + Number(victim), 1, COW]]);
    bench.close();
  });

  test('a clean section that was never changed is dropped without a write', () => {
    const bench = opened();
    for (let section = 0n; section < 64n; section++) assert.is(bench.call('section_request', section), READY);
    assert.is(bench.stat('NR_RESIDENT'), SLOTS);
    bench.close();
  });

  test('a section changed while it is written stays dirty, and is not evicted', () => {
    const bench = copied(SLOTS);
    assert.is(bench.call('section_request', 40n), WRITE);
    const victim = bench.call('io_section');
    bench.writeOut(() => assert.is(bench.call('commit_copy', victim * SECTION_BLOCKS + 100n, 1n), 1n));
    assert.is(bench.stat('NR_DIRTY'), SLOTS);
    assert.is(entriesOf(bench.file.get(victim)!)[100], 0);
    assert.not.equal(bench.call('export_section', victim), MISS);
    bench.loadSection(40n);
    bench.flush();
    assert.is(entriesOf(bench.file.get(victim)!)[100], 513 + Number(SLOTS));
    bench.close();
  });

  test('a write that is not reported done leaves the section dirty', () => {
    const bench = copied(SLOTS);
    bench.loadSection(40n, WRITE);
    assert.is(bench.stat('NR_DIRTY'), SLOTS - 1n);
    assert.is(bench.call('section_request', 40n), WRITE);
    bench.writeOut();
    assert.is(bench.stat('NR_DIRTY'), SLOTS - 1n);
    assert.is(bench.call('next_dirty_section', 0n) < 64n, true);
    assert.is(bench.stat('NR_DIRTY'), SLOTS - 2n);
    bench.call('next_dirty_section', 64n);
    assert.is(bench.stat('NR_DIRTY'), SLOTS - 1n);
    bench.close();
  });

  test('a read that is not reported done leaves the section missing', () => {
    const bench = copied(SLOTS + 1n);
    const missing = bench.call('export_section', 0n) === MISS ? 0n : 1n;
    bench.loadSection(missing, READ);
    assert.is(bench.call('io_section'), missing);
    assert.is(bench.call('export_section', missing), MISS);
    bench.loadSection(50n);
    assert.is(bench.call('section_read_done', missing), errno('EINVAL'));
    assert.equal(bench.planRead(missing * (SECTION_SECTORS + 8n), 8n), [[513 + Number(missing), 1, COW]]);
    assert.ok(bench.stat('NR_RESIDENT') <= SLOTS);
    bench.close();
  });

  test('reports of I/O that was not asked for are refused', () => {
    const bench = opened();
    assert.is(bench.call('section_write_done'), errno('EINVAL'));
    assert.is(bench.call('section_read_done', 0n), errno('EINVAL'));
    bench.call('section_request', 0n);
    assert.is(bench.call('section_read_done', 0n), errno('EINVAL'));
    bench.close();
  });

  test('next_dirty_section() names every dirty section once, ascending', () => {
    const bench = opened();
    for (const section of [60n, 2n, 33n]) bench.commit(section * SECTION_BLOCKS, 1n);
    const seen: bigint[] = [];
    for (let from = 0n; (from = bench.call('next_dirty_section', from)) < 64n; from++) {
      seen.push(from);
      bench.writeOut();
    }
    assert.equal(seen, [2n, 33n, 60n]);
    assert.is(bench.stat('NR_DIRTY'), 0n);
    assert.is(bench.call('next_dirty_section', 0n), 64n);
    bench.close();
  });

  test('next_dirty_section() and next_changed_section() find sections however far apart', () => {
    const sections = [1n, 63n, 64n, 4095n, 4096n, 4159n, 300000n, (1n << 22n) - 1n];
    const bench = new Bench(engine, { nrSectors: (1n << 37n) - 1n });
    const end = bench.stat('NR_SECTIONS');
    for (const section of [...sections].reverse()) bench.commit(section * SECTION_BLOCKS + 5n, 1n);
    const walk = (name: 'next_dirty_section' | 'next_changed_section'): bigint[] => {
      const seen: bigint[] = [];
      for (let from = 0n; (from = bench.call(name, from)) < end; from++) seen.push(from);
      return seen;
    };
    assert.equal(walk('next_changed_section'), sections);
    assert.is(bench.call('next_dirty_section', end), end);
    assert.is(bench.call('next_dirty_section', -1n), end);
    // Each is dirty again, since no write is reported.
    assert.equal(walk('next_dirty_section'), sections);
    for (const section of [64n, 4096n, 300000n]) {
      assert.is(bench.call('next_dirty_section', section), section);
      bench.writeOut();
    }
    assert.equal(
      walk('next_dirty_section'),
      sections.filter((section) => ![64n, 4096n, 300000n].includes(section)),
    );
    bench.flush();
    assert.is(bench.call('next_dirty_section', 0n), end);
    bench.commit(70n * SECTION_BLOCKS, 1n);
    assert.equal(walk('next_dirty_section'), [70n]);
    bench.close();
  });

  test('slots used since the hand passed are spared', () => {
    const bench = opened();
    for (let section = 0n; section < 17n; section++) bench.loadSection(section);
    for (let section = 17n; section < 60n; section++) {
      assert.is(bench.call('export_section', 16n), 0n, `section 16 gone at ${section}`);
      bench.loadSection(section);
    }
    bench.close();
  });

  test('set_cache() lowers the slots in use, writing out what is dirty, and raises them again', () => {
    const bench = new Bench(engine, { nrSectors: 2097152n, cacheBytes: 40n * 32768n });
    for (let section = 0n; section < 40n; section++) bench.commit(section * SECTION_BLOCKS, 1n);
    const written: bigint[] = [];
    while (bench.call('set_cache', 20n * 32768n) === WRITE) {
      written.push(bench.call('io_section'));
      bench.writeOut();
    }
    assert.is(written.length, 20);
    assert.is(bench.stat('NR_SLOTS'), 20n);
    assert.is(bench.stat('NR_RESIDENT'), 20n);
    assert.is(bench.stat('NR_DIRTY'), 20n);
    for (let section = 0n; section < 64n; section++) {
      bench.loadSection(section);
      assert.ok(bench.stat('NR_RESIDENT') <= 20n);
    }
    for (let section = 0n; section < 40n; section++)
      assert.equal(bench.planRead(section * SECTION_SECTORS, 8n), [[513 + Number(section), 1, COW]]);
    assert.is(bench.call('set_cache', 1n << 40n), READY);
    assert.is(bench.stat('NR_SLOTS'), 40n);
    for (let section = 0n; section < 64n; section++) bench.loadSection(section);
    assert.is(bench.stat('NR_RESIDENT'), 40n);
    while (bench.call('set_cache', 0n) === WRITE) bench.writeOut();
    assert.is(bench.stat('NR_SLOTS'), SLOTS);
    bench.close();
  });

  test('set_cache() does part of its work, and goes on where it was; another limit begins anew', () => {
    const bench = new Bench(engine, { nrSectors: 1n << 27n, cacheBytes: 2000n * 32768n });
    for (let section = 0n; section < 2000n; section++) bench.loadSection(section);
    for (const section of [30n, 700n, 1999n]) bench.commit(section * SECTION_BLOCKS, 1n);
    const shrink = (slots: bigint): { again: number; written: bigint[] } => {
      const written: bigint[] = [];
      for (let again = 0; ; ) {
        const result = bench.call('set_cache', slots * 32768n);
        if (result === READY) return { again, written };
        if (result === AGAIN) again++;
        else {
          written.push(bench.call('io_section'));
          bench.writeOut();
        }
      }
    };
    assert.is(bench.call('set_cache', 1500n * 32768n), WRITE);
    assert.is(bench.call('io_section'), 1999n);
    bench.writeOut();
    assert.equal(shrink(600n), { again: 2, written: [700n] });
    assert.is(bench.stat('NR_RESIDENT'), 600n);
    assert.is(bench.call('set_cache', 0n), WRITE);
    bench.writeOut();
    assert.is(bench.call('set_cache', 0n), AGAIN);
    assert.is(bench.call('set_cache', 300n * 32768n), AGAIN);
    shrink(20n);
    assert.is(bench.stat('NR_RESIDENT'), 16n);
    for (const section of [30n, 700n, 1999n]) bench.planRead(section * SECTION_SECTORS, 8n);
    assert.ok(bench.stat('NR_RESIDENT') <= 20n);
    bench.close();
  });

  test('memory grows as sections need it, and is not wanted any more in incremental mode', () => {
    const bench = new Bench(engine, { nrSectors: 2097152n, cacheBytes: 40n * 32768n });
    const least = BigInt(bench.memoryBytes);
    const without = least - SLOTS * 32768n;
    for (let section = 0n; section < 64n; section++) {
      const wanted = bench.call('memory_wanted');
      bench.loadSection(section);
      assert.is(BigInt(bench.memoryBytes), wanted, `section ${section}`);
    }
    const grown = BigInt(bench.memoryBytes) - least;
    // Two frames of those that init() made are for leaves, and wait here.
    assert.ok(grown > 20n * 32768n && grown <= 26n * 32768n, `${grown}`);
    assert.is(bench.stat('NR_RESIDENT'), 40n);
    bench.commit(0n, 1n);
    assert.is(bench.call('to_incremental', 0n), 0n);
    const wanted = bench.call('memory_wanted');
    assert.ok(wanted >= without - 65536n && wanted <= without + 65536n, `${wanted}`);
    bench.close();
  });

  test('where memory cannot grow, sections make room for others', () => {
    // Two pages more than init() takes, and those are not enough for the slots that memory would grow by.
    const bench = new Bench(engine, { nrSectors: 2097152n, cacheBytes: 64n * 32768n }, limitedTo(21));
    for (let section = 0n; section < 40n; section++) bench.commit(section * SECTION_BLOCKS, 1n);
    assert.is(bench.memoryBytes, 19 * 65536);
    // init() makes two frames more for leaves, of which one is used, and whole pages have room for another one.
    assert.is(bench.stat('NR_RESIDENT'), SLOTS + 2n);
    for (let section = 0n; section < 40n; section++)
      assert.equal(bench.planRead(section * SECTION_SECTORS, 8n), [[513 + Number(section), 1, COW]]);
    bench.close();
  });

  test('where memory cannot grow, bitmaps say that they need room, and keep what they have', () => {
    const bench = new Bench(engine, { nrSectors: 1n << 29n }, limitedTo(22));
    assert.is(bench.memoryBytes, 22 * 65536); // all that there is
    const step = 32768n * 8n;
    let marked = 0n;
    while (bench.served('commit_copy', marked * 32768n, 1n) === 1n) marked++;
    assert.ok(marked >= 16n && marked % 8n === 0n, `${marked}`);
    assert.is(bench.call('commit_copy', marked * 32768n, 1n), ROOM);
    assert.is(bench.call('mark', marked * step, 8n), ROOM);
    assert.is(bench.call('mark_unmasked', marked * 32768n + 1n, 32768n), ROOM);
    assert.is(bench.call('mask_extent', 1n, 1n), ROOM);
    assert.is(bench.call('mask_import', 0n), ROOM);
    assert.is(bench.call('room_make'), errno('ENOMEM'));
    assert.ok(bench.call('room_wanted') > bench.memoryBytes);
    assert.is(bench.stat('NR_CHANGED'), marked);
    assert.is(bench.stat('FPOS'), BigInt(1 + (8 * 2 ** 26) / 4096) + marked);
    const first = Number(bench.stat('FPOS') - marked);
    for (let n = 0n; n < marked; n++) assert.equal(bench.planRead(n * step, 8n), [[first + Number(n), 1, COW]]);
    // What has all of its blocks takes no memory, nor do more bits where there are some.
    assert.is(bench.call('mark', marked * step, step), 32768n);
    assert.is(bench.call('mark', 0n, step), 32767n);
    bench.close();
  });

  test('sections move out of the way of bitmaps, with what they hold and what is under way', () => {
    const bench = new Bench(engine, { nrSectors: 1n << 30n, cacheBytes: 40n * 32768n });
    const nr = 512n;
    const step = 64n * SECTION_BLOCKS;
    const first = Number(bench.stat('FPOS'));
    for (let n = 0n; n < nr; n++) bench.commit(n * step, 2n);
    bench.flush();
    while (bench.call('set_cache', 0n) === WRITE) bench.writeOut();
    // A read is under way while bits in new places take frames.
    assert.is(bench.call('section_request', 0n), READ);
    for (let n = 0n; n < nr; n++) bench.call('mask_extent', n * step + 9n, 1n);
    bench.bytes(bench.call('io_address'), SECTION_BYTES).set(bench.file.get(0n)!);
    assert.is(bench.call('section_read_done', 0n), 0n);
    for (let n = 0n; n < nr; n++) {
      assert.equal(bench.planRead(8n * (n * step), 80n), [
        [first + 2 * Number(n), 2, COW],
        [Number(n * step) + 2, 7, ORIGIN],
        [Number(n * step) + 9, 1, ZERO],
      ]);
    }
    assert.ok(bench.stat('NR_RESIDENT') <= SLOTS);
    bench.close();
  });

  test('set_cache(): bitmaps that take frames meanwhile move no section onto another', () => {
    const bench = new Bench(engine, { nrSectors: 1n << 30n, cacheBytes: 40n * 32768n });
    const first = Number(bench.stat('FPOS'));
    for (let n = 0n; n < 40n; n++) bench.commit(n * SECTION_BLOCKS, 1n);
    assert.is(bench.call('set_cache', 0n), WRITE);
    const section = bench.call('io_section');
    bench.writeOut(() => {
      for (let leaf = 100n; leaf < 160n; leaf++) bench.call('mask_extent', leaf * 32768n, 1n);
    });
    assert.ok(section < 40n);
    while (bench.call('set_cache', 0n) === WRITE) bench.writeOut();
    for (let n = 0n; n < 40n; n++) assert.equal(bench.planRead(n * SECTION_SECTORS, 8n), [[first + Number(n), 1, COW]]);
    bench.close();
  });

  test('set_cache(): a section changed while it is written stays', () => {
    const bench = new Bench(engine, { nrSectors: 2097152n, cacheBytes: 17n * 32768n });
    for (let section = 0n; section < 17n; section++) bench.commit(section * SECTION_BLOCKS, 1n);
    assert.is(bench.call('set_cache', 0n), WRITE);
    const section = bench.call('io_section');
    bench.writeOut(() => assert.is(bench.call('commit_copy', section * SECTION_BLOCKS + 9n, 1n), 1n));
    assert.is(bench.call('set_cache', 0n), WRITE);
    assert.is(bench.call('io_section'), section);
    bench.writeOut();
    assert.is(bench.call('set_cache', 0n), READY);
    assert.is(bench.call('export_section', section), MISS);
    assert.is(entriesOf(bench.file.get(section)!)[9], 513 + 17);
    bench.close();
  });

  test('after a load every section is read from the file', () => {
    const bench = opened();
    bench.call('header_encode', 1n);
    assert.is(bench.call('header_check', 0n), 0n);
    assert.is(bench.call('section_request', 5n), READ);
    assert.is(bench.call('io_section'), 5n);
    assert.is(bench.call('io_offset'), 4096n + 5n * 32768n);
    assert.is(bench.call('io_address') % 4096n, 0n);
    bench.bytes(bench.call('io_address'), 8).writeBigUInt64LE(600n);
    assert.is(bench.call('section_read_done', 5n), 0n);
    bench.call('mark', 5n * SECTION_SECTORS, 8n);
    assert.equal(bench.planRead(5n * SECTION_SECTORS, 8n), [[600, 1, COW]]);
    bench.close();
  });

  test('an entry found in a loaded section is not replaced, though its bit was not set', () => {
    const bench = opened();
    const section = new BigUint64Array(4096);
    section[3] = 700n;
    bench.file.set(0n, new Uint8Array(section.buffer));
    bench.call('header_encode', 1n);
    assert.is(bench.call('header_check', 0n), 0n);
    bench.loadSection(0n);
    assert.is(bench.call('commit_copy', 0n, 10n), 3n);
    assert.is(bench.call('commit_copy', 3n, 1n), errno('EINVAL'));
    bench.flush();
    assert.equal(entriesOf(bench.file.get(0n)!).slice(0, 6), [513, 514, 515, 700, 0, 0]);
    bench.close();
  });

  test.run();
}
