// One core and one model, and the operations that are done on both and must agree.

import * as assert from 'uvu/assert';
import {
  COMMIT_BLOCKS_MAX,
  PLAN_BLOCKS_MAX,
  READ_BLOCKS_MAX,
  READ_RUNS_MAX,
  RUNS_MAX,
  SLICE_BLOCKS,
} from '../../host/layout.js';
import { Bench, type Engine, entriesOf, errno, MISS, READ, READY, type Run, sum, WRITE } from './harness.js';
import { Model } from './model.js';

/** Where an operation goes; each one makes of it what it needs. */
export interface Place {
  readonly section: number;
  readonly offset: number;
  readonly length: number;
  readonly extra: number;
}

export const OPERATION_NAMES = [
  'mark',
  'markCopied',
  'isCopied',
  'copy',
  'commit',
  'read',
  'load',
  'failedRead',
  'failedWrite',
  'writeOne',
  'writeWhileCommitting',
  'flush',
  'mask',
  'markUnmasked',
  'exportMask',
  'importMask',
  'exportSection',
  'nextChangedSection',
  'changedRuns',
  'setCache',
  'limit',
  'unlimit',
] as const;
export type OperationName = (typeof OPERATION_NAMES)[number];

const UNLIMITED = 1e13;
const CHUNK_BLOCKS = 262144;
const CHUNK_BYTES = CHUNK_BLOCKS / 8;

export class Pair {
  readonly #bench: Bench;
  readonly #model: Model;

  constructor(engine: Engine, nrSectors: number) {
    this.#model = new Model(nrSectors, UNLIMITED);
    this.#bench = new Bench(engine, { nrSectors: BigInt(nrSectors), fsize: BigInt(UNLIMITED) });
  }

  close(): void {
    this.#bench.close();
  }

  run(name: OperationName, place: Place): void {
    const run: (at: Place) => void = this[name];
    run.call(this, place);
    const [bench, model] = [this.#bench, this.#model];
    assert.is(bench.stat('NR_CHANGED'), BigInt(model.nrChanged));
    assert.is(bench.stat('FPOS'), BigInt(model.fpos));
    assert.ok(bench.stat('NR_RESIDENT') <= bench.stat('NR_SLOTS'));
    assert.ok(bench.stat('NR_DIRTY') <= bench.stat('NR_RESIDENT'));
  }

  /** Compares everything: the file after a flush, every block of the snapshot, the changed runs. */
  checkAll(): void {
    const model = this.#model;
    this.flush();
    for (let section = 0; section < model.nrSections && !model.incremental; section++)
      assert.equal(entriesOf(this.#bench.file.get(BigInt(section)) ?? new Uint8Array(32768)), model.section(section));
    for (let block = 0; block < model.nrBlocks; ) block += this.#readOnce(block, model.nrBlocks - block);
    this.changedRuns({ section: 0, offset: 0, length: 0, extra: 0 });
  }

  toIncremental(): void {
    assert.is(this.#bench.call('to_incremental', 4096 * this.#model.dataPosition), 0n);
    this.#model.incremental = true;
    this.#model.fsize = 4096 * this.#model.dataPosition;
  }

  /** In snapshot mode a write is marked only when its blocks are copied; one in eight breaks that rule. */
  mark(place: Place): void {
    if (!this.#model.incremental && place.extra % 8) return this.markCopied(place);
    const [sector, length] = this.#sectors(place);
    const results = this.#inSlices('mark', sector, length, 8);
    assert.is(sum(results), BigInt(this.#model.mark(sector, length)));
  }

  markCopied(place: Place): void {
    const [sector, length] = this.#sectors(place);
    if (!this.#model.isCopied(sector, length)) return;
    assert.is(sum(this.#inSlices('mark', sector, length, 8)), 0n);
  }

  isCopied(place: Place): void {
    const [sector, length] = this.#sectors(place);
    const results = this.#inSlices('is_copied', sector, length, 8);
    assert.is(results.every(Boolean), this.#model.isCopied(sector, length));
  }

  /** What the stub does with held writes: plans, commits all runs, loads what is missed. */
  copy(place: Place): void {
    const [sector, length] = this.#sectors(place);
    const gap = place.extra % 700;
    const ranges = [
      [sector, length],
      [sector + gap, length >> 1],
      [sector + 2 * gap, 40],
    ] as const;
    const maxBlocks = place.extra % 3 ? 1e6 : place.extra % 500;
    if (this.#model.incremental) return assert.is(this.#planCopy(ranges, maxBlocks), errno('EINVAL'));
    if (this.#model.touchedBlocks(ranges) <= PLAN_BLOCKS_MAX) return this.#copyPlanned(ranges, maxBlocks);
    assert.is(this.#planCopy(ranges, 1e6), errno('EINVAL'));
    const most = PLAN_BLOCKS_MAX * 8 - 8;
    for (const [at, nr] of ranges)
      for (let done = 0; done < nr; done += most)
        this.#copyPlanned([[at + done, Math.min(most, nr - done)]], maxBlocks);
  }

  #planCopy(ranges: readonly (readonly [number, number])[], maxBlocks: number): readonly Run[] | bigint {
    return this.#bench.planCopy(
      ranges.map(([at, nr]) => [BigInt(at), BigInt(nr)] as const),
      BigInt(maxBlocks),
    );
  }

  #copyPlanned(ranges: readonly (readonly [number, number])[], maxBlocks: number): void {
    const runs = this.#planCopy(ranges, maxBlocks);
    assert.equal(runs, this.#model.planCopy(ranges, maxBlocks));
    for (const [block, count] of runs as (readonly [number, number, number])[]) {
      for (let done = 0; done < count; ) {
        if (this.#model.fpos * 4096 >= this.#model.fsize) return;
        const now = this.#commitOnce(block + done, count - done);
        if (!now) this.#bench.loadSection(this.#bench.call('miss_section'));
        done += now;
      }
    }
  }

  commit(place: Place): void {
    if (this.#model.incremental) return;
    this.#commitOnce(this.#block(place), place.length);
  }

  read(place: Place): void {
    const block = this.#block(place);
    if (this.#model.incremental) return assert.is(this.#bench.call('plan_read', block * 8, 8n), errno('EINVAL'));
    this.#readOnce(block, Math.min(place.length + 1, this.#model.nrBlocks - block));
  }

  load(place: Place): void {
    if (!this.#model.incremental) this.#bench.loadSection(this.#section(place));
  }

  failedRead(place: Place): void {
    if (!this.#model.incremental) this.#bench.loadSection(this.#section(place), READ);
  }

  failedWrite(place: Place): void {
    if (!this.#model.incremental) this.#bench.loadSection(this.#section(place), WRITE);
  }

  writeOne(place: Place): void {
    if (this.#bench.call('next_dirty_section', this.#section(place)) < this.#model.nrSections) this.#bench.writeOut();
  }

  /** Commits into the section that is being written. */
  writeWhileCommitting(place: Place): void {
    const section = Number(this.#bench.call('next_dirty_section', this.#section(place)));
    if (section >= this.#model.nrSections) return;
    this.#bench.writeOut(() => {
      this.#commitOnce(Math.min(section * 4096 + place.offset, this.#model.nrBlocks - 1), 1 + (place.extra % 50));
    });
  }

  flush(): void {
    this.#bench.flush();
    assert.is(this.#bench.stat('NR_DIRTY'), 0n);
  }

  mask(place: Place): void {
    const block = this.#block(place);
    assert.is(sum(this.#inSlices('mask_extent', block, place.length, 1)), 0n);
    this.#model.mask(block, place.length);
  }

  markUnmasked(place: Place): void {
    if (!this.#model.incremental && place.extra % 8) return;
    const block = this.#block(place);
    const expected = this.#model.markUnmasked(block, place.length);
    assert.is(sum(this.#inSlices('mark_unmasked', block, place.length, 1)), BigInt(expected));
  }

  exportMask(place: Place): void {
    const chunk = place.extra % Math.ceil(this.#model.nrBlocks / CHUNK_BLOCKS);
    const expected = new Uint8Array(CHUNK_BYTES);
    let nr = 0;
    for (let i = 0; i < CHUNK_BLOCKS; i++) {
      const block = chunk * CHUNK_BLOCKS + i;
      if (!this.#model.masked[block] || this.#model.changed[block]) continue;
      expected[i >> 3]! |= 1 << (i & 7);
      nr++;
    }
    assert.is(this.#bench.call('mask_export', chunk), BigInt(nr));
    assert.is(Buffer.compare(this.#bench.buffer().subarray(0, CHUNK_BYTES), expected), 0);
  }

  importMask(place: Place): void {
    const block = this.#block(place);
    const chunk = Math.floor(block / CHUNK_BLOCKS);
    const at = block % CHUNK_BLOCKS;
    const buffer = this.#bench.buffer().subarray(0, CHUNK_BYTES).fill(0);
    for (let i = at; i < Math.min(at + place.length, CHUNK_BLOCKS); i++) buffer[i >> 3]! |= 1 << (i & 7);
    assert.is(this.#bench.call('mask_import', chunk), 0n);
    this.#model.unmask(chunk * CHUNK_BLOCKS, CHUNK_BLOCKS);
    this.#model.mask(block, Math.min(place.length, CHUNK_BLOCKS - at));
  }

  exportSection(place: Place): void {
    const section = this.#section(place);
    const result = this.#bench.call('export_section', section);
    if (result === MISS) {
      assert.not(this.#model.incremental);
      return assert.is(this.#bench.call('miss_section'), section);
    }
    const expected = this.#model.section(Number(section));
    assert.is(result, BigInt(expected.filter(Boolean).length));
    assert.equal(entriesOf(this.#bench.buffer().subarray(0, 32768)), expected);
  }

  nextChangedSection(place: Place): void {
    const from = Number(this.#section(place));
    const { changed, nrSections } = this.#model;
    const block = changed.indexOf(1, from * 4096);
    const expected = block < 0 ? nrSections : Math.min(Math.floor(block / 4096), nrSections);
    assert.is(this.#bench.call('next_changed_section', from), BigInt(expected));
  }

  changedRuns(place: Place): void {
    const block = this.#block(place);
    const runs = this.#bench.runs(this.#bench.call('changed_runs', block));
    assert.equal(runs, this.#model.changedRuns(block).slice(0, RUNS_MAX));
  }

  /** Fewer or more slots, and at times a write that is not reported. */
  setCache({ length, extra }: Place): void {
    const cacheBytes = (length % 40) * 32768;
    if (extra % 4 === 0) this.#bench.call('set_cache', cacheBytes);
    for (let result: bigint; (result = this.#bench.call('set_cache', cacheBytes)) !== READY; )
      if (result === WRITE) this.#bench.writeOut();
    assert.ok(this.#bench.stat('NR_SLOTS') <= BigInt(Math.max(length % 40, 16)));
  }

  /** Leaves room for a few copies only. */
  limit({ length, extra }: Place): void {
    this.#setFsize((this.#model.fpos + (length % 300)) * 4096 + (extra % 4096));
  }

  unlimit(): void {
    this.#setFsize(UNLIMITED);
  }

  #setFsize(bytes: number): void {
    this.#model.fsize = bytes;
    assert.is(this.#bench.call('set_fsize', bytes), 0n);
  }

  /** Calls an export for each slice of a range in units of which a block has so many, once more than a slice was refused. */
  #inSlices(
    name: 'mark' | 'is_copied' | 'mask_extent' | 'mark_unmasked',
    first: number,
    count: number,
    unit: number,
  ): bigint[] {
    const [block, end] = this.#model.touched((first * 8) / unit, (count * 8) / unit);
    if (end - block > SLICE_BLOCKS) assert.is(this.#bench.call(name, first, count), errno('EINVAL'));
    return this.#bench.inSlices(name, BigInt(first), BigInt(count), BigInt(unit));
  }

  #block({ section, offset }: Place): number {
    return ((section % (this.#model.nrSections + 1)) * 4096 + offset) % this.#model.nrBlocks;
  }

  #section({ section }: Place): bigint {
    return BigInt(section % this.#model.nrSections);
  }

  #sectors(place: Place): [sector: number, length: number] {
    return [this.#block(place) * 8 + (place.extra % 8), place.length * 8 + ((place.extra >> 3) % 8)];
  }

  /** `block` is said to be in a section that is not in memory. */
  #checkMissing(block: number): void {
    const section = Math.floor(block / 4096);
    assert.is(this.#bench.call('export_section', section), MISS);
  }

  /** Commits once; the model says how far it may go. Returns how far it went. */
  #commitOnce(block: number, count: number): number {
    const model = this.#model;
    const possible = model.committable(block, count);
    const result = this.#bench.call('commit_copy', block, count);
    if (result === MISS) {
      assert.is(this.#bench.call('miss_section'), BigInt(Math.floor(block / 4096)));
      this.#checkMissing(block);
      return 0;
    }
    if (!possible) {
      const full = model.fpos * 4096 >= model.fsize;
      assert.is(result, count ? errno(full ? 'EFBIG' : 'EINVAL') : 0n);
      return 0;
    }
    const done = Number(result);
    assert.ok(done > 0 && done <= possible, `${done} of ${possible} blocks`);
    if (done < Math.min(possible, COMMIT_BLOCKS_MAX)) {
      assert.is((block + done) % 4096, 0);
      this.#checkMissing(block + done);
    }
    model.commit(block, done);
    return done;
  }

  /** Plans a read of count > 0 blocks once more after a miss. Returns how many blocks the answer covers, at least 1. */
  #readOnce(block: number, count: number): number {
    const model = this.#model;
    if (model.incremental) return count;
    const uncopied = (at: number): boolean => model.changed[at] === 1 && model.position[at] === 0;
    let result = this.#bench.call('plan_read', block * 8, count * 8);
    if (result === MISS) {
      assert.is(model.changed[block], 1);
      assert.is(this.#bench.call('miss_section'), BigInt(Math.floor(block / 4096)));
      this.#checkMissing(block);
      this.#bench.loadSection(this.#bench.call('miss_section'));
      result = this.#bench.call('plan_read', block * 8, count * 8);
    }
    if (uncopied(block)) {
      assert.is(result, errno('EIO'));
      return 1;
    }
    const runs = this.#bench.runs(result);
    const covered = runs.reduce((sum, [, nr]) => sum + nr, 0);
    assert.ok(covered > 0 && covered <= count);
    assert.equal(runs, model.planRead(block, block + covered));
    const next = block + covered;
    assert.ok(covered <= READ_BLOCKS_MAX && runs.length <= READ_RUNS_MAX);
    if (covered < Math.min(count, READ_BLOCKS_MAX) && runs.length < READ_RUNS_MAX && !uncopied(next)) {
      assert.is(model.changed[next], 1);
      this.#checkMissing(next);
    }
    return covered;
  }
}
