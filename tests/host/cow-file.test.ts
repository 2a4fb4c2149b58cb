import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Core } from '../../host/cow/core.js';
import { CowFile } from '../../host/cow/cow-file.js';
import type { RefusalCode } from '../../host/errors.js';
import { OpenFile } from '../../host/system/files.js';
import type { Syscalls } from '../../host/system/syscalls.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { bytesRead } from './bytes-read.js';
import type { CowOptions } from './cow-maker.js';
import { dataOffset, makeCowFile, UUID } from './cow-maker.js';

const folder = mkdtempSync(join(tmpdir(), 'datto-cow-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'cow');

const withCow = <T>(options: CowOptions, run: (cow: CowFile) => T, syscalls: Syscalls = nativeSyscalls()): T => {
  makeCowFile(path, options);
  const core = new Core();
  assert.is(core.call('init', options.nrSectors, 0, 1), 0n);
  const cow = new CowFile(core, syscalls, OpenFile.open(path, 'r'), options.nrSectors);
  try {
    return run(cow);
  } finally {
    cow.close();
  }
};

/** Blocks listed, each once. */
const changed = (options: CowOptions, syscalls?: Syscalls): number[] =>
  withCow(
    options,
    (cow) => [...cow.changedRuns()].flatMap(({ start, count }) => Array.from({ length: count }, (_, at) => start + at)),
    syscalls,
  );

const refusal = (run: () => unknown): RefusalCode | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as { code: RefusalCode }).code;
  }
};

const SECTORS = 524288;

test('header() reads all fields', () => {
  assert.equal(
    withCow({ nrSectors: SECTORS, entries: [[5, 1n]], seqid: 2n ** 63n }, (cow) => cow.header()),
    {
      flags: 3,
      fpos: 9n,
      fsize: 36864n,
      seqid: 2n ** 63n,
      uuid: UUID,
      version: 1n,
      nrChangedBlocks: 1n,
    },
  );
});

test('header() takes files of either mode, clean or not', () => {
  for (const flags of [0, 1, 2, 3, 0x80000004]) {
    assert.is(
      withCow({ nrSectors: SECTORS, entries: [], flags }, (cow) => cow.header().flags),
      flags,
    );
  }
});

test('requireChangeList() has a code for each refusal', () => {
  const codes: ReadonlyArray<readonly [Partial<CowOptions>, RefusalCode | undefined]> = [
    [{}, undefined],
    [{ flags: 0xfffffff7 }, undefined],
    [{ bytes: 63 }, 'HEADER_SHORT'],
    [{ bytes: 0 }, 'HEADER_SHORT'],
    [{ magic: 4777 }, 'BAD_MAGIC'],
    [{ flags: 2 }, 'NOT_CLEAN'],
    [{ flags: 1 }, 'NOT_INCREMENTAL'],
    [{ bytes: dataOffset(SECTORS) - 1 }, 'INDEX_SHORT'],
  ];
  for (const [options, code] of codes) {
    assert.is(
      refusal(() => withCow({ nrSectors: SECTORS, entries: [], ...options }, (cow) => cow.requireChangeList())),
      code,
    );
  }
});

test('changedRuns() finds entries at the ends of sections, of chunks and of the index', () => {
  const blocks = [0, 4095, 4096, 32767, 32768, 65535];
  assert.equal(changed({ nrSectors: SECTORS, entries: blocks.map((block) => [block, 1n]) }), blocks);
});

test('changedRuns() takes any value but 0 for changed', () => {
  assert.equal(
    changed({
      nrSectors: SECTORS,
      entries: [
        [7, 129n],
        [8, 2n ** 63n],
        [9, 0n],
        [10, 1n << 32n],
      ],
    }),
    [7, 8, 10],
  );
});

test('changedRuns() does not read the holes of a large index', () => {
  const nrSectors = 2 ** 35;
  const blocks = [3, 2 ** 31, 2 ** 32 - 1];
  const bytes = bytesRead(() => {
    assert.equal(changed({ nrSectors, entries: blocks.map((block) => [block, 1n]) }), blocks);
  });
  assert.ok(bytes < 2 ** 24, `${bytes} bytes were read`);
});

test('changedRuns() reads all where the filesystem knows of no holes', () => {
  const syscalls = { ...nativeSyscalls(), nextData: (_fd: number, offset: number) => offset };
  assert.equal(changed({ nrSectors: SECTORS, entries: [[40000, 1n]] }, syscalls), [40000]);
});

test('changedRuns() stops at the end of the index', () => {
  // Entry 4096 would be the first of the data area.
  assert.equal(
    changed({
      nrSectors: 32768,
      entries: [
        [4095, 1n],
        [4096, 1n],
      ],
      bytes: 100000,
    }),
    [4095],
  );
});

test('changedRuns() lists a partial last block by its entry, or always if it has none', () => {
  assert.equal(changed({ nrSectors: 4096 * 8 - 1, entries: [] }), []);
  assert.equal(changed({ nrSectors: 4096 * 8 - 1, entries: [[4095, 1n]] }), [4095]);
  assert.equal(changed({ nrSectors: 4096 * 8 + 1, entries: [] }), [4096]);
  assert.equal(changed({ nrSectors: 7, entries: [], bytes: 4096 }), [0]);
});

test('changedRuns() equals a model on random indexes', () => {
  const seed = Date.now();
  let state = seed % 2147483647;
  const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  for (let round = 0; round < 20; round++) {
    const nrBlocks = 1 + random(200000);
    const blocks = new Set<number>();
    for (let run = 0; run < 60; run++) {
      const start = random(nrBlocks);
      for (let block = start; block < Math.min(nrBlocks, start + 1 + random(40)); block++) blocks.add(block);
    }
    const expected = [...blocks].sort((a, b) => a - b);
    const entries = expected.map((block) => [block, 1n + BigInt(random(9))] as const);
    assert.equal(changed({ nrSectors: nrBlocks * 8, entries }), expected, `seed ${seed}`);
  }
});

test('an index of nothing but lone blocks fits the runs of one call', () => {
  const blocks = Array.from({ length: 32768 }, (_, at) => at * 2);
  assert.equal(changed({ nrSectors: SECTORS, entries: blocks.map((block) => [block, 1n]) }), blocks);
});

test.run();
