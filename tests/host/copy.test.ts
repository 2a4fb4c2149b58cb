import { randomFillSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CopyFailure, CopyOptions, CopyResult } from '../../host/copy/copy.js';
import { copyPieces, WINDOW_BYTES } from '../../host/copy/copy.js';
import type { Piece } from '../../host/cow/runs.js';
import { PIECE_BYTES, toPieces } from '../../host/cow/runs.js';
import { SystemError } from '../../host/errors.js';
import { OpenFile } from '../../host/system/files.js';
import type { Syscalls } from '../../host/system/syscalls.js';

const folder = mkdtempSync(join(tmpdir(), 'datto-copy-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const BLOCK = 4096;

const quiet: Syscalls = {
  ioctl: () => undefined,
  addressOf: () => 0n,
  adviseHugePages: () => undefined,
  adviseWillNeed: () => undefined,
  adviseRandom: () => undefined,
  nextData: (_fd, offset) => offset,
  punchHole: () => undefined,
  adviseDontNeed: () => undefined,
  lock: () => true,
  pipe: () => [0, 0],
  connect: () => undefined,
  hasEnded: () => true,
  unshareMounts: () => () => undefined,
  ioSetup: () => 0n,
  ioSubmit: () => 0,
  ioGetEvents: () => 0,
  ioDestroy: () => undefined,
  clone: () => undefined,
};

interface Copied extends CopyResult {
  readonly target: Buffer;
  readonly failures: CopyFailure[];
  readonly progress: number[];
}

const copy = (source: Buffer, target: Buffer, pieces: Iterable<Piece>, changes: Partial<CopyOptions> = {}): Copied => {
  writeFileSync(join(folder, 'source'), source);
  writeFileSync(join(folder, 'target'), target);
  const from = OpenFile.open(join(folder, 'source'), 'r');
  const to = OpenFile.open(join(folder, 'target'), 'r+');
  const failures: CopyFailure[] = [];
  const progress: number[] = [];
  const result = copyPieces(from, to, pieces, {
    syscalls: quiet,
    punchHoles: false,
    onFailure: (failure) => void failures.push(failure),
    onProgress: (bytes) => void progress.push(bytes),
    ...changes,
  });
  from.close();
  to.close();
  return { ...result, target: readFileSync(join(folder, 'target')), failures, progress };
};

test('toPieces() joins runs that touch', () => {
  const runs = [
    { start: 1, count: 2 },
    { start: 3, count: 1 },
    { start: 5, count: 1 },
  ];
  assert.equal(
    [...toPieces(runs, 100 * BLOCK)],
    [
      { offset: BLOCK, bytes: 3 * BLOCK },
      { offset: 5 * BLOCK, bytes: BLOCK },
    ],
  );
});

test('toPieces() cuts long runs, and what is left joins the next run', () => {
  const pieces = [
    ...toPieces(
      [
        { start: 1, count: 300 },
        { start: 301, count: 300 },
      ],
      1000 * BLOCK,
    ),
  ];
  assert.equal(pieces, [
    { offset: BLOCK, bytes: PIECE_BYTES },
    { offset: BLOCK + PIECE_BYTES, bytes: PIECE_BYTES },
    { offset: BLOCK + 2 * PIECE_BYTES, bytes: 600 * BLOCK - 2 * PIECE_BYTES },
  ]);
});

test('toPieces() ends where the source ends', () => {
  assert.equal([...toPieces([{ start: 2, count: 1 }], 2 * BLOCK + 512)], [{ offset: 2 * BLOCK, bytes: 512 }]);
  assert.equal([...toPieces([], 2 * BLOCK)], []);
  assert.equal([...toPieces([{ start: 256, count: 1 }], 256 * BLOCK + 1)], [{ offset: PIECE_BYTES, bytes: 1 }]);
});

test('toPieces() covers random runs exactly', () => {
  const seed = Date.now();
  let state = seed % 2147483647;
  const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  for (let round = 0; round < 200; round++) {
    const runs: Array<{ start: number; count: number }> = [];
    const wanted = new Set<number>();
    for (let at = random(3); at < 2000; ) {
      const count = 1 + random(random(2) ? 4 : 700);
      runs.push({ start: at, count });
      for (let block = at; block < at + count; block++) wanted.add(block);
      at += count + random(3);
    }
    const end = 2700 * BLOCK;
    let last = -1;
    for (const { offset, bytes } of toPieces(runs, end)) {
      assert.ok(bytes > 0 && bytes <= PIECE_BYTES && offset > last, `seed ${seed}`);
      for (let block = offset / BLOCK; block < (offset + bytes) / BLOCK; block++) {
        assert.ok(wanted.delete(block), `seed ${seed}: block ${block} is not wanted, or twice`);
      }
      last = offset + bytes - 1;
    }
    assert.is(wanted.size, 0, `seed ${seed}`);
  }
});

test('copyPieces() copies the pieces and nothing else', () => {
  const source = randomFillSync(Buffer.alloc(20 * BLOCK));
  const target = randomFillSync(Buffer.alloc(20 * BLOCK));
  const expected = Buffer.from(target);
  source.copy(expected, 3 * BLOCK, 3 * BLOCK, 5 * BLOCK);
  source.copy(expected, 19 * BLOCK, 19 * BLOCK);
  const result = copy(
    source,
    target,
    toPieces(
      [
        { start: 3, count: 2 },
        { start: 19, count: 1 },
      ],
      20 * BLOCK,
    ),
  );
  assert.ok(result.target.equals(expected));
  assert.equal([result.copiedBytes, result.failedBlocks, result.progress.at(-1)], [3 * BLOCK, 0, 3 * BLOCK]);
  assert.ok(readFileSync(join(folder, 'source')).equals(source));
});

test('copyPieces() reports neighbouring failures as one, with their place', () => {
  // A source that ends early cannot be read to its end.
  const source = randomFillSync(Buffer.alloc(10 * BLOCK));
  const target = Buffer.alloc(20 * BLOCK, 7);
  const result = copy(
    source,
    target,
    toPieces(
      [
        { start: 8, count: 6 },
        { start: 16, count: 1 },
      ],
      20 * BLOCK,
    ),
  );
  assert.equal(result.failures, [
    { call: 'read', subject: join(folder, 'source'), errno: 5, offset: 10 * BLOCK, bytes: 4 * BLOCK },
    { call: 'read', subject: join(folder, 'source'), errno: 5, offset: 16 * BLOCK, bytes: BLOCK },
  ]);
  assert.is(result.failedBlocks, 5);
  assert.is(result.copiedBytes, 2 * BLOCK);
  assert.ok(result.target.subarray(8 * BLOCK, 10 * BLOCK).equals(source.subarray(8 * BLOCK)));
  assert.ok(result.target.subarray(10 * BLOCK).every((byte) => byte === 7));
});

test('copyPieces() punches zeros only, and writes them if that fails', () => {
  const source = Buffer.alloc(3 * BLOCK);
  source[2 * BLOCK] = 1;
  const target = Buffer.alloc(3 * BLOCK, 7);
  const pieces = [0, 1, 2].map((block) => ({ offset: block * BLOCK, bytes: BLOCK }));
  const holes: number[] = [];
  const punchHole = (_fd: number, offset: number): void => {
    holes.push(offset);
    if (offset > 0) throw new SystemError(95, 'punch', 'target');
  };
  const result = copy(source, target, pieces, { punchHoles: true, syscalls: { ...quiet, punchHole } });
  assert.equal(holes, [0, BLOCK]);
  assert.is(result.punchedBytes, BLOCK);
  // The stand-in punched nothing; the others were written.
  assert.ok(result.target.subarray(0, BLOCK).every((byte) => byte === 7));
  assert.ok(result.target.subarray(BLOCK).equals(source.subarray(BLOCK)));
});

test('copyPieces() makes holes of long zeros among other bytes, and writes the rest', () => {
  const KIB = 1024;
  const source = randomFillSync(Buffer.alloc(512 * KIB));
  const [first, second, last] = [
    [64 * KIB, 192 * KIB],
    [256 * KIB, 300 * KIB],
    [448 * KIB, 512 * KIB],
  ] as const;
  for (const [from, to] of [first, second, last]) source.fill(0, from, to);
  const holes: number[] = [];
  const punchHole = (_fd: number, offset: number, bytes: number): void => void holes.push(offset, bytes);
  const target = Buffer.alloc(source.length, 7);
  const options = { punchHoles: true, syscalls: { ...quiet, punchHole } };
  const result = copy(source, target, [{ offset: 0, bytes: source.length }], options);
  assert.equal(
    holes,
    [64, 128, 448].flatMap((at) => [at * KIB, 64 * KIB]),
  );
  assert.equal([result.copiedBytes, result.punchedBytes], [512 * KIB, 192 * KIB]);
  // The stand-in punched nothing.
  for (const [from, to] of [first, last]) source.fill(7, from, to);
  assert.ok(result.target.equals(source));
});

test('copyPieces() asks for every piece beforehand, but never for more than a window', () => {
  const advised: number[] = [];
  const blocks = (3 * WINDOW_BYTES) / BLOCK;
  const source = Buffer.alloc(3 * WINDOW_BYTES);
  let most = 0;
  const result = copy(source, Buffer.alloc(source.length), toPieces([{ start: 0, count: blocks }], source.length), {
    syscalls: { ...quiet, adviseWillNeed: (_fd, offset) => void advised.push(offset) },
    onProgress: (bytes) => void (most = Math.max(most, advised.length * PIECE_BYTES - bytes)),
  });
  assert.is(advised.length, source.length / PIECE_BYTES);
  assert.ok(most > WINDOW_BYTES / 4 && most <= WINDOW_BYTES, `${most}`);
  assert.is(result.copiedBytes, source.length);
});

test.run();
