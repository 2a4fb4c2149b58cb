/**
 * Where the log of an XFS ends: what the core finds, and what xfs_logprint says.
 *
 *   node --import tsx tests/core/log-end.ts IMAGE...   compares them
 */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import * as assert from 'uvu/assert';
import { PROOF_BLOCKS_MAX } from '../../host/layout.js';
import { Bench, INCREMENTAL, WASM3_RELEASE } from './harness.js';

const BLOCK = 4096;

/** What an origin holds: a block, by its number. */
export type Read = (block: number) => Buffer;

export interface Look {
  /** what proof_next() said at last */
  readonly end: bigint;
  readonly blocks: readonly number[];
  readonly start: number;
  readonly sectors: number;
  readonly last: number;
  readonly cycle: number;
  readonly fingerprint: bigint;
}

/** Looks at an origin as the stub does. `cow`: blocks of the COW file */
export const look = (bench: Bench, read: Read, { whole = false, cow = [] as readonly number[] } = {}): Look => {
  assert.is(bench.call('proof_begin', whole ? 1 : 0), 0n);
  const blocks: number[] = [];
  let wanted = bench.call('proof_next');
  for (; wanted >= 0n; wanted = bench.call('proof_next')) {
    const block = Number(wanted);
    blocks.push(block);
    assert.ok(blocks.length <= PROOF_BLOCKS_MAX, `${blocks.length} blocks`);
    if (cow.includes(block)) {
      assert.is(bench.call('proof_block', 0n), 0n);
      continue;
    }
    bench.buffer().set(read(block));
    assert.is(bench.call('proof_block', BigInt(BLOCK)), 0n);
  }
  return {
    end: wanted,
    blocks,
    start: Number(bench.stat('LOG_START')),
    sectors: Number(bench.stat('LOG_SECTORS')),
    last: Number(bench.stat('LOG_LAST')),
    cycle: Number(bench.stat('LOG_CYCLE')),
    fingerprint: bench.stat('FINGERPRINT'),
  };
};

/** An image's blocks. */
export const imageReader = (path: string): { read: Read; close: () => void } => {
  const fd = openSync(path, 'r');
  return {
    read: (block) => {
      const bytes = Buffer.alloc(BLOCK);
      assert.is(readSync(fd, bytes, 0, BLOCK, block * BLOCK), BLOCK);
      return bytes;
    },
    close: () => closeSync(fd),
  };
};

/** What xfs_logprint says: start of the log, its size, and its head, in sectors. */
export const judge = (path: string): { start: number; sectors: number; head: number } => {
  const text = execFileSync('xfs_logprint', ['-t', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const where = /daddr: (\d+)\s+length: (\d+)/.exec(text);
  const head = /log tail: \d+ head: (\d+)/.exec(text);
  assert.ok(where && head, text);
  return { start: Number(where[1]), sectors: Number(where[2]), head: Number(head[1]) };
};

/** The core and xfs_logprint agree about an image. Returns where the next record begins, in sectors of the log. */
export const compareEnds = (path: string, bench: Bench): number => {
  const { read, close } = imageReader(path);
  const seen = look(bench, read, { whole: true });
  close();
  const { start, sectors, head } = judge(path);
  assert.equal([seen.start, seen.sectors, (seen.last + 1) % seen.sectors], [start, sectors, head], path);
  return head;
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const path of process.argv.slice(2)) {
    const bench = new Bench(WASM3_RELEASE, { nrSectors: BigInt(statSync(path).size / 512), mode: INCREMENTAL });
    console.log(`${path}: ${compareEnds(path, bench)}`);
    bench.close();
  }
}
