// Live checkpoints at their worst, for bounds.test.ts.

import * as assert from 'uvu/assert';
import {
  COMMIT_BLOCKS_MAX,
  MAP_BLOCK_WORDS,
  MAP_BLOCKS_MAX,
  MASK_CHUNK_BLOCKS,
  REGION_BLOCKS_MIN,
  SLICE_BLOCKS,
  XFS_LOG_MAGIC,
} from '../../host/layout.js';
import { type Bench, INCREMENTAL, PLENTY, type Setup } from './harness.js';
import { lookAt } from './live-driver.js';
import { readFrom, superblockWith } from './live-superblock.js';

const SLICE = BigInt(SLICE_BLOCKS);
const CHUNK = BigInt(MASK_CHUNK_BLOCKS);

type Opened = (setup: Partial<Setup>) => Bench;

export const eachOther = (first: bigint, count: bigint, act: (block: bigint) => void): void => {
  for (let block = first; block < first + count; block += 2n) act(block);
};

export const markEachOther = (bench: Bench, first: bigint, count: bigint): void =>
  eachOther(first, count, (block) => bench.call('mark', block * 8n, 8n));

export const maskEachOther = (bench: Bench, first: bigint, count: bigint): void =>
  eachOther(first, count, (block) => bench.call('mask_extent', block, 1n));

export const tie = (bench: Bench): void => {
  bench.call('record_begin');
  bench.call('record_extent', 3n, 8000n, 4000n);
  lookAt(bench, 'WHOLE', readFrom(superblockWith()));
};

/** Blocks of the map, as many at once as one call takes. */
const eachOfMap = (bench: Bench, act: (block: bigint, count: bigint) => void): void => {
  const blocks = bench.stat('MAP_BLOCKS');
  const most = BigInt(MAP_BLOCKS_MAX);
  for (let block = 0n; block < blocks; block += most) act(block, blocks - block < most ? blocks - block : most);
};

/** Writes what waits for the map. Returns how many blocks it took. */
const flushMap = (bench: Bench): number => {
  let nr = 0;
  for (let block = 0n; (block = bench.call('map_next', block)) < bench.stat('MAP_BLOCKS'); block++, nr++) {
    bench.call('map_export', block, 1n);
    assert.is(bench.call('map_written', block, 1n), 0n);
  }
  return nr;
};

const identify = (bench: Bench, superblock: Buffer, goes = 0n): bigint => {
  bench.buffer().set(superblock);
  return bench.call('live_identity', goes);
};

/** Slices far apart, from a chunk on: an untouched one; some words of them marked or masked, and of the others each other block. */
const markSlices = (bench: Bench, chunk: bigint): void => {
  bench.call('mark', (chunk * CHUNK - SLICE / 2n) * 8n, SLICE * 8n);
  for (let done = 0n; done <= SLICE; done += SLICE / 4n) {
    const first = chunk * CHUNK + SLICE / 2n + 1n + done * 8n;
    const masked = first + 500n * CHUNK;
    for (let at = 0n; at < done; at += 64n) bench.call('mark', (first + at) * 8n, (done - at < 64n ? 63n : 64n) * 8n);
    markEachOther(bench, first + done, SLICE - done);
    maskEachOther(bench, masked + done, SLICE - done);
    for (let again = 0; again < 2; again++) {
      bench.call('mark', first * 8n, SLICE * 8n);
      bench.call('mark_unmasked', masked, SLICE);
    }
  }
};

/** Marks a block of each word of the map that its last few blocks have. */
const markMapEnd = (bench: Bench): void => {
  const blocks = bench.stat('NR_BLOCKS');
  const covered = 64n * bench.stat('REGION_BLOCKS');
  const from = blocks - BigInt(MAP_BLOCKS_MAX * MAP_BLOCK_WORDS) * covered;
  for (let block = from < 0n ? 0n : from; block < blocks; block += covered) bench.call('mark', block * 8n, 8n);
};

/** A live checkpoint, up to its header; its pieces. `chunk`: where is marked meanwhile. */
const makeLive = (bench: Bench, chunk: bigint): Buffer[] => {
  assert.is(bench.call('live_begin'), 0n);
  tie(bench);
  markSlices(bench, chunk);
  markEachOther(bench, (chunk + 300n) * CHUNK, bench.stat('REGION_BLOCKS'));
  markMapEnd(bench);
  for (let at = 0n; at < bench.stat('MASK_CHUNKS'); at++) bench.call('record_survey', at);
  assert.ok(bench.call('record_plan') > 0n);
  const pieces: Buffer[] = [];
  for (let bytes: bigint; (bytes = bench.call('record_next')) !== 0n; ) {
    bench.call('record_export');
    pieces.push(Buffer.from(bench.buffer().subarray(0, Number(bytes))));
  }
  assert.is(identify(bench, superblockWith()), 1n);
  eachOfMap(bench, (block, count) => {
    assert.is(bench.call('live_switch', block, count), 0n);
    assert.is(bench.call('map_export', block, count), 4096n * count);
    assert.ok(bench.call('map_offset', block) > 0n);
  });
  markSlices(bench, chunk + 1000n);
  bench.call('live_encode');
  return pieces;
};

const loadLive = (bench: Bench, header: Buffer, pieces: readonly Buffer[], map: readonly Buffer[]): void => {
  tie(bench);
  bench.buffer().set(header);
  assert.is(bench.call('record_check'), 0n);
  for (const piece of pieces) {
    bench.call('record_next');
    bench.buffer().set(piece);
    assert.is(bench.call('record_import'), 0n);
  }
  assert.is(bench.call('record_next'), 0n);
  map.forEach((bytes, block) => {
    bench.buffer().set(bytes);
    assert.is(bench.call('map_import', block), 0n);
  });
  lookAt(bench, 'TIE', readFrom(superblockWith({ 48: 1 })));
  assert.is(bench.call('record_accept'), 0n);
  for (let chunk = 0n; chunk < bench.stat('MASK_CHUNKS'); chunk++) bench.call('map_recount', chunk);
  const regions = bench.stat('NR_BLOCKS') / bench.stat('REGION_BLOCKS');
  for (let region = 0n; region < regions; ) {
    const next = bench.call('map_recover', region);
    assert.ok(next > region, `${next}`);
    region = next;
  }
};

/** Two checkpoints, what comes between them, and a load. */
export const liveCheckpoints = (opened: Opened, size: number): void => {
  const bench = opened({ mode: INCREMENTAL });
  const blocks = bench.stat('NR_BLOCKS');
  assert.is(bench.call('regions_set', size), 0n);
  const maps = bench.stat('MAP_BLOCKS');
  makeLive(bench, 2000n);
  assert.is(bench.call('live_commit'), 0n);
  assert.ok(flushMap(bench) > 0);
  markSlices(bench, 8000n);
  markMapEnd(bench);
  assert.ok(flushMap(bench) > 0);
  eachOfMap(bench, (block, count) => {
    bench.call('map_export', block, count);
    assert.is(bench.call('map_written', block, count), 0n);
  });
  bench.call('mark', blocks * 8n - 8n, 8n);
  assert.is(bench.call('map_next', 0n), maps - 1n);

  assert.is(identify(bench, superblockWith({ 48: 1 }), 1n), 0n);
  bench.call('live_renew');
  const pieces = makeLive(bench, 4000n);
  const header = Buffer.from(bench.buffer().subarray(0, 4096));
  assert.is(bench.call('live_commit'), 0n);
  const map: Buffer[] = [];
  for (let block = 0n; block < maps; block++) {
    bench.call('map_export', block, 1n);
    map.push(Buffer.from(bench.buffer().subarray(0, 4096)));
  }
  loadLive(opened({ mode: INCREMENTAL }), header, pieces, map);
  bench.buffer().set(superblockWith({ 48: 1 }));
  assert.is(bench.call('live_void'), 0n);
  assert.is(bench.call('live_drop'), 0n);
};

/** In snapshot mode, with a live checkpoint. */
export const copiedLive = (opened: Opened): void => {
  const bench = opened({});
  assert.is(bench.call('regions_set', REGION_BLOCKS_MIN), 0n);
  const keep = (block: bigint): void => {
    bench.call('regions_keep', block, SLICE);
  };
  keep(5n * CHUNK + 7n);
  assert.is(bench.call('live_begin'), 0n);
  keep(6n * CHUNK + 7n);
  for (let at = 0n; at < SLICE; at += BigInt(COMMIT_BLOCKS_MAX)) {
    bench.served('commit_copy', CHUNK + at, COMMIT_BLOCKS_MAX);
    bench.served('commit_copy', 9n * CHUNK + at + 100n, COMMIT_BLOCKS_MAX);
  }
  tie(bench);
  for (let at = 0n; at < bench.stat('MASK_CHUNKS'); at++) bench.call('record_survey', at);
  assert.ok(bench.call('record_plan') > 0n);
  while (bench.call('record_next') !== 0n) bench.call('record_export');
  assert.is(identify(bench, superblockWith()), 1n);
  eachOfMap(bench, (block, count) => assert.is(bench.call('live_switch', block, count), 0n));
  bench.call('live_encode');
  assert.is(bench.call('live_commit'), 0n);
  for (let at = 0n; at < SLICE; at += 2n) bench.served('commit_copy', 20n * CHUNK + at, 1n);
  bench.call('is_copied', CHUNK * 8n, SLICE * 8n);
  keep(7n * CHUNK + 7n);
  assert.is(bench.call('to_incremental', 1n << 40n), 0n);
};

/** Records of the log of an XFS, of which the oldest comes last. */
export const logRecords = (opened: Opened): void => {
  const bench = opened({ mode: INCREMENTAL });
  const sectors = 2 ** 22;
  const last = 5000;
  assert.is(bench.call('live_rest', sectors, last, 3), 0n);
  const header = Buffer.alloc(1024);
  header.writeUInt32BE(XFS_LOG_MAGIC, 0);
  header.writeUInt32BE(3, 4);
  header.writeUInt32BE(512, 12);
  for (const number of [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1]) {
    bench.buffer().set(header);
    assert.is(bench.call('live_log', last + 2 * number, 2), 1n);
  }
};

/** A clean checkpoint that becomes a live one. */
export const resumed = (opened: Opened): void => {
  const bench = opened({ mode: INCREMENTAL });
  assert.is(bench.call('regions_set', REGION_BLOCKS_MIN), 0n);
  tie(bench);
  assert.ok(bench.call('record_plan') > 0n);
  while (bench.call('record_next') !== 0n) bench.call('record_export');
  bench.call('record_encode');
  assert.is(identify(bench, superblockWith()), 1n);
  assert.is(bench.call('live_resume'), 0n);
  eachOfMap(bench, (block, count) => bench.call('map_export', block, count));
  assert.is(bench.call('live_commit'), 0n);
};

/** A live checkpoint that the core of the next snapshot takes over, with all of its map. */
export const takenOver = (opened: Opened): void => {
  const [bench, next] = [opened({ mode: INCREMENTAL }), opened({})];
  for (const core of [bench, next]) assert.is(core.call('regions_set', REGION_BLOCKS_MIN), 0n);
  const place = next.call('slots_take');
  assert.ok(place > 0n);
  assert.is(bench.call('live_move', place, PLENTY), 0n);
  tie(bench);
  assert.is(bench.call('live_begin'), 0n);
  assert.ok(bench.call('record_plan') > 0n);
  while (bench.call('record_next') !== 0n) bench.call('record_export');
  assert.is(identify(bench, superblockWith()), 1n);
  eachOfMap(bench, (block, count) => assert.is(bench.call('live_switch', block, count), 0n));
  assert.is(bench.call('live_encode'), 4096n);
  const header = Buffer.from(bench.buffer().subarray(0, 4096));
  assert.is(bench.call('live_commit'), 0n);
  next.buffer().set(header);
  assert.is(next.call('live_inherit'), 0n);
  for (let block = 0n; block < bench.stat('MAP_BLOCKS'); block++) {
    bench.call('map_export', block, 1n);
    next.buffer().set(bench.buffer().subarray(0, 4096));
    assert.is(next.call('map_import', block), 0n);
  }
  next.buffer().set(header);
  assert.is(next.call('live_take_over'), 0n);
  assert.is(next.call('live_former_closed'), 1n);
  assert.is(next.call('header_encode', 1n), 4096n);
  assert.is(next.call('header_follow'), 0n);
};
