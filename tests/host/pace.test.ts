import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { copyFull } from '../../host/backup/full-copy.js';
import { compareRuns } from '../../host/copy/compare.js';
import { copyPieces } from '../../host/copy/copy.js';
import { closeDirect, copyPiecesDirect, openDirect } from '../../host/copy/copy-direct.js';
import { Pace, paceOf } from '../../host/copy/pace.js';
import { PIECE_BYTES, toPieces } from '../../host/cow/runs.js';
import { OpenFile } from '../../host/system/files.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';

const BLOCK = 4096;
const MIB = 2 ** 20;
const scratch = mkdtempSync(join(tmpdir(), 'datto-pace-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** A pace with a clock of its own, and what was transferred when. */
const scene = (rate: number, late = 0) => {
  let time = 1000;
  const transfers: Array<{ readonly time: number; readonly bytes: number }> = [];
  const pace = new Pace(
    rate,
    () => time,
    (milliseconds) => {
      time += milliseconds + late;
    },
  );
  return {
    pace,
    transfers,
    take: (bytes: number, took = 0): void => {
      pace.take(bytes);
      transfers.push({ time, bytes });
      time += took;
    },
    pause: (milliseconds: number): void => void (time += milliseconds),
    get time() {
      return time;
    },
  };
};

test('at once goes what takes a twentieth of a second: whole blocks, a piece at most', () => {
  const chunkOf = (rate: number): number => new Pace(rate).chunkBytes;
  assert.equal([0.001, 1, 10, 20, 1000].map(chunkOf), [BLOCK, 12 * BLOCK, 128 * BLOCK, MIB, PIECE_BYTES]);
});

test('the rate is reached, also if each sleep ends late', () => {
  for (const late of [0, 2]) {
    const all = scene(10, late);
    for (let done = 0; done < 100 * MIB; done += all.pace.chunkBytes) all.take(all.pace.chunkBytes, 1);
    const seconds = (all.time - 1000) / 1000;
    assert.ok(seconds > 9.8 && seconds < 10.1, `${seconds} s`);
  }
});

test('in no second more is transferred than the rate, what a late sleep gave, and one chunk, also after a pause', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 500, noNaN: true }),
      fc.array(fc.tuple(fc.nat(3000), fc.nat(20), fc.nat(30)), { minLength: 1, maxLength: 200 }),
      (rate, steps) => {
        const all = scene(rate, 1);
        for (const [pause, took, chunks] of steps) {
          if (pause > 2500) all.pause(pause);
          for (let chunk = 0; chunk < chunks; chunk++) all.take(all.pace.chunkBytes, took);
        }
        const { transfers } = all;
        const most = rate * MIB * 1.1 + all.pace.chunkBytes + 1;
        let [first, sum] = [0, 0];
        for (const { time, bytes } of transfers) {
          sum += bytes;
          for (; time - transfers[first]!.time >= 1000; first++) sum -= transfers[first]!.bytes;
          assert.ok(sum <= most, `${sum} bytes in a second at ${rate} MiB/s`);
        }
      },
    ),
  );
});

test('chunks are the pieces, cut up', () => {
  const pace = new Pace(1);
  const pieces = [
    { offset: 0, bytes: 100 * BLOCK },
    { offset: 200 * BLOCK, bytes: 5000 },
  ];
  const chunks = [...pace.chunks(pieces)];
  assert.ok(chunks.every(({ offset, bytes }) => bytes <= pace.chunkBytes && offset % BLOCK === 0));
  const joined: Array<{ offset: number; bytes: number }> = [];
  for (const { offset, bytes } of chunks) {
    const last = joined.at(-1);
    if (last && last.offset + last.bytes === offset) last.bytes += bytes;
    else joined.push({ offset, bytes });
  }
  assert.equal(joined, pieces);
  assert.equal(paceOf(undefined), {});
});

const syscalls = nativeSyscalls();

test('a copy with a pace copies the same, in chunks', () => {
  const content = Buffer.alloc(3 * MIB + 1000);
  for (let at = 0; at < content.length; at += 1000) content[at] = 1 + (at % 251);
  const [from, to] = [join(scratch, 'from'), join(scratch, 'to')];
  writeFileSync(from, content);
  const all = [{ start: 0, count: Math.ceil(content.length / BLOCK) }];
  const pieces = [...toPieces(all, content.length)];
  const copy = (run: (source: OpenFile, target: OpenFile, pace: Pace, done: (bytes: number) => void) => void): void => {
    writeFileSync(to, Buffer.alloc(content.length));
    const [source, target] = [OpenFile.open(from, 'r'), OpenFile.open(to, 'r+')];
    const clock = scene(4);
    const steps: number[] = [];
    run(source, target, clock.pace, (bytes) => steps.push(bytes));
    assert.ok(readFileSync(to).equals(content));
    assert.ok(steps.every((bytes, at) => bytes - (steps[at - 1] ?? 0) <= clock.pace.chunkBytes));
    assert.is(steps.at(-1), content.length);
    assert.ok(clock.time - 1000 > 600, `${clock.time - 1000} ms`);
    for (const file of [source, target]) file.close();
  };
  const options = { syscalls, punchHoles: false, onFailure: () => assert.unreachable() };
  copy((source, target, pace, onProgress) => {
    copyPieces(source, target, pieces, { ...options, pace, onProgress });
  });
  copy((source, target, pace, onProgress) => {
    const direct = openDirect(source, target, 16, false, syscalls);
    if ('missing' in direct) return copyPieces(source, target, pieces, { ...options, pace, onProgress });
    copyPiecesDirect(source, target, pieces, direct, { ...options, pace, onProgress });
    return closeDirect(direct);
  });
  copy((source, target, pace, onProgress) => {
    const full = { syscalls, cursor: 0, checkpointBytes: undefined, onCheckpoint: () => undefined, onProgress, pace };
    copyFull(source, target, content.length, full);
  });
  copy((source, target, pace, onProgress) => {
    copyPieces(source, target, pieces, { ...options, onProgress: () => undefined });
    const all = [{ start: 0, count: Math.ceil(content.length / BLOCK) }];
    assert.is(
      compareRuns(source, target, all, content.length, () => assert.unreachable(), onProgress, pace),
      0,
    );
  });
});

test.run();
