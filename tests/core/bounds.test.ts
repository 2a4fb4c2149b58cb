// The core is called with interrupts off. So no call may take long, whatever it is asked, and whatever the core knows.
// TABLE=1 prints what each export takes at most.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CORE_EXPORTS, type CoreExport } from '../../host/core-exports.js';
import {
  COMMIT_BLOCKS_MAX,
  MASK_CHUNK_BLOCKS,
  MASK_CHUNK_BYTES,
  PLAN_BLOCKS_MAX,
  PLAN_RANGES_MAX,
  READ_BLOCKS_MAX,
  REGION_BLOCKS_MAX,
  REGION_BLOCKS_MIN,
  SECTION_BYTES,
  SLICE_BLOCKS,
} from '../../host/layout.js';
import {
  copiedLive,
  eachOther,
  liveCheckpoints,
  logRecords,
  markEachOther,
  maskEachOther,
  resumed,
  takenOver,
  tie,
} from './bounds-live.js';
import { type Costs, countingCore, countingEngine } from './counting.js';
import { Bench, errno, INCREMENTAL, READ, SECTION_BLOCKS, type Setup, WRITE } from './harness.js';

/** Operations of one call: some 100 us in wasm3, some 500 us if it is built with retpolines. */
const MOST = 50_000;
const TIB = 1n << 31n;
const LARGEST = 64n * TIB;
const SLICE = BigInt(SLICE_BLOCKS);
const CHUNK = BigInt(MASK_CHUNK_BLOCKS);
/** Far from the start, in the middle of a leaf, so that a slice lies in two of them. */
const PLACE = 300n * CHUNK + SLICE / 2n + 1n;

const costs: Costs = new Map();
let counting: Uint8Array<ArrayBuffer>;

const opened = (setup: Partial<Setup> = {}): Bench =>
  new Bench(countingEngine(counting, costs), { nrSectors: LARGEST, cacheBytes: 64n << 20n, ...setup });

/** Gives the two leaves of a slice from PLACE on memory of their own, in both bitmaps. */
const ownLeaves = (bench: Bench): void => {
  for (const block of [PLACE - 1n, PLACE + SLICE]) {
    bench.call('mark', block * 8n, 8n);
    bench.call('mask_extent', block, 1n);
  }
};

const slice = [PLACE * 8n, SLICE * 8n] as const;

const test = suite('core bounds');

test.before(async () => {
  counting = (await countingCore()) as Buffer<ArrayBuffer>;
});

test('bits of a slice', () => {
  for (const prepare of [() => {}, ownLeaves]) {
    for (const mode of ['mark', 'mark_unmasked'] as const) {
      const bench = opened({ mode: INCREMENTAL });
      prepare(bench);
      if (mode === 'mark') bench.call('mark', ...slice);
      else bench.call('mark_unmasked', PLACE, SLICE);
      assert.is(bench.call('is_copied', ...slice), 1n);
      bench.call('mask_extent', PLACE, SLICE);
    }
  }
  const bench = opened({ mode: INCREMENTAL });
  markEachOther(bench, PLACE, SLICE);
  maskEachOther(bench, PLACE, SLICE / 2n);
  bench.call('mark_unmasked', PLACE, SLICE);
  bench.call('mark', ...slice);
  assert.is(bench.call('is_copied', ...slice), 1n);
  bench.call('mask_extent', PLACE, SLICE);
  for (let block = 0n; block < 20n * SLICE; block += SLICE) bench.call('mark', (5n * CHUNK + block) * 8n, SLICE * 8n);
});

test('plans of copies', () => {
  const blocks = BigInt(PLAN_BLOCKS_MAX);
  const whole = [PLACE * 8n, blocks * 8n] as const;
  const nr = blocks / BigInt(PLAN_RANGES_MAX);
  const ranges = Array.from({ length: PLAN_RANGES_MAX }, (_, i) => [(PLACE + BigInt(i) * nr) * 8n, nr * 8n] as const);
  const holes = ranges.map(([sector]) => [sector, (nr / 2n) * 8n] as const);
  const same = ranges.map(() => whole);
  const bench = opened();
  const plan = (): void => {
    for (const asked of [[whole], ranges, holes, same]) {
      for (const most of [512n, 1n << 40n]) assert.not.equal(bench.planCopy(asked, most), errno('EINVAL'));
    }
  };
  plan();
  ownLeaves(bench);
  plan();
  maskEachOther(bench, PLACE, SLICE);
  plan();
  // Runs of both kinds, and copied blocks between them, behind a part that is copied.
  for (let block = PLACE + 3n; block < PLACE + SLICE; block += 4n) bench.call('mark', block * 8n, 8n);
  plan();
  bench.call('mark', PLACE * 8n, blocks * 4n);
  plan();
  markEachOther(bench, PLACE + blocks / 2n, blocks / 2n);
  plan();
  bench.call('mark', PLACE * 8n, blocks * 8n - 2048n);
  plan();
  bench.call('mark', ...slice);
  plan();
});

test('commits, and reads of what was committed', () => {
  const nr = BigInt(COMMIT_BLOCKS_MAX);
  const bench = opened();
  const far = 4n * nr;
  for (const first of [PLACE, PLACE + far + 1n, (PLACE / SECTION_BLOCKS) * SECTION_BLOCKS + 8n * SECTION_BLOCKS - 3n]) {
    bench.commit(first, 3n * nr);
    for (const length of [nr, 1n << 40n]) bench.call('plan_read', first * 8n, length * 8n);
  }
  eachOther(PLACE + 9n * nr, nr, (block) => bench.commit(block, 1n));
  eachOther(PLACE + 11n * nr, nr, (block) => bench.commit(block + 1n, 1n));
  eachOther(PLACE + 11n * nr, nr, (block) => bench.commit(block, 1n));
  maskEachOther(bench, PLACE + 14n * nr, nr);
  for (const first of [9n, 11n, 14n, 20n])
    for (const length of [BigInt(READ_BLOCKS_MAX), 1n << 40n])
      bench.call('plan_read', (PLACE + first * nr) * 8n, length * 8n);
  bench.flush();
});

test('sections: a full cache of which all is used, a smaller one, and bitmaps that take frames of it', () => {
  const slots = 8192n;
  const bench = opened({ cacheBytes: slots * BigInt(SECTION_BYTES) });
  const last = bench.stat('NR_SECTIONS') - 1n;
  for (let section = 0n; section < slots; section++) bench.loadSection(section * 300n);
  for (let section = 0n; section < 1024n; section++) bench.call('export_section', section * 300n);
  bench.commit(last * SECTION_BLOCKS, 2n);
  assert.is(bench.call('next_dirty_section', 0n), last);
  bench.writeOut();
  bench.call('memory_wanted');
  // One slot is free, and not at the end.
  bench.loadSection(last, READ);
  bench.loadSection(last);
  for (let leaf = 0n; leaf < 40n; leaf++) bench.call('mask_extent', leaf * SLICE + 1n, 1n);
  for (let section = 0n; section < 64n; section++) bench.commit((last - section) * SECTION_BLOCKS + 7n, 1n);
  let asked = 0;
  for (let result: bigint; (result = bench.call('set_cache', 0n)) !== 0n; asked++)
    if (result === WRITE) bench.writeOut();
  assert.ok(asked > 10);
  for (let section = 0n; section < 64n; section++) bench.commit((last - section) * SECTION_BLOCKS + 9n, 1n);
  bench.flush();
  for (let section = 0n; section < 64n; section++) bench.loadSection(last - section);
  bench.call('to_incremental', 0n);
  bench.call('set_cache', 0n);
  bench.call('memory_wanted');
});

/** What a chunk of a bitmap may look like. */
const CHUNKS: readonly ((chunk: Buffer) => void)[] = [
  (chunk) => chunk.fill(0xff),
  (chunk) => chunk.fill(0x55),
  (chunk) => chunk.fill(0).writeUInt8(1, MASK_CHUNK_BYTES - 1),
  (chunk) => {
    chunk.fill(0xff);
    for (let at = 4095; at < MASK_CHUNK_BYTES; at += 4096) chunk.writeUInt8(0, at);
  },
  (chunk) => {
    chunk.fill(0);
    for (let at = 511; at < MASK_CHUNK_BYTES; at += 512) chunk.writeUInt8(1, at);
  },
];

const chunkOf = (bench: Bench): Buffer => bench.buffer().subarray(0, MASK_CHUNK_BYTES);

test('chunks of bitmaps, and a checkpoint of them', () => {
  for (const mode of [0n, INCREMENTAL]) {
    const bench = opened({ mode });
    const chunks = bench.stat('MASK_CHUNKS');
    CHUNKS.forEach((fill, i) => {
      for (const chunk of [BigInt(i), chunks - 1n - 64n * BigInt(i)]) {
        fill(chunkOf(bench));
        assert.is(bench.call('mask_import', chunk), 0n);
        CHUNKS[(i + 1) % CHUNKS.length]!(chunkOf(bench));
        assert.is(bench.call('changed_import', chunk), 0n);
        bench.call('mask_export', chunk);
        bench.call('mask_next', 0n);
        assert.is(bench.call('changed_export', chunk), 1n);
      }
    });
    tie(bench);
    bench.call('mask_begin');
    for (let chunk = 0n; chunk < chunks; chunk++) {
      chunk = bench.call('mask_next', chunk);
      if (chunk < chunks) bench.call('mask_export', chunk);
    }
    bench.call('mask_next', 0n);
    for (let chunk = 0n; chunk < chunks; chunk++) bench.call('record_survey', chunk);
    assert.ok(bench.call('record_plan') > 0n);
    const pieces: Buffer[] = [];
    for (let bytes: bigint; (bytes = bench.call('record_next')) !== 0n; ) {
      bench.call('record_export');
      bench.call('record_offset');
      pieces.push(Buffer.from(bench.buffer().subarray(0, Number(bytes))));
    }
    bench.call('record_encode');
    const header = Buffer.from(bench.buffer().subarray(0, 4096));

    const next = opened({ mode });
    tie(next);
    next.buffer().set(header);
    assert.is(next.call('record_check'), 0n);
    for (const piece of pieces) {
      next.call('record_next');
      next.buffer().set(piece);
      assert.is(next.call('record_import'), 0n);
    }
    assert.is(next.call('record_next'), 0n);
    assert.is(next.call('record_accept'), 0n);
  }
});

test('live checkpoints, with the smallest and the largest regions', () => {
  for (const size of [REGION_BLOCKS_MIN, REGION_BLOCKS_MAX]) liveCheckpoints(opened, size);
});

test('a live checkpoint in snapshot mode', () => copiedLive(opened));

test('a live checkpoint that a clean one becomes', () => resumed(opened));
test('a live checkpoint that the next snapshot takes over', () => takenOver(opened));

test('records of a log', () => logRecords(opened));

test('what is left', () => {
  const bench = opened();
  bench.call('header_encode', 1n);
  bench.buffer().fill(0, 0, 512);
  bench.buffer().set(Buffer.from(`/${'x'.repeat(510)}`));
  assert.is(bench.call('header_close', 1n), 4096n);
  bench.call('set_fsize', 1n << 40n);
  bench.call('room_wanted');
  for (let i = 0; i < 20; i++) bench.call('room_make');
  assert.is(bench.call('to_incremental', 0n), 0n);
});

test(`no call that others may have to wait for takes more than ${MOST} operations`, () => {
  const rows = CORE_EXPORTS.map((row: CoreExport) => [row.name, costs.get(row.name), row.alone === true] as const);
  if (process.env.TABLE) for (const [name, cost] of rows) console.log(`${name.padEnd(24)} ${cost ?? 'not called'}`);
  const shared = rows.filter(([, , alone]) => !alone);
  assert.equal(
    shared.filter(([, cost]) => cost === undefined).map(([name]) => name),
    [],
  );
  assert.equal(
    shared.filter(([, cost]) => (cost ?? 0) > MOST).map(([name, cost]) => `${name}: ${cost}`),
    [],
  );
});

test.run();
