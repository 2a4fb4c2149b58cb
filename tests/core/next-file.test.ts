// A file that was closed names the next one (docs/FORMAT.md, A.12).

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Xxh64 } from '../../host/manifest/hashing.js';
import { Bench, ENGINES, errno, INCREMENTAL, refusal } from './harness.js';

const UUID = Buffer.from('59f6e5eca78e40df90f8d4c98373e791', 'hex');
const PATH_BYTES = 512;

const fold = (sum: bigint, value: bigint): bigint => {
  const rotated = BigInt.asUintN(64, sum << 27n) | (sum >> 37n);
  return BigInt.asUintN(64, (rotated ^ value) * 0x9e3779b185ebca87n + 0x85ebca77c2b2ae63n);
};

for (const engine of ENGINES) {
  const test = suite(`core next file, ${engine.name}`);

  const opened = (): Bench => {
    const bench = new Bench(engine, { nrSectors: 524288n, mode: INCREMENTAL });
    bench.buffer().set(UUID);
    bench.call('header_create', 528384n, 6n);
    return bench;
  };
  const close = (bench: Bench, path: Buffer | string, complete = 1n): bigint => {
    bench.buffer().fill(0xee);
    bench.buffer().fill(0, 0, PATH_BYTES);
    bench.buffer().set(Buffer.from(path));
    return bench.call('header_close', complete);
  };
  const closed = (path: Buffer | string, complete = 1n): Buffer => {
    const bench = opened();
    assert.is(close(bench, path, complete), 4096n);
    const header = Buffer.from(bench.buffer().subarray(0, 4096));
    bench.close();
    return header;
  };
  const reload = (header: Buffer): bigint => {
    const bench = opened();
    bench.call('record_begin');
    bench.buffer().set(header);
    const answer = bench.call('record_check');
    bench.close();
    return answer;
  };

  test('a path lies behind the header, with a checksum in which the series and the number of the snapshot are', () => {
    const bench = opened();
    assert.is(bench.call('header_encode', 1n), 4096n);
    const wanted = Buffer.from(bench.buffer().subarray(0, 4096));
    bench.close();
    assert.equal(closed(''), wanted);
    for (const path of ['/', '/.datto-7', `/${'x'.repeat(510)}`]) {
      const block = Buffer.from(wanted);
      block.write('DATTONXT', 512, 'latin1');
      block.write(path, 528, 'latin1');
      let sum = fold(fold(0n, UUID.readBigUInt64LE(0)), UUID.readBigUInt64LE(8));
      sum = fold(fold(sum, 6n), new Xxh64().bytes(block.subarray(528, 528 + PATH_BYTES)));
      block.writeBigUInt64LE(sum, 520);
      assert.equal(closed(path), block, path);
      assert.is(reload(block), refusal('CONTINUED'));
    }
  });

  test('no other text is a path', () => {
    const full = Buffer.alloc(PATH_BYTES, 'x');
    full[0] = 47;
    for (const path of ['relative', '\x01/a', '/a\0b', full]) {
      const bench = opened();
      assert.is(close(bench, path), errno('EINVAL'));
      bench.close();
    }
  });

  test('a reload finds no next file where a bit is flipped', () => {
    const header = closed('/cow.2');
    assert.is(reload(closed('')), refusal('NOT_CLEAN'));
    for (const at of [24, 31, 32, 47, 512, 519, 520, 527, 528, 529, 533, 534, 700, 1039]) {
      const flipped = Buffer.from(header);
      flipped[at]! ^= 4;
      assert.is(reload(flipped), refusal('NOT_CLEAN'), `byte ${at}`);
    }
    const other = Buffer.from(header);
    other[1040] = 1; // nobody's
    assert.is(reload(other), refusal('CONTINUED'));
  });

  test('a file in use names one, too, which has its checkpoint', () => {
    const inUse = Buffer.from(closed('/cow.2'));
    inUse[4]! &= ~1;
    assert.equal(closed('/cow.2', 0n), inUse);
    assert.is(reload(inUse), refusal('CONTINUED'));
    assert.is(reload(closed('', 0n)), refusal('NOT_CLEAN'));
  });

  test.run();
}
