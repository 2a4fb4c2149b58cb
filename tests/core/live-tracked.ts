// An origin that is tracked in incremental mode, for tests: its core, the COW file, and what block 0 holds.

import * as assert from 'uvu/assert';
import { Bench, type Engine, INCREMENTAL } from './harness.js';
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

  constructor(engine: Engine, nrSectors: bigint, file = new PlainFile(), regionBlocks = 256) {
    this.bench = new Bench(engine, { nrSectors, mode: INCREMENTAL, fsize: dataOffset(nrSectors) });
    this.file = file;
    this.driver = new Driver(
      this.bench,
      file,
      () => this.superblock,
      (phase) => this.between(phase),
    );
    assert.is(this.bench.call('regions_set', regionBlocks), 0n);
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
