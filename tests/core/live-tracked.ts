// An origin that is tracked, for tests: its core, the COW file, and what block 0 holds.

import * as assert from 'uvu/assert';
import { Bench, type Engine, INCREMENTAL, PLENTY, SNAPSHOT } from './harness.js';
import { Driver, type Phase, PlainFile } from './live-driver.js';
import { dataOffset } from './live-layout.js';
import { superblockWith } from './live-superblock.js';

export class Tracked {
  readonly bench: Bench;
  readonly driver: Driver;
  readonly file: PlainFile;
  superblock = superblockWith();
  /** Comes between two steps of what the driver does. */
  between: (phase: Phase) => void = () => {};

  constructor(engine: Engine, nrSectors: bigint, file = new PlainFile(), regionBlocks = 256, mode = INCREMENTAL) {
    const fsize = mode === SNAPSHOT ? PLENTY : dataOffset(nrSectors);
    this.bench = new Bench(engine, { nrSectors, mode, fsize });
    this.file = file;
    this.driver = new Driver(
      this.bench,
      file,
      () => this.superblock,
      (phase) => this.between(phase),
    );
    assert.is(this.bench.call('regions_set', regionBlocks), 0n);
  }

  /** The next snapshot, to whose file the next live checkpoint goes. */
  takeNext(engine: Engine, file = new PlainFile()): Tracked {
    const { bench, driver } = this;
    const next = new Tracked(engine, bench.stat('NR_BLOCKS') * 8n, file, Number(bench.stat('REGION_BLOCKS')), SNAPSHOT);
    assert.is(next.bench.call('header_create', PLENTY, bench.stat('SEQID') + 1n), 0n);
    assert.is(bench.call('live_move', next.bench.call('slots_take'), PLENTY), 0n);
    driver.next = file;
    return next;
  }

  mark(block: number, count = 1): bigint {
    return this.bench.call('mark', block * 8, count * 8);
  }

  close(): void {
    this.bench.close();
  }
}

/** An origin with a live checkpoint, after which each of these blocks was written. */
export const written = (engine: Engine, nrSectors: bigint, blocks: readonly number[]): Tracked => {
  const all = new Tracked(engine, nrSectors);
  assert.is(all.driver.live(), 0n);
  for (const block of blocks) all.mark(block);
  all.driver.flushMap();
  return all;
};

/** What a load of a file into another core says. */
export const loads = (
  engine: Engine,
  nrSectors: bigint,
  file: PlainFile,
  superblock: Buffer = superblockWith(),
): bigint => {
  const next = new Tracked(engine, nrSectors, file);
  next.superblock = superblock;
  const result = next.driver.load();
  next.close();
  return result;
};

export const copyOf = (file: PlainFile): PlainFile => {
  const copy = new PlainFile();
  for (const [offset, bytes] of file.blocks) copy.blocks.set(offset, Buffer.from(bytes));
  return copy;
};
