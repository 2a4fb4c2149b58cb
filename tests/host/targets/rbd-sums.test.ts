import { randomFillSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { randomNumbers } from '../../../host/copy/compare.js';
import { Xxh64 } from '../../../host/manifest/hashing.js';
import { NbdSession } from '../../../host/nbd/server.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { FlatSums, flatSums, sumsBytes } from '../../../host/targets/rbd/sums.js';

const BLOCK = 4096;
/** Sums of more than three pages, with a partial block at the end. */
const VOLUME_BYTES = 100 * 1048576 + 2560;
const NR_BLOCKS = Math.ceil(VOLUME_BYTES / BLOCK);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6) + 1);
const folder = mkdtempSync(join(tmpdir(), 'datto-sums-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const image = join(folder, 'image');
const syscalls = nativeSyscalls();
const xxh64 = new Xxh64();
const open = (): NbdSession => new NbdSession({ image, format: 'raw', access: 'r+', name: image }, syscalls);

test('sums in the image are those of what was written last, whatever the order', () => {
  const random = randomNumbers(SEED);
  const content = randomFillSync(Buffer.alloc(256 * BLOCK));
  const model = randomFillSync(Buffer.alloc(sumsBytes(VOLUME_BYTES)));
  writeFileSync(image, model);
  const sums = new FlatSums(open(), xxh64);
  for (let n = 0; n < 600; n++) {
    const start = random(NR_BLOCKS);
    const isLarge = random(20) === 0;
    const count = Math.min(NR_BLOCKS - start, 1 + random(isLarge ? NR_BLOCKS : 256));
    const bytes = Math.min(count * BLOCK, VOLUME_BYTES - start * BLOCK);
    if (isLarge || random(3) === 0) {
      sums.zero(start * BLOCK, bytes);
      model.fill(0, start * 8, (start + count) * 8);
    } else {
      const from = random(256 - count + 1) * BLOCK;
      const data = content.subarray(from, from + bytes);
      if (random(4) === 0) data.fill(0, 0, BLOCK);
      sums.put(data, start * BLOCK);
      const wanted = Buffer.from(xxh64.blocks(data));
      for (let block = 0; block < count; block++)
        if (data.subarray(block * BLOCK, (block + 1) * BLOCK).every((byte) => byte === 0))
          wanted.fill(0, block * 8, block * 8 + 8);
      wanted.copy(model, start * 8);
    }
    if (random(40) !== 0) continue;
    sums.flush();
    assert.ok(readFileSync(image).equals(model), `after ${n + 1} calls, seed ${SEED}`);
  }
  sums.flush();
  sums.close();
  assert.ok(readFileSync(image).equals(model), `at the end, seed ${SEED}`);
});

test('what is read of the image are the sums of all blocks', () => {
  const zeros = Buffer.alloc(BLOCK);
  writeFileSync(image, Buffer.alloc(sumsBytes(VOLUME_BYTES)));
  const data = randomFillSync(Buffer.alloc(3 * BLOCK));
  const session = open();
  const sums = new FlatSums(session, xxh64);
  sums.put(data, 5000 * BLOCK);
  sums.flush();
  const wanted = [Buffer.from(xxh64.blocks(zeros)), Buffer.from(xxh64.blocks(data))] as const;
  let next = 0;
  for (const { start, count, sums: found } of flatSums(session, VOLUME_BYTES, xxh64)) {
    assert.is(start, next);
    next += count;
    for (let block = start; block < next; block++) {
      const inData = block - 5000;
      const expected = inData >= 0 && inData < 3 ? wanted[1].subarray(inData * 8, inData * 8 + 8) : wanted[0];
      assert.ok(found?.subarray((block - start) * 8, (block - start) * 8 + 8).equals(expected), `block ${block}`);
    }
  }
  assert.is(next, NR_BLOCKS);
  session.close();
});

test.run();
