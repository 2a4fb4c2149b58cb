import { randomFillSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { randomNumbers } from '../../host/copy/compare.js';
import type { CopyFailure, CopyOptions, CopyResult } from '../../host/copy/copy.js';
import { copyPieces } from '../../host/copy/copy.js';
import { closeDirect, copyPiecesDirect, openDirect } from '../../host/copy/copy-direct.js';
import { estimateCopy } from '../../host/copy/estimate-copy.js';
import type { Piece } from '../../host/cow/runs.js';
import { toPieces } from '../../host/cow/runs.js';
import { OpenFile } from '../../host/system/files.js';
import { HUGE_PAGE_BYTES, IoQueue } from '../../host/system/io-queue.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';

const folder = mkdtempSync(join(tmpdir(), 'datto-direct-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const BLOCK = 4096;
const syscalls = nativeSyscalls();

interface Copied {
  readonly result: CopyResult;
  readonly target: Buffer;
  readonly failures: CopyFailure[];
  readonly progress: Array<readonly number[]>;
  /** What onData was told, put where it said. */
  readonly told: Buffer;
}

/** Copies past the page cache with so many pieces at once, or through it if that is undefined. */
const copy = (source: Buffer, old: Buffer, pieces: () => Iterable<Piece>, depth: number | undefined): Copied => {
  writeFileSync(join(folder, 'source'), source);
  writeFileSync(join(folder, 'target'), old);
  const from = OpenFile.open(join(folder, 'source'), 'r');
  const to = OpenFile.open(join(folder, 'target'), 'r+');
  const failures: CopyFailure[] = [];
  const progress: Array<readonly number[]> = [];
  const told = Buffer.from(old);
  const options: CopyOptions = {
    syscalls,
    punchHoles: true,
    onFailure: (failure) => void failures.push(failure),
    onProgress: (...values) => void progress.push(values),
    onData: (data, offset) => void data.copy(told, offset),
  };
  try {
    if (depth === undefined) {
      const result = copyPieces(from, to, pieces(), options);
      return { result, target: readFileSync(to.path), failures, progress, told };
    }
    const direct = openDirect(from, to, depth, depth % 2 === 0, syscalls);
    if ('missing' in direct) throw new Error(`${direct.missing}: TMPDIR must be on a disk`);
    try {
      const result = copyPiecesDirect(from, to, pieces(), direct, options);
      return { result, target: readFileSync(to.path), failures, progress, told };
    } finally {
      closeDirect(direct);
    }
  } finally {
    from.close();
    to.close();
  }
};

/** Random runs of blocks, short and long. */
const randomRuns = (random: (below: number) => number, blocks: number): Array<{ start: number; count: number }> => {
  const runs: Array<{ start: number; count: number }> = [];
  for (let at = random(5); at < blocks; ) {
    const count = Math.min(blocks - at, 1 + random(random(3) === 0 ? 300 : 5));
    runs.push({ start: at, count });
    at += count + random(40);
  }
  return runs;
};

test('past the page cache or through it: the same bytes, failures, numbers and order', () => {
  const seed = Date.now() % 2 ** 32;
  const random = randomNumbers(seed);
  for (let round = 0; round < 12; round++) {
    const blocks = 1500;
    const bytes = blocks * BLOCK - 512 * random(8);
    const source = randomFillSync(Buffer.alloc(bytes));
    source.fill(0, random(bytes), random(bytes));
    const old = randomFillSync(Buffer.alloc(bytes));
    const runs = randomRuns(random, blocks);
    // Sometimes a source that ends early, so that its last pieces cannot be read.
    const there = source.subarray(0, round % 3 === 0 ? bytes - random(bytes / 2) : bytes);
    const pieces = (): Iterable<Piece> => toPieces(runs, bytes);
    const wanted = copy(there, old, pieces, undefined);
    const depth = 1 + random(40);
    const found = copy(there, old, pieces, depth);
    const where = `seed ${seed}, round ${round}, depth ${depth}`;
    assert.ok(found.target.equals(wanted.target), where);
    assert.ok(found.told.equals(wanted.told) && found.told.equals(found.target), where);
    assert.equal(found.failures, wanted.failures, where);
    assert.equal(found.progress, wanted.progress, where);
    assert.is(found.result.copiedBytes, wanted.result.copiedBytes, where);
    // A piece that fails is tried again in smaller ones, of which others are zeros.
    if (found.failures.length === 0) assert.is(found.result.punchedBytes, wanted.result.punchedBytes, where);
    assert.is(found.result.failedBlocks, wanted.result.failedBlocks, where);
  }
});

test('openDirect() says what is missing', () => {
  writeFileSync(join(folder, 'source'), 'x');
  const from = OpenFile.open(join(folder, 'source'), 'r');
  const [proc, none] = [OpenFile.open('/proc/self/status', 'r'), { ...syscalls, ioSetup: syscalls.ioSetup }];
  none.ioSetup = (_depth, subject) => syscalls.ioSetup(2 ** 31 - 1, subject);
  const missing = [openDirect(proc, from, 4, true, syscalls), openDirect(from, from, 4, true, none)];
  assert.match('missing' in missing[0]! ? missing[0].missing : '', /cannot be read past the page cache$/);
  assert.match('missing' in missing[1]! ? missing[1].missing : '', /^cannot set up asynchronous I\/O for .*source: /);
  from.close();
  proc.close();
});

test('the memory of what is under way is whole huge pages', () => {
  const asked: bigint[] = [];
  const spied = {
    ...syscalls,
    adviseHugePages: (memory: Buffer) => void asked.push(syscalls.addressOf(memory), BigInt(memory.length)),
  };
  new IoQueue(spied, 4, 2 * HUGE_PAGE_BYTES, 'a test').close();
  assert.equal(
    asked.map((value) => value % BigInt(HUGE_PAGE_BYTES)),
    [0n, 0n],
  );
});

test('an estimate is from reads of the pieces, or from the rate that was given', () => {
  writeFileSync(join(folder, 'source'), randomFillSync(Buffer.alloc(3000 * BLOCK)));
  const from = OpenFile.open(join(folder, 'source'), 'r');
  const pieces = (): Iterable<Piece> =>
    toPieces(
      [0, 500, 1000, 1002].map((start) => ({ start, count: 1 })),
      1e9,
    );
  const { seconds, basis } = estimateCopy(from, pieces, undefined, syscalls);
  assert.match(basis, /^4 of 4 pieces to copy, 16384 bytes, read from the snapshot in [\d.]+ s, up to 32 at once/);
  assert.ok(seconds > 0.06 && seconds < 10);
  const mib = (): Iterable<Piece> => toPieces([{ start: 0, count: 2560 }], 1e9);
  const given = estimateCopy(from, mib, 1, syscalls);
  assert.ok(Math.abs(given.seconds - 10.06) < 0.01);
  assert.match(given.basis, /^1 MiB\/s as given/);
  const beyond = [{ offset: 2999 * BLOCK, bytes: 2 * BLOCK }];
  assert.throws(() => estimateCopy(from, () => beyond, undefined, syscalls), /cannot read/);
  from.close();
});

test.run();
