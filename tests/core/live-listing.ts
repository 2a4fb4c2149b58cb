// What a core must list once it has loaded a checkpoint, by the file and by what was written and marked.

import * as assert from 'uvu/assert';
import { RUNS_MAX } from '../../host/layout.js';
import type { Bench } from './harness.js';
import { Blocks } from './live-disk.js';
import type { CowFile } from './live-driver.js';
import { mapBlocks } from './live-layout.js';

const RECORD_MAGIC = Buffer.from('DATTOREC', 'latin1');

/** What the header block on disk says there is. */
export const kindOnDisk = (file: CowFile): 'none' | 'live' | 'clean' => {
  const header = file.read(0, 4096);
  if (RECORD_MAGIC.compare(header, 64, 72)) return 'none';
  return header.readUInt32LE(72) === 3 ? 'live' : 'clean';
};

/** Does the header block on disk name another file, which has the checkpoint? */
export const isLeft = (file: CowFile): boolean => file.read(0, 4096).toString('latin1', 512, 520) === 'DATTONXT';

/** Number of the snapshot that the header on disk is of. */
export const seqidOnDisk = (file: CowFile): bigint => file.read(0, 4096).readBigUInt64LE(24);

/** Which map the header on disk names; 0 if it is none. */
export const generationOnDisk = (file: CowFile): bigint => file.read(0, 4096).readBigUInt64LE(144);

/** The regions of the map that the header on disk names, as blocks, and their number. */
export const dirtyOnDisk = (file: CowFile, nrSectors: bigint): { blocks: Blocks; nr: number } => {
  const header = file.read(0, 4096);
  const offset = Number(header.readBigUInt64LE(152));
  const size = Number(header.readBigUInt64LE(160));
  const blocks = new Blocks();
  const last = Math.ceil(Number(nrSectors) / 8) - 1;
  let nr = 0;
  for (let block = 0; block < mapBlocks(nrSectors, BigInt(size)); block++) {
    const bytes = file.read(offset + block * 4096, 4096);
    for (let at = 0; at < 4096; at += 4) {
      // The checksum.
      if (at % 512 >= 504) continue;
      const bits = bytes.readUInt32LE(at);
      for (let bit = 0; bit < 32 && bits >>> bit; bit++) {
        if (!((bits >>> bit) & 1)) continue;
        const region = ((block * 8 + Math.floor(at / 512)) * 504 + (at % 512)) * 8 + bit;
        blocks.add(region * size, Math.min(region * size + size - 1, last));
        nr++;
      }
    }
  }
  return { blocks, nr };
};

/** Every block that is set in C. */
export const listed = (bench: Bench): Blocks => {
  const blocks = new Blocks();
  for (let from = 0; ; ) {
    const runs = bench.runs(bench.call('changed_runs', from));
    for (const [start, count] of runs) blocks.add(start, start + count - 1);
    if (runs.length < RUNS_MAX) return blocks;
    from = runs.at(-1)![0] + runs.at(-1)![1];
  }
};

export interface Known {
  /** They differ from the snapshot on disk. */
  readonly changed: Blocks;
  /** They were in C at some time. */
  readonly marked: Blocks;
  /** What was to be marked since the checkpoint was begun, or waited then. */
  readonly noted: Blocks;
}

/** Every block that changed must be listed, and no block without a reason. Returns what is listed. */
export const checkLoaded = (bench: Bench, file: CowFile, known: Known, nrSectors: bigint): Blocks => {
  const blocks = listed(bench);
  for (const [first, last] of known.changed.ranges)
    assert.ok(blocks.has(first, last), `blocks ${first} to ${last} were written, and are not listed`);

  const live = kindOnDisk(file) === 'live';
  const dirty = live ? dirtyOnDisk(file, nrSectors) : { blocks: new Blocks(), nr: 0 };
  const reasons = new Blocks();
  reasons.addAll(known.marked);
  reasons.addAll(dirty.blocks);
  for (const [first, last] of blocks.ranges)
    assert.ok(reasons.has(first, last), `blocks ${first} to ${last} are listed without a reason`);
  for (const [first, last] of dirty.blocks.ranges) {
    assert.ok(known.noted.meets(first, last), `the map has blocks ${first} to ${last} without a reason`);
    assert.ok(blocks.has(first, last), `blocks ${first} to ${last} of the map are not listed`);
  }

  assert.is(bench.stat('NR_CHANGED'), BigInt(blocks.size));
  assert.is(bench.stat('LIVE'), BigInt(live));
  assert.is(bench.stat('DIRTY_REGIONS'), BigInt(dirty.nr));
  const added = bench.stat('NEW_BLOCKS');
  if (live) assert.ok(added >= 0n && added <= BigInt(dirty.blocks.size), `${added} blocks are new`);
  return blocks;
};
