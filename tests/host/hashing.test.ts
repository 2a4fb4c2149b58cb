import { createHash, randomFillSync } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockDigests, sha256, toWholeBlocks, Xxh64 } from '../../host/manifest/hashing.js';
import { buildHostWasm } from '../../scripts/build-host-wasm.js';

const BLOCK = 4096;
const xxh64 = new Xxh64(await buildHostWasm());

test('bytes() equals known values, one for each way through the algorithm', () => {
  // From the xxHash specification's test vectors and xxhsum -H1.
  for (const [text, hash] of [
    ['', 0xef46db3751d8e999n],
    ['a', 0xd24ec4f1a98c6e5bn],
    ['abc', 0x44bc2cf5ad770999n],
    ['Nobody inspects the spammish repetition', 0xfbcea83c8a378bf1n],
  ] as const) {
    assert.is(xxh64.bytes(Buffer.from(text)), hash);
  }
});

test('blocks() hashes each block by itself', () => {
  const data = randomFillSync(Buffer.alloc(256 * BLOCK));
  const sums = Buffer.from(xxh64.blocks(data));
  assert.is(sums.length, 256 * 8);
  for (let block = 0; block < 256; block += 17) {
    const one = data.subarray(block * BLOCK, (block + 1) * BLOCK);
    assert.is(sums.readBigUInt64LE(block * 8), xxh64.bytes(one));
  }
});

test('a partial last block is hashed as if zeros followed, whatever was hashed before', () => {
  xxh64.blocks(Buffer.alloc(2 * BLOCK, 0xff));
  const data = randomFillSync(Buffer.alloc(BLOCK + 512));
  const padded = Buffer.concat([data, Buffer.alloc(BLOCK - 512)]);
  assert.equal(toWholeBlocks(data), padded);
  assert.equal(Buffer.from(xxh64.blocks(data)), Buffer.from(xxh64.blocks(padded)));
});

test('more than fits is refused', () => {
  assert.throws(() => xxh64.bytes(Buffer.alloc(1048577)), RangeError);
});

test('blockDigests() is SHA-256 of each block', () => {
  // Zeros, and what differs from them in its last byte only, between blocks that are random.
  const data = Buffer.concat([randomFillSync(Buffer.alloc(4 * BLOCK)), Buffer.alloc(2 * BLOCK)]);
  data.fill(0, BLOCK, 2 * BLOCK);
  data[5 * BLOCK - 1] = 1;
  const digests = blockDigests(data);
  for (let block = 0; block < 6; block++) {
    const one = data.subarray(block * BLOCK, (block + 1) * BLOCK);
    const wanted = createHash('sha256').update(one).digest();
    assert.equal(digests.subarray(block * 32, block * 32 + 32), wanted);
    assert.equal(sha256(one), wanted);
  }
});

test.run();
