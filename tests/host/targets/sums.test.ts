import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusalError } from '../../../host/errors.js';
import { BLOCK_BYTES } from '../../../host/layout.js';
import { Xxh64 } from '../../../host/manifest/hashing.js';
import { createOwn, openOwn, removeFile } from '../../../host/system/safe-files.js';
import type { SumRun } from '../../../host/targets/sums.js';
import { compareSums, overlay, readSums, SumsWriter } from '../../../host/targets/sums.js';

const scratch = mkdtempSync(join(tmpdir(), 'datto-sums-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const xxh64 = new Xxh64();
const BLOCKS = 700;

/** A layer: for each block a letter, `0` for zeros, or nothing. */
type Layer = readonly (number | undefined)[];
const layers = fc.array(
  fc.array(fc.tuple(fc.nat(40), fc.option(fc.nat(3), { nil: undefined, freq: 3 })), { maxLength: 40 }).map((runs) => {
    const layer: (number | undefined)[] = [];
    for (const [count, value] of runs) for (let at = 0; at < count && layer.length < BLOCKS; at++) layer.push(value);
    return layer as Layer;
  }),
  { minLength: 1, maxLength: 4 },
);

const blockOf = (value: number): Buffer => Buffer.alloc(BLOCK_BYTES, value);

/** Writes a layer in pieces, and reads it again. */
const stored = (layer: Layer, name = 'layer'): SumRun[] => {
  const path = join(scratch, name);
  removeFile(path);
  const file = createOwn(path);
  const writer = new SumsWriter(file, xxh64);
  layer.forEach((value, block) => {
    if (value === 0) writer.add({ start: block, count: 1, sums: undefined });
    else if (value !== undefined) writer.put(blockOf(value), block * BLOCK_BYTES);
  });
  writer.finish();
  file.close();
  const again = openOwn(path, 'r');
  const runs = [...readSums(again, xxh64)];
  again.close();
  return runs;
};

const textOf = (sums: Buffer | undefined, at: number): string =>
  sums ? sums.toString('hex', at * 8, at * 8 + 8) : 'zeros';

/** Sums by block; every block once, ascending. */
const byBlock = (runs: Iterable<SumRun>): Map<number, string> => {
  const found = new Map<number, string>();
  let end = 0;
  for (const { start, count, sums } of runs) {
    assert.ok(start >= end && count > 0);
    for (let at = 0; at < count; at++) found.set(start + at, textOf(sums, at));
    end = start + count;
  }
  return found;
};

const sumText = (value: number): string => (value === 0 ? 'zeros' : textOf(xxh64.blocks(blockOf(value)), 0));

test('layers are stored, read and laid over each other', () => {
  fc.assert(
    fc.property(layers, (all) => {
      const expected = new Map<number, string>();
      for (const layer of all)
        layer.forEach((value, block) => {
          if (value !== undefined) expected.set(block, sumText(value));
        });
      let runs: SumRun[] = [];
      for (const layer of all) runs = [...overlay(stored(layer), runs)];
      const sorted = new Map([...expected].sort(([a], [b]) => a - b));
      assert.equal(byBlock(runs), sorted);
    }),
    { numRuns: 100 },
  );
});

test('content is compared with its sums', () => {
  const bytes = 10 * BLOCK_BYTES + 512;
  const content = Buffer.alloc(bytes, 5);
  content.fill(0, 2 * BLOCK_BYTES, 4 * BLOCK_BYTES);
  const path = join(scratch, 'content');
  const file = createOwn(path);
  const writer = new SumsWriter(file, xxh64);
  writer.put(content.subarray(0, 2 * BLOCK_BYTES), 0);
  writer.add({ start: 2, count: 2, sums: undefined });
  writer.put(content.subarray(4 * BLOCK_BYTES), 4 * BLOCK_BYTES);
  writer.finish();
  const compare = (): { wrong: number; damage: unknown[]; done: number } => {
    const damage: unknown[] = [];
    let done = 0;
    const read = (target: Buffer, offset: number): void => void content.copy(target, 0, offset, offset + target.length);
    const wrong = compareSums(
      readSums(file, xxh64),
      bytes,
      read,
      xxh64,
      (run) => damage.push(run),
      (at) => (done = at),
    );
    return { wrong, damage, done };
  };
  assert.equal(compare(), { wrong: 0, damage: [], done: bytes });
  content[3 * BLOCK_BYTES]! ^= 1;
  content[4 * BLOCK_BYTES + 9]! ^= 128;
  content[bytes - 1]! ^= 2;
  assert.equal(compare(), {
    wrong: 3,
    damage: [
      { start: 3, count: 2 },
      { start: 10, count: 1 },
    ],
    done: bytes,
  });
  file.close();
});

test('blocks without a sum count as damage', () => {
  const damage: unknown[] = [];
  const wrong = compareSums(
    [{ start: 2, count: 1, sums: undefined }],
    5 * BLOCK_BYTES,
    (target) => void target.fill(0),
    xxh64,
    (run) => damage.push(run),
    () => undefined,
  );
  assert.is(wrong, 4);
  assert.equal(damage, [
    { start: 0, count: 2 },
    { start: 3, count: 2 },
  ]);
});

test('a writer goes on where another stopped', () => {
  const path = join(scratch, 'parts');
  const file = createOwn(path);
  const first = new SumsWriter(file, xxh64);
  first.put(blockOf(1), 0);
  first.add({ start: 1, count: 3, sums: undefined });
  const length = first.sync();
  // Lost: it is behind the last sync.
  first.put(blockOf(9), 4 * BLOCK_BYTES);
  const second = new SumsWriter(file, xxh64, length);
  second.add({ start: 4, count: 1, sums: undefined });
  second.put(blockOf(2), 5 * BLOCK_BYTES);
  second.finish();
  const found = byBlock(readSums(file, xxh64));
  assert.equal([...found.values()], [1, 0, 0, 0, 0, 2].map(sumText));
  file.close();
});

test('a damaged or unfinished file is refused', () => {
  const path = join(scratch, 'damaged');
  const file = createOwn(path);
  const refuses = (): void =>
    assert.throws(
      () => [...readSums(file, xxh64)],
      (error: unknown) => error instanceof RefusalError && error.code === 'NO_MANIFEST',
    );
  refuses();
  const writer = new SumsWriter(file, xxh64);
  writer.put(blockOf(1), 0);
  writer.sync();
  refuses();
  writer.finish();
  assert.is([...readSums(file, xxh64)].length, 1);
  // Start, number and kind of the first record.
  for (const at of [0, 16, 24, 40, 44]) {
    const byte = Buffer.alloc(1);
    file.readFull(byte, at);
    file.writeFull(Buffer.from([byte[0]! ^ 4]), at);
    if (at < 32 || at >= 40) refuses();
    file.writeFull(byte, at);
  }
  file.writeFull(Buffer.alloc(1), Number(file.stat().size));
  refuses();
  file.close();
});

test.run();
