// The proof that nobody wrote elsewhere: what of a filesystem is looked at, and where XFS's log ends. Judge of that is xfs_logprint.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PROOF_BLOCKS_MAX } from '../../host/layout.js';
import { Bench, ENGINES, errno, INCREMENTAL } from './harness.js';
import { lookAt } from './live-driver.js';
import { compareEnds, type Look, look, type Read } from './log-end.js';
import { type Geometry, xfsSuperblock } from './xfs-superblock.js';

const MAGIC = 0xfeedbabe;
const BLOCK = 4096;
const SECTOR = 512;
/** Numbers in 0..below, the same in every run. */
const numbers =
  (seed: number) =>
  (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };

/** A log, by sector: the cycle of each, and whether a mount stamped it. */
class FakeLog {
  readonly cycles: Uint32Array;
  readonly stamped: Uint8Array;
  constructor(
    readonly first: Buffer,
    readonly start: number,
    readonly sectors: number,
  ) {
    this.cycles = new Uint32Array(sectors);
    this.stamped = new Uint8Array(sectors);
  }

  /** Writes a record of `count` sectors at `head`, in `cycle`; where the next one begins, and its cycle. */
  record(head: number, cycle: number, count: number): [head: number, cycle: number] {
    for (let i = 0; i < count; i++) {
      this.cycles[head] = cycle;
      this.stamped[head] = i === 0 ? 1 : 0; // a header looks like a stamp
      if (++head < this.sectors) continue;
      head = 0;
      cycle++;
    }
    return [head, cycle];
  }

  /** What a mount does: sectors behind the head are stamped as older. */
  stamp(head: number, cycle: number, count: number): void {
    let older = cycle - 1;
    for (let i = 0; i < count; i++) {
      this.cycles[head] = older;
      this.stamped[head] = 1;
      if (++head < this.sectors) continue;
      head = 0;
      older++;
    }
  }

  read: Read = (block) => {
    if (block === 0) return this.first;
    const bytes = Buffer.alloc(BLOCK);
    for (let i = 0; i < BLOCK / SECTOR; i++) {
      const sector = block * 8 + i - this.start;
      if (sector < 0 || sector >= this.sectors) continue;
      const at = i * SECTOR;
      if (this.stamped[sector]) bytes.writeUInt32BE(MAGIC, at);
      bytes.writeUInt32BE(this.cycles[sector]!, at + (this.stamped[sector] ? 4 : 0));
    }
    return bytes;
  };
}

const ext = (): Buffer => {
  const block = Buffer.alloc(BLOCK, 3);
  block.writeUInt16LE(0xef53, 1024 + 56);
  return block;
};

const folder = mkdtempSync(join(tmpdir(), 'proof-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** An image that mkfs.xfs made. */
const image = (name: string, mib: number, ...options: string[]): string => {
  const path = join(folder, name);
  writeFileSync(path, '');
  truncateSync(path, mib * 2 ** 20);
  execFileSync('mkfs.xfs', ['-q', '-f', ...options, path], { stdio: 'pipe' });
  return path;
};

for (const engine of ENGINES) {
  const test = suite(`core proof, ${engine.name}`);
  const nrSectors = 8n * 100000n;
  const opened = (size = nrSectors): Bench => new Bench(engine, { nrSectors: size, mode: INCREMENTAL });

  test('of ext4 the superblock is looked at, and for a record all first blocks but the COW file’s', () => {
    const bench = opened();
    const first = ext();
    const read: Read = (block) => (block === 0 ? first : Buffer.alloc(BLOCK, block));
    assert.equal(look(bench, read).blocks, [0]);
    const whole = look(bench, read, { whole: true });
    assert.equal(whole.blocks, [0, 1, 2, 3]);
    assert.is(whole.end, errno('ENODATA'));
    assert.is(whole.sectors, 0);
    assert.is(look(bench, read, { whole: true }).fingerprint, whole.fingerprint);
    for (const changed of [0, 1, 2, 3]) {
      const other: Read = (block) => {
        const bytes = Buffer.from(read(block));
        if (block === changed) bytes[4095]! ^= 1;
        return bytes;
      };
      assert.is.not(look(bench, other, { whole: true }).fingerprint, whole.fingerprint, `block ${changed}`);
      if (changed === 0) continue;
      const cow = [changed];
      assert.is(
        look(bench, other, { whole: true, cow }).fingerprint,
        look(bench, read, { whole: true, cow }).fingerprint,
      );
    }
    bench.close();
    const small = opened(19n);
    assert.equal(look(small, read, { whole: true }).blocks, [0, 1]);
    small.close();
  });

  test('no filesystem, and a log on another device, are no proof', () => {
    const bench = opened();
    const refused = (first: Buffer, name: string): void => {
      const { end, blocks, sectors } = look(bench, () => first, { whole: true });
      assert.is(end, errno(name));
      assert.equal(blocks, [0]);
      assert.is(sectors, 0);
      assert.is(bench.call('proof_block', 4096n), errno('EINVAL'));
      assert.is(bench.stat('FINGERPRINT'), 0n);
    };
    refused(Buffer.alloc(BLOCK), 'EOPNOTSUPP');
    refused(Buffer.alloc(BLOCK, 0xff), 'EOPNOTSUPP');
    refused(xfsSuperblock({ group: 0, within: 0, logBlocks: 2560 }), 'EXDEV');
    const sound: Geometry = { group: 1, within: 700, logBlocks: 2560 };
    assert.is(look(bench, new FakeLog(xfsSuperblock(sound), 45600, 20480).read).end, errno('ENODATA'));
    refused(xfsSuperblock({ ...sound, within: 8000, group: 30 }), 'EOPNOTSUPP'); // past the end
    refused(xfsSuperblock({ ...sound, logBlocks: 100000 }), 'EOPNOTSUPP');
    refused(xfsSuperblock({ ...sound, logBlocks: 10 }), 'EOPNOTSUPP');
    refused(xfsSuperblock({ ...sound, blockShift: 8 }), 'EOPNOTSUPP');
    refused(xfsSuperblock({ ...sound, groupShift: 40 }), 'EOPNOTSUPP');
    bench.close();
  });

  test('of a log of version 1 no live checkpoint speaks', () => {
    const bench = opened();
    for (const [logVersion, end] of [
      [1, 'EOPNOTSUPP'],
      [2, 'ENODATA'],
    ] as const) {
      const log = new FakeLog(xfsSuperblock({ group: 1, within: 700, logBlocks: 2560, logVersion }), 45600, 20480);
      log.cycles.fill(2, 0, 700);
      log.cycles.fill(1, 700);
      assert.is(bench.call('live_rest', 20480, 699, 2), 0n);
      assert.is(lookAt(bench, 'STAMPS', log.read), errno(end));
      assert.is(look(bench, log.read).end, errno('ENODATA'));
    }
    bench.close();
  });

  test('bad arguments are refused', () => {
    const bench = opened();
    assert.is(bench.call('proof_next'), errno('ENODATA')); // not begun
    assert.is(bench.call('proof_block', 4096n), errno('EINVAL'));
    bench.call('proof_begin', 1n);
    assert.is(bench.call('proof_block', 0n), errno('EINVAL')); // a superblock is never the COW file's
    assert.is(bench.call('proof_block', 512n), errno('EINVAL'));
    assert.is(bench.call('proof_block', -1n), errno('EINVAL'));
    bench.buffer().set(ext());
    assert.is(bench.call('proof_block', 4096n), 0n);
    assert.is(bench.call('proof_block', 0n), 0n);
    bench.close();
  });

  test('the end of a log is found wherever it is: empty, written once, round and round, at the very end', () => {
    const bench = opened();
    for (const within of [700, 701]) {
      const sectors = 64 * 8;
      const start = (5000 + within) * 8;
      const log = new FakeLog(xfsSuperblock({ group: 1, within, logBlocks: 64 }), start, sectors);
      const found = (): Look => {
        const seen = look(bench, log.read);
        assert.is(seen.end, errno('ENODATA'));
        assert.equal([seen.start, seen.sectors], [start, sectors]);
        return seen;
      };
      assert.is(found().cycle, 0);
      let head = 0;
      let cycle = 1;
      const next = numbers(3);
      for (let round = 0; round < 300; round++) {
        const count = 2 + next(round % 7 ? 12 : 60);
        [head, cycle] = log.record(head, cycle, count);
        const last = (head + sectors - 1) % sectors;
        let seen = found();
        assert.equal([seen.last, seen.cycle], [last, head ? cycle : cycle - 1], `round ${round}`);
        if (next(3)) continue;
        log.stamp(head, cycle, 1 + next(sectors - count));
        seen = found();
        assert.equal([seen.last, seen.cycle], [last, head ? cycle : cycle - 1], `round ${round}, stamped`);
      }
    }
    bench.close();
  });

  test('a fingerprint changes with a record, with the stamps of a mount alone, and with a move of the log', () => {
    const bench = opened();
    const at = (within: number): FakeLog =>
      new FakeLog(xfsSuperblock({ group: 1, within, logBlocks: 64 }), (5000 + within) * 8, 512);
    const log = at(700);
    const sum = (of = log): bigint => look(bench, of.read, { whole: true }).fingerprint;
    const [head, cycle] = log.record(...log.record(0, 7, 509), 3); // wraps
    log.cycles.fill(7, head);
    const before = sum();
    assert.is(sum(), before);
    log.stamp(head, cycle, 40);
    const stamped = sum();
    assert.is.not(stamped, before);
    log.record(head, cycle, 2);
    assert.is.not(sum(), stamped);
    assert.is.not(sum(at(701)), sum(at(700)));
    bench.close();
  });

  test('the largest log takes at most 28 blocks', () => {
    const size = 8n * 1000000n;
    const bench = opened(size);
    const sectors = 2 ** 22;
    const log = new FakeLog(xfsSuperblock({ group: 0, within: 700, logBlocks: 2 ** 19 }), 5600, sectors);
    const next = numbers(5);
    let most = 0;
    for (let round = 0; round < 200; round++) {
      const head = round < 20 ? round : next(sectors);
      log.cycles.fill(9, 0, head);
      log.cycles.fill(8, head);
      const seen = look(bench, log.read, { whole: true });
      assert.is(seen.last, (head + sectors - 1) % sectors);
      most = Math.max(most, seen.blocks.length);
    }
    assert.ok(most > 20 && most <= PROOF_BLOCKS_MAX, `${most}`);
    bench.close();
  });

  test('whatever the bytes are, a look ends', () => {
    const bench = opened();
    const next = numbers(11);
    for (let round = 0; round < 400; round++) {
      const first = xfsSuperblock({ group: next(3), within: next(3000), logBlocks: 64 + next(300) });
      for (let i = next(4); i > 0; i--) first[next(130)] = next(256);
      const read: Read = (block) => {
        if (block === 0) return first;
        const bytes = Buffer.alloc(BLOCK);
        for (let at = 0; at < BLOCK; at += SECTOR) {
          bytes.writeUInt32BE(next(2) ? MAGIC : next(3), at);
          bytes.writeUInt32BE(next(5), at + 4);
        }
        return bytes;
      };
      const { end } = look(bench, read, { whole: round % 2 === 0 });
      assert.ok([errno('ENODATA'), errno('EOPNOTSUPP'), errno('EXDEV')].includes(end));
    }
    bench.close();
  });

  test('on real images the end of the log is where xfs_logprint finds it', () => {
    const images = [
      image('plain', 320),
      image('small-sectors', 320, '-s', 'size=512', '-l', 'size=16m', '--unsupported'),
      image('large-sectors', 320, '-s', 'size=4096'),
      image('stripes', 320, '-l', 'su=32k'),
      image('first-version', 320, '-m', 'crc=0', '-l', 'version=1'),
      image('small-blocks', 320, '-b', 'size=1024'),
      image('groups', 1024, '-d', 'agcount=7', '-l', 'agnum=3,size=64m'),
    ];
    for (const path of images) {
      const bench = opened(BigInt(path.endsWith('groups') ? 1024 : 320) * 2048n);
      compareEnds(path, bench);
      bench.close();
    }
  });

  test.run();
}
