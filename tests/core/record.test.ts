import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COW_HEADER_SIZE, SECTION_BYTES } from '../../host/layout.js';
import { Xxh64 } from '../../host/manifest/hashing.js';
import {
  Bench,
  COW,
  ENGINES,
  errno,
  INCREMENTAL,
  ORIGIN,
  refusal,
  SECTION_SECTORS,
  SNAPSHOT,
  ZERO,
} from './harness.js';
import { slotOffset } from './live-layout.js';

type Tie = (bench: Bench) => void;

/** Lets a core look at an ext4 whose first blocks hold this byte. */
const show = (bench: Bench, byte: number): void => {
  assert.is(bench.call('proof_begin', 1n), 0n);
  while (bench.call('proof_next') >= 0n) {
    bench.buffer().fill(byte, 0, 4096);
    bench.buffer().writeUInt16LE(0xef53, 1024 + 56);
    assert.is(bench.call('proof_block', 4096n), 0n);
  }
};

/** What the tests' records are tied to. */
const tie: Tie = (bench) => {
  assert.is(bench.call('record_begin'), 0n);
  bench.call('record_extent', 0n, 8000n, 4000n);
  bench.call('record_extent', 4000n, 72000n, 160n);
  show(bench, 7);
};

/** A COW file, as far as records go: its header block, and pieces by offset. */
interface Stored {
  readonly header: Buffer;
  readonly pieces: Map<bigint, Buffer>;
}

/** Makes a record; `planned` is record_plan()'s answer. Sections are flushed as the stub does. */
const save = (bench: Bench, tied: Tie = tie): Stored & { planned: bigint } => {
  bench.flush();
  tied(bench);
  for (let chunk = 0n; chunk < bench.stat('MASK_CHUNKS'); chunk++) bench.call('record_survey', chunk);
  const planned = bench.call('record_plan');
  const pieces = new Map<bigint, Buffer>();
  if (planned < 0n) return { planned, header: Buffer.alloc(0), pieces };
  for (let bytes: bigint; (bytes = bench.call('record_next')) !== 0n; ) {
    assert.is(bench.call('record_export'), bytes);
    pieces.set(bench.call('record_offset'), Buffer.from(bench.buffer().subarray(0, Number(bytes))));
  }
  assert.is(bench.call('record_encode'), BigInt(COW_HEADER_SIZE));
  return { planned, header: Buffer.from(bench.buffer().subarray(0, COW_HEADER_SIZE)), pieces };
};

/** Loads a record into a core; the refusal, or 0. */
const load = (bench: Bench, stored: Stored, tied: Tie = tie): bigint => {
  tied(bench);
  bench.buffer().set(stored.header);
  const answer = bench.call('record_check');
  if (answer !== 0n) return answer;
  while (bench.call('record_next') !== 0n) {
    bench.buffer().set(stored.pieces.get(bench.call('record_offset')) ?? Buffer.alloc(SECTION_BYTES, 0xff));
    const imported = bench.call('record_import');
    if (imported !== 0n) return imported;
  }
  return bench.call('record_accept');
};

/** Every bit of C, as runs. */
const changes = (bench: Bench): unknown => bench.runs(bench.call('changed_runs', 0n));
const mask = (bench: Bench): string[] =>
  Array.from({ length: Number(bench.stat('MASK_CHUNKS')) }, (_, chunk) => {
    bench.call('mask_export', chunk);
    return bench.buffer().toString('base64', 0, 32768);
  });

/** Numbers in 0..below, the same in every run. */
const numbers =
  (seed: number) =>
  (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };

for (const engine of ENGINES) {
  const test = suite(`core record, ${engine.name}`);
  /** Two chunks and a piece, with a tail of 3 sectors. */
  const nrSectors = (2n * 262144n + 5000n) * 8n + 3n;
  const opened = (mode = INCREMENTAL, size = nrSectors): Bench => new Bench(engine, { nrSectors: size, mode });
  const fresh = (mode = INCREMENTAL, size = nrSectors): Bench => new Bench(engine, { nrSectors: size, mode });

  test('an incremental goes on with every change, mask and header field', () => {
    const bench = opened();
    bench.call('mask_extent', 100n, 50n);
    bench.call('mask_extent', 300000n, 5n);
    bench.call('mark', 0n, 1n);
    bench.call('mark', 110n * 8n, 16n);
    bench.call('mark', nrSectors - 1n, 1n);
    const stored = save(bench);
    assert.is(stored.planned, 4096n + 4n * 32768n);
    const first = slotOffset(nrSectors, 0n);
    assert.equal([...stored.pieces.keys()], [first, ...[0n, 1n, 2n, 3n].map((n) => first + 4096n + n * 32768n)]);

    const next = fresh();
    assert.is(load(next, stored), 0n);
    assert.equal(changes(next), changes(bench));
    assert.equal(mask(next), mask(bench));
    for (const field of ['FPOS', 'FSIZE', 'SEQID', 'VERSION', 'NR_CHANGED', 'UUID_LOW', 'UUID_HIGH']) {
      assert.is(next.stat(field), bench.stat(field));
    }
    assert.is(next.call('next_changed_section', 1n), bench.call('next_changed_section', 1n));
    bench.close();
    next.close();
  });

  test('a snapshot goes on: copies, zeros and the origin are where they were', () => {
    const bench = opened(SNAPSHOT);
    bench.call('mask_extent', 5000n, 10n);
    bench.commit(7n, 3n);
    bench.commit(5002n, 1n);
    bench.commit(nrSectors / 8n, 1n);
    const stored = save(bench);
    assert.is(stored.pieces.keys().next().value, bench.stat('FPOS') * 4096n);

    const next = fresh(SNAPSHOT);
    // What was there before the file was allocated: only sections with copies were written.
    for (let section = 0n; section < next.stat('NR_SECTIONS'); section++)
      next.file.set(section, Buffer.alloc(SECTION_BYTES, 0xaa));
    for (const [section, bytes] of bench.file) next.file.set(section, bytes);
    assert.is(load(next, stored), 0n);
    const first = Number(next.stat('DATA_OFFSET') / 4096n);
    for (const section of [0n, 1n]) next.loadSection(section); // a plan ends where a section is missing
    assert.equal(next.planRead(6n * 8n, 40n), [
      [6, 1, ORIGIN],
      [first, 3, COW],
      [10, 1, ORIGIN],
    ]);
    assert.equal(next.planRead(5001n * 8n, 24n), [
      [5001, 1, ZERO],
      [first + 3, 1, COW],
      [5003, 1, ZERO],
    ]);
    assert.equal(next.planRead(nrSectors - 1n, 1n), [[first + 4, 1, COW]]);
    next.commit(9000n, 2n); // in a section that was never written
    assert.equal(next.planRead(9000n * 8n, 16n), [[first + 5, 2, COW]]);
    assert.is(next.stat('NR_CHANGED'), 7n);
    bench.close();
    next.close();
  });

  test('what a record is tied to must be the same', () => {
    const bench = opened();
    bench.call('mark', 800n, 8n);
    const stored = save(bench);
    const refused = (name: string, tied: Tie, mode = INCREMENTAL, size = nrSectors): void => {
      const next = fresh(mode, size);
      assert.is(load(next, stored, tied), refusal(name), name);
      assert.is(next.stat('NR_CHANGED'), 0n);
      next.close();
    };
    refused('WRONG_MODE', tie, SNAPSHOT);
    refused('RESIZED', tie, INCREMENTAL, nrSectors + 8n);
    refused('MOVED', (b) => {
      tie(b);
      b.call('record_extent', 4160n, 8n, 8n);
    });
    refused('MOVED', (b) => {
      tie(b);
      b.call('record_begin');
      b.call('record_extent', 4000n, 72000n, 160n);
    });
    // The same numbers, once of blocks and once of sectors.
    refused('MOVED', (b) => {
      tie(b);
      b.call('record_begin');
      b.call('record_extent', 0n, 1000n, 500n);
      b.call('record_extent', 500n, 9000n, 20n);
    });
    refused('FOREIGN', (b) => {
      tie(b);
      show(b, 8);
    });
    bench.close();
  });

  test('no record, another file, and every damaged byte are told apart', () => {
    const bench = opened();
    bench.call('mark', 800n, 8n);
    bench.call('mask_extent', 5n, 5n);
    const stored = save(bench);
    const answer = (change: (header: Buffer, pieces: Map<bigint, Buffer>) => void): bigint => {
      const header = Buffer.from(stored.header);
      const pieces = new Map([...stored.pieces].map(([at, bytes]) => [at, Buffer.from(bytes)]));
      change(header, pieces);
      const next = fresh();
      const result = load(next, { header, pieces });
      next.close();
      return result;
    };
    assert.is(
      answer(() => {}),
      0n,
    );
    assert.is(
      answer((header) => header.fill(0)),
      refusal('BAD_MAGIC'),
    );
    assert.is(
      answer((header) => header.fill(0, 64)),
      refusal('NOT_CLEAN'),
    );
    for (const at of [4, 8, 40, 63, 64, 72, 80, 100, 128, 140, 144, 4095]) {
      assert.is(
        answer((header) => header.writeUInt8(header[at]! ^ 1, at)),
        refusal('NOT_CLEAN'),
        `byte ${at}`,
      );
    }
    for (const [offset, bytes] of stored.pieces) {
      for (const at of [0, 13, bytes.length - 1]) {
        const result = answer((_, pieces) => pieces.get(offset)!.writeUInt8(bytes[at]! ^ 0x10, at));
        assert.is(result, refusal('DAMAGED'), `byte ${at} of the piece at ${offset}`);
      }
    }
    bench.close();
  });

  test('a record of the first version is refused with a reason of its own, if it is whole', () => {
    const bench = opened();
    const stored = save(bench);
    const header = Buffer.from(stored.header);
    header.writeUInt32LE(1, 72);
    const next = fresh();
    assert.is(load(next, { ...stored, header }), refusal('NOT_CLEAN'));
    header.writeBigUInt64LE(0n, 136);
    header.writeBigUInt64LE(new Xxh64().bytes(header), 136);
    assert.is(load(next, { ...stored, header }), refusal('OUTDATED'));
    assert.is(next.stat('NR_CHANGED'), 0n);
    next.close();
    bench.close();
  });

  test('the header block without the record is that of a file in use, and holds no record', () => {
    const bench = opened();
    const stored = save(bench);
    assert.is(bench.call('header_encode', 0n), 4096n);
    const open = Buffer.from(bench.buffer().subarray(0, 4096));
    assert.equal(open.subarray(0, 64), stored.header.subarray(0, 64));
    assert.is(stored.header.readUInt32LE(4), 2); // not CLEAN
    const next = fresh();
    assert.is(load(next, { header: open, pieces: stored.pieces }), refusal('NOT_CLEAN'));
    next.close();
    bench.close();
  });

  test('a snapshot without room is refused, one with just enough is not', () => {
    for (const spare of [-1n, 0n]) {
      const bench = opened(SNAPSHOT);
      bench.commit(3n, 1n);
      bench.call('set_fsize', bench.stat('FPOS') * 4096n + 4096n + 32768n + spare);
      assert.is(save(bench).planned, spare ? errno('ENOSPC') : 4096n + 32768n);
      bench.close();
    }
    const bench = opened(SNAPSHOT);
    bench.call('set_fsize', 0n);
    assert.is(bench.stat('ROOM'), 0n);
    assert.is(save(bench).planned, errno('ENOSPC'));
    bench.close();
  });

  test('a small origin has small pieces, and room for them in one section', () => {
    for (const size of [8n, 9n, SECTION_SECTORS, SECTION_SECTORS + 3n]) {
      const bench = opened(INCREMENTAL, size);
      bench.call('mark', 0n, 1n << 40n);
      bench.call('mask_extent', 0n, 1n << 30n);
      const stored = save(bench);
      assert.is(stored.planned, 12288n);
      const next = fresh(INCREMENTAL, size);
      assert.is(load(next, stored), 0n);
      assert.equal(changes(next), changes(bench));
      next.close();
      bench.close();
    }
  });

  test('bad arguments are refused', () => {
    const bench = opened();
    assert.is(bench.call('record_survey', bench.stat('MASK_CHUNKS')), errno('EINVAL'));
    assert.is(bench.call('record_survey', -1n), errno('EINVAL'));
    bench.call('proof_begin', 1n);
    assert.is(bench.call('proof_block', 262145n), errno('EINVAL'));
    bench.close();
  });

  test('a series of saves and loads at random loses nothing', () => {
    const next = numbers(20);
    const size = (262144n + 9000n) * 8n;
    for (let round = 0; round < 6; round++) {
      const mode = round % 2 ? INCREMENTAL : SNAPSHOT;
      let bench = opened(mode, size);
      const copied = new Set<number>();
      for (let step = 0; step < 4; step++) {
        for (let i = 0; i < 40; i++) {
          const block = next(3) ? next(9000) : 262144 + next(9000);
          if (mode === INCREMENTAL) bench.call('mark', BigInt(block) * 8n, BigInt(1 + next(64)));
          else if (!copied.has(block)) bench.commit(BigInt(block), 1n);
          copied.add(block);
          if (!next(10)) bench.call('mask_extent', BigInt(next(260000)), BigInt(next(100)));
        }
        const stored = save(bench);
        // In turns, so that the one before stays whole until the header names the new one.
        const place = mode === INCREMENTAL ? slotOffset(size, BigInt(step % 2)) : bench.stat('FPOS') * 4096n;
        assert.is(stored.pieces.keys().next().value, place);
        const loaded = fresh(mode, size);
        for (const [section, bytes] of bench.file) loaded.file.set(section, bytes);
        assert.is(load(loaded, stored), 0n);
        assert.equal(changes(loaded), changes(bench));
        assert.equal(mask(loaded), mask(bench));
        assert.is(loaded.stat('NR_CHANGED'), bench.stat('NR_CHANGED'));
        if (mode === SNAPSHOT) {
          for (const block of copied)
            assert.equal(loaded.planRead(BigInt(block) * 8n, 8n), bench.planRead(BigInt(block) * 8n, 8n));
        }
        bench.close();
        bench = loaded;
      }
      bench.close();
    }
  });

  test.run();
}
