// What a live checkpoint says of the superblock, and which one a load takes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ENGINES, errno, refusal } from './harness.js';
import { identityOf, showsMounts, superblockWith } from './live-superblock.js';
import { loads, Tracked, written } from './live-tracked.js';

const SIZE = 8n * 100_000n;
/** The features of superblockWith(), less what says that the journal is in use, or that there is one. */
const AT_REST = { 96: 0x07070703 };
const NO_JOURNAL = { ...AT_REST, 92: 0x07070703 };

for (const engine of ENGINES) {
  const test = suite(`core identity of a superblock, ${engine.name}`);

  test('what changes without a mount or a tool does not matter, what they change does', () => {
    const all = new Tracked(engine, SIZE);
    assert.is(all.driver.live(), 0n);
    const volatile = [12, 16, 136, 160, 196, 232, 344, 376, 380];
    for (const offset of volatile) assert.is(all.driver.identity(superblockWith({ [offset]: 1 })), 1n, `${offset}`);
    // s_mtime, s_wtime, s_mnt_count, s_state, s_lastcheck, features, and what lies beside that which does not matter.
    const identifying = [44, 48, 52, 60, 64, 92, 96, 100, 0, 8, 20, 132, 200, 228, 236, 340, 348, 372, 384, 508];
    for (const offset of identifying) assert.is(all.driver.identity(superblockWith({ [offset]: 1 })), 0n, `${offset}`);
    const state = superblockWith();
    state.writeUInt16LE(1, 1024 + 58);
    assert.is(all.driver.identity(state), 0n);
    const elsewhere = superblockWith();
    elsewhere.fill(1, 0, 1024).fill(1, 1536);
    assert.is(all.driver.identity(elsewhere), 1n);
    all.close();
  });

  test('the list of orphans matters where the journal is not in use', () => {
    const all = new Tracked(engine, SIZE);
    all.superblock = superblockWith(AT_REST);
    assert.is(all.driver.live(), 0n);
    assert.is(all.driver.identity(superblockWith({ ...AT_REST, 12: 1 })), 1n);
    assert.is(all.driver.identity(superblockWith({ ...AT_REST, 232: 1 })), 0n);
    all.close();
  });

  test('the header has the identity as it is written down', () => {
    for (const superblock of [superblockWith(), superblockWith(AT_REST), superblockWith(NO_JOURNAL)]) {
      const all = new Tracked(engine, SIZE);
      all.superblock = superblock;
      assert.is(all.driver.live(), 0n);
      const header = all.file.read(0, 4096);
      assert.is(header.readBigUInt64LE(168), identityOf(superblock));
      assert.is(header.readBigUInt64LE(176), identityOf(superblock));
      all.close();
    }
  });

  test('a load takes the superblock as it was and as it was offered, and no other', () => {
    const all = written(engine, SIZE, [10]);
    const states = [1, 2, 3, 4].map((stamp) => superblockWith({ 48: stamp }));
    const mayBe = (...expected: boolean[]): void =>
      assert.equal(
        [superblockWith({ 12: 99 }), ...states].map((state) => loads(engine, SIZE, all.file, state)),
        expected.map((right) => (right ? 0n : refusal('FOREIGN'))),
      );
    mayBe(true, false, false, false, false);
    assert.is(all.driver.identity(states[0]!), 0n);
    mayBe(true, false, false, false, false);
    all.driver.renew();
    mayBe(true, true, false, false, false);
    assert.is(all.driver.identity(superblockWith(), false), 1n); // it was not written after all
    assert.is(all.driver.identity(states[1]!), 0n);
    all.driver.renew();
    mayBe(true, false, true, false, false);
    assert.is(all.driver.identity(states[1]!), 1n);
    assert.is(all.driver.identity(states[2]!), 0n);
    all.driver.renew();
    mayBe(false, false, true, true, false);
    // The next checkpoint says the same.
    all.superblock = states[2]!;
    assert.is(all.driver.live(), 0n);
    mayBe(false, false, true, true, false);
    all.close();
  });

  test('a load takes the former only if a mount elsewhere, even one that only reads, would have changed it', () => {
    for (const before of [superblockWith(), superblockWith(AT_REST), superblockWith(NO_JOURNAL)]) {
      const all = new Tracked(engine, SIZE);
      all.superblock = before;
      assert.is(all.driver.live(), 0n);
      assert.is(loads(engine, SIZE, all.file, before), 0n); // it is the next as well
      const mounted = superblockWith({ 48: 1 });
      assert.is(all.driver.identity(mounted), 0n);
      all.driver.renew();
      assert.is(loads(engine, SIZE, all.file, before), showsMounts(before) ? 0n : refusal('FOREIGN'));
      assert.is(loads(engine, SIZE, all.file, mounted), 0n);
      all.close();
    }
  });

  test('what it was before it must not be again without a new header: a mount elsewhere might make the next of it', () => {
    const all = new Tracked(engine, SIZE);
    const inUse = superblockWith({ 96: 4 });
    const atRest = superblockWith({ 96: 0 }); // of the same second: frozen, or as a read-only mount leaves it
    all.superblock = inUse;
    assert.is(all.driver.live(), 0n);
    assert.is(all.driver.identity(atRest), 0n);
    all.driver.renew();
    assert.is(all.driver.identity(atRest), 1n);
    assert.is(all.driver.identity(inUse), 0n);
    all.driver.renew();
    assert.is(all.driver.identity(inUse), 1n);
    assert.equal(
      [inUse, atRest].map((state) => loads(engine, SIZE, all.file, state)),
      [0n, refusal('FOREIGN')],
    );
    all.close();
  });

  test('live_void(): the superblock in the buffer is neither', () => {
    const all = written(engine, SIZE, [10]);
    const isVoid = (superblock: Buffer): bigint => {
      all.bench.buffer().set(superblock);
      return all.bench.call('live_void');
    };
    const next = superblockWith({ 48: 1 });
    assert.equal([superblockWith({ 12: 9 }), next, superblockWith({ 48: 2 })].map(isVoid), [0n, 1n, 1n]);
    assert.is(all.driver.identity(next), 0n);
    all.driver.renew();
    assert.equal([superblockWith(), next, superblockWith({ 48: 2 }), Buffer.alloc(4096)].map(isVoid), [0n, 0n, 1n, 1n]);
    all.close();
  });

  test('a filesystem that is none has no live checkpoint', () => {
    const all = written(engine, SIZE, [10]);
    const xfs = Buffer.alloc(4096);
    xfs.write('XFSB', 'latin1');
    for (const other of [Buffer.alloc(4096), xfs]) {
      assert.is(all.driver.identity(other), errno('EOPNOTSUPP'));
      assert.is(loads(engine, SIZE, all.file, other), refusal('FOREIGN'));
    }
    all.close();
  });

  test.run();
}
