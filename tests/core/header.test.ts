import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Bench, ENGINES, errno, expectation, INCREMENTAL, refusal, SNAPSHOT } from './harness.js';

const CLEAN = 1;
const INDEX_ONLY = 2;
const UUID = Buffer.from('59f6e5eca78e40df90f8d4c98373e791', 'hex');
const ANY = expectation('ANY');
const UNCLEAN_OK = expectation('UNCLEAN_OK');

interface Fields {
  readonly magic?: number;
  readonly flags?: number;
  readonly version?: bigint;
  readonly changed?: bigint;
}

const headerOf = ({ magic = 4776, flags = CLEAN, version = 1n, changed = 77n }: Fields): Buffer => {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(flags, 4);
  bytes.writeBigUInt64LE(200n, 8);
  bytes.writeBigUInt64LE(26843545n, 16);
  bytes.writeBigUInt64LE(3n, 24);
  UUID.copy(bytes, 32);
  bytes.writeBigUInt64LE(version, 48);
  bytes.writeBigUInt64LE(changed, 56);
  return bytes;
};

for (const engine of ENGINES) {
  const test = suite(`core header, ${engine.name}`);

  const opened = (mode = SNAPSHOT): Bench => new Bench(engine, { nrSectors: 524288n, mode });

  const check = (bench: Bench, header: Buffer, expect: bigint): bigint => {
    bench.buffer().set(header);
    return bench.call('header_check', expect);
  };

  const encoded = (bench: Bench, clean: bigint): Buffer => {
    assert.is(bench.call('header_encode', clean), 4096n);
    return Buffer.from(bench.buffer().subarray(0, 4096));
  };

  test('a fresh header of 256 MiB is the worked example, the rest of the block zero', () => {
    const bench = opened();
    bench.buffer().fill(0xee);
    bench.buffer().set(UUID);
    bench.call('header_create', 26843545n, 1n);
    const wanted = Buffer.alloc(4096);
    wanted.write('a81200000000000081000000000000009999990100000000' + '0100000000000000', 'hex');
    wanted.set(UUID, 32);
    wanted[48] = 1;
    assert.equal(encoded(bench, 0n), wanted);
    wanted[4] = CLEAN;
    assert.equal(encoded(bench, 1n), wanted);
    bench.close();
  });

  test('INDEX_ONLY follows the mode', () => {
    const bench = opened(INCREMENTAL);
    assert.is(bench.stat('FLAGS'), BigInt(INDEX_ONLY));
    assert.is(encoded(bench, 1n).readUInt32LE(4), CLEAN | INDEX_ONLY);
    assert.is(encoded(bench, 0n).readUInt32LE(4), INDEX_ONLY);
    bench.close();
  });

  test('header_check() makes the header in the buffer the live one', () => {
    const bench = opened();
    assert.is(check(bench, headerOf({}), SNAPSHOT), 0n);
    assert.is(bench.stat('FPOS'), 200n);
    assert.is(bench.stat('FSIZE'), 26843545n);
    assert.is(bench.stat('SEQID'), 3n);
    assert.is(bench.stat('VERSION'), 1n);
    assert.is(bench.stat('NR_CHANGED'), 77n);
    assert.is(bench.stat('FLAGS'), BigInt(CLEAN));
    assert.equal(encoded(bench, 1n).subarray(0, 64), headerOf({}));
    bench.close();
  });

  test('refuses a bad magic before anything else', () => {
    const bench = opened();
    const before = encoded(bench, 0n);
    assert.is(check(bench, headerOf({ magic: 4777, flags: INDEX_ONLY }), SNAPSHOT), refusal('BAD_MAGIC'));
    assert.is(check(bench, Buffer.alloc(64), ANY + UNCLEAN_OK), refusal('BAD_MAGIC'));
    assert.equal(encoded(bench, 0n), before);
    bench.close();
  });

  test('refuses an unclean header before a wrong mode, unless told otherwise', () => {
    const bench = opened();
    const before = encoded(bench, 0n);
    assert.is(check(bench, headerOf({ flags: INDEX_ONLY }), SNAPSHOT), refusal('NOT_CLEAN'));
    assert.is(check(bench, headerOf({ flags: 0 }), ANY), refusal('NOT_CLEAN'));
    assert.is(check(bench, headerOf({ flags: INDEX_ONLY }), SNAPSHOT + UNCLEAN_OK), refusal('WRONG_MODE'));
    assert.equal(encoded(bench, 0n), before);
    assert.is(check(bench, headerOf({ flags: 0 }), SNAPSHOT + UNCLEAN_OK), 0n);
    bench.close();
  });

  test('refuses a wrong mode, and changes nothing', () => {
    const bench = opened();
    const before = encoded(bench, 0n);
    assert.is(check(bench, headerOf({ flags: CLEAN | INDEX_ONLY }), SNAPSHOT), refusal('WRONG_MODE'));
    assert.is(check(bench, headerOf({ flags: CLEAN }), INCREMENTAL), refusal('WRONG_MODE'));
    assert.equal(encoded(bench, 0n), before);
    assert.is(check(bench, headerOf({ flags: CLEAN | INDEX_ONLY }), INCREMENTAL), 0n);
    assert.is(check(bench, headerOf({ flags: CLEAN | INDEX_ONLY }), ANY), 0n);
    assert.is(check(bench, headerOf({ flags: CLEAN }), ANY), 0n);
    bench.close();
  });

  test('refuses an expectation that is none', () => {
    const bench = opened();
    for (const expect of [3n, 7n, 8n, -1n]) assert.is(check(bench, headerOf({}), expect), errno('EINVAL'));
    bench.close();
  });

  test('flags of others are kept, VMALLOC_UPPER is not', () => {
    const bench = opened();
    assert.is(check(bench, headerOf({ flags: 0xfffffffd }), SNAPSHOT), 0n);
    assert.is(encoded(bench, 0n).readUInt32LE(4), 0xfffffff8);
    assert.is(encoded(bench, 1n).readUInt32LE(4), 0xfffffff9);
    bench.close();
  });

  test('a header of version 0 counts nothing, and stays of version 0', () => {
    const bench = opened(INCREMENTAL);
    check(bench, headerOf({ version: 0n, changed: 0n, flags: CLEAN | INDEX_ONLY }), INCREMENTAL);
    assert.is(bench.call('mark', 0n, 64n), 8n);
    assert.is(bench.call('mark', 0n, 6400n), 792n);
    assert.is(bench.call('mark_unmasked', 1000n, 10n), 10n);
    assert.is(bench.stat('NR_CHANGED'), 0n);
    assert.is(encoded(bench, 1n).readBigUInt64LE(48), 0n);
    bench.close();
  });

  test('an unknown version is taken as 1 and kept', () => {
    const bench = opened();
    check(bench, headerOf({ version: 9n }), SNAPSHOT);
    bench.call('mark', 0n, 8n);
    assert.is(bench.stat('NR_CHANGED'), 78n);
    assert.is(encoded(bench, 1n).readBigUInt64LE(48), 9n);
    bench.close();
  });

  test('set_fsize() sets the size limit', () => {
    const bench = opened();
    assert.is(bench.call('set_fsize', 12345678901234n), 0n);
    assert.is(bench.stat('FSIZE'), 12345678901234n);
    assert.is(encoded(bench, 0n).readBigUInt64LE(16), 12345678901234n);
    bench.close();
  });

  test('to_incremental() keeps fpos, counter and bits, and drops the index', () => {
    const bench = opened();
    bench.commit(4000n, 200n);
    assert.is(bench.stat('NR_RESIDENT'), 2n);
    assert.is(bench.call('to_incremental', 528384n), 0n);
    assert.is(bench.stat('MODE'), INCREMENTAL);
    assert.is(bench.stat('FSIZE'), 528384n);
    assert.is(bench.stat('FPOS'), 329n);
    assert.is(bench.stat('NR_CHANGED'), 200n);
    assert.is(bench.stat('NR_RESIDENT'), 0n);
    assert.is(bench.stat('NR_DIRTY'), 0n);
    assert.is(bench.stat('FLAGS'), BigInt(INDEX_ONLY));
    assert.is(bench.call('is_copied', 32000n, 1600n), 1n);
    assert.is(bench.call('mark', 32000n, 1608n), 1n);
    assert.is(bench.call('to_incremental', 528384n), errno('EINVAL'));
    bench.close();
  });

  test('what needs the index is refused in incremental mode', () => {
    const bench = opened(INCREMENTAL);
    assert.is(bench.planCopy([[0n, 8n]]), errno('EINVAL'));
    assert.is(bench.call('commit_copy', 0n, 1n), errno('EINVAL'));
    assert.is(bench.call('plan_read', 0n, 8n), errno('EINVAL'));
    assert.is(bench.call('section_request', 0n), errno('EINVAL'));
    bench.close();
  });

  test.run();
}
