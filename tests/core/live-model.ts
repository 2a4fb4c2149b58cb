// A history of an origin, made at random: snapshot mode or not, writes that come at any time, some of which must wait, live and
// clean checkpoints, snapshots that are taken, and cuts of the power. After each, what the core finds on disk must list every block that
// was written.

import * as assert from 'uvu/assert';
import { Bench, type Engine, refusal } from './harness.js';
import { Cut } from './live-cut.js';
import { PowerCut, type Random } from './live-disk.js';
import { NO_ROOM, type Phase, REGION } from './live-driver.js';
import { dataOffset } from './live-layout.js';
import { dirtyOnDisk, generationOnDisk, isLeft, kindOnDisk, seqidOnDisk } from './live-listing.js';
import type { Write } from './live-origin.js';
import { SEEN } from './live-seen.js';
import { Store } from './live-store.js';
import { copyWrite, markWrite } from './live-writes.js';

const HELD_MAX = 30;

/**
 * A write of block 0, of which there is one at a time, as of any page.
 *
 *   held      it waits for the map, or for nothing
 *   offered   it waits for the header
 *   sent      it is on its way
 */
interface SuperblockWrite {
  readonly content: Buffer;
  state: 'held' | 'offered' | 'sent';
}

/** The store has something more urgent to do than the checkpoint that it is making. */
class Abandoned extends Error {}

export class History extends Store {
  #held: Write[] = [];
  #superblockWrite: SuperblockWrite | undefined;

  /** The core of a snapshot that is being taken. */
  #nextCore: Bench | undefined;

  readonly #planned: Cut;
  /** The worker does one thing at a time. */
  #nested = false;

  constructor(engine: Engine, random: Random) {
    super(engine, random);
    this.#planned = new Cut(random);
  }

  /** A few cuts of the power. */
  run(): void {
    for (let cuts = 1 + this.random(4); cuts > 0; cuts--) {
      this.#planned.plan();
      try {
        for (;;) this.#work();
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
      this.#cut();
      if (!this.#load(this.random(12) === 0)) break;
    }
    this.close();
  }

  #cut(): void {
    SEEN.cuts++;
    this.#planned.cancel();
    this.#nested = false;
    const { superblock } = this.disk;
    this.#nextCore?.close();
    this.#nextCore = undefined;
    this.disk.cutPower(this.#superblockWrite?.state === 'sent' ? this.#superblockWrite.content : undefined);
    if (this.disk.superblock !== superblock) this.known.change(0, 0);
    this.#held = [];
    this.#superblockWrite = undefined;
  }

  // Writes.

  /** Marks a write's blocks, slice by slice. Returns whether it may go now. */
  #mark(write: Write): boolean {
    const { bench } = this.driver;
    const { first, last } = write;
    const skip = last < this.origin.nrBlocks - 1 ? this.random(8) : 0;
    const goes = this.isSnapshot ? copyWrite(bench, write) : markWrite(bench, write, skip);
    this.known.note(first, last, goes);
    for (const range of this.origin.touched(write)) this.known.mark(...range);
    return goes;
  }

  /** One that goes is on disk by and by, if the power stays on. Most are there at once. */
  #offer(write: Write): boolean {
    if (!this.#mark(write)) return false;
    if (this.random(8)) for (const range of this.origin.touched(write)) this.known.change(...range);
    return true;
  }

  #newWrite(): void {
    const write = this.origin.someWrite();
    // The snapshot needs what a discard would destroy.
    if (this.isSnapshot && write.discard) return;
    if (!this.#isClosed() && this.#offer(write)) return;
    SEEN.held++;
    if (this.#held.length < HELD_MAX) this.#held.push(write);
  }

  #retry(): void {
    if (this.#isClosed()) return;
    const write = this.#held.shift();
    if (write && !this.#offer(write)) this.#held.push(write);
  }

  /** The store itself writes to blocks of the origin, once the map has them. */
  #keep(): void {
    const { first, last } = this.origin.someWrite();
    const count = Math.min(last - first + 1, 1000);
    const result = this.driver.bench.call('regions_keep', first, count);
    this.known.keep(first, first + count - 1);
    SEEN.kept++;
    if (result === 0n) this.known.change(first, first + count - 1);
    else assert.is(result, REGION);
  }

  /** Snapshot mode ends. What the store changed is marked, as in handing over. */
  #endSnapshot(): void {
    const { bench } = this.driver;
    const { nrSectors } = this.origin;
    assert.is(bench.call('to_incremental', bench.stat('FSIZE')), 0n);
    this.isSnapshot = false;
    for (const [first, last] of this.known.keepNone().ranges) this.#mark({ first, last, discard: false });
    const isMoved = bench.stat('NEEDED_BYTES') === dataOffset(nrSectors);
    assert.is(isMoved, this.kind === 'none');
    SEEN.ended++;
  }

  /** Do writes wait before anybody looks at them? */
  #isClosed(): boolean {
    return this.kind === 'clean' || this.driver.phase === 'clean';
  }

  // The superblock.

  /** A write of the superblock goes on by one step. */
  #moveSuperblock(): void {
    this.#superblockWrite ??= { content: this.origin.someSuperblock(this.disk.superblock, 'any'), state: 'held' };
    const write = this.#superblockWrite;
    if (write.state === 'sent') return this.endSuperblock();
    if (write.state === 'offered' || this.#isClosed()) return;
    if (!this.#mark({ first: 0, last: 0, discard: false })) return;
    const compared = this.kind === 'live' || this.driver.phase === 'switch';
    write.state = compared && this.driver.identity(write.content) === 0n ? 'offered' : 'sent';
  }

  protected override endSuperblock(): void {
    if (this.#superblockWrite?.state !== 'sent') return;
    this.disk.superblock = this.#superblockWrite.content;
    this.known.change(0, 0);
    this.#superblockWrite = undefined;
  }

  /** The header must speak of it before it goes. */
  #renew(): void {
    const write = this.#superblockWrite;
    if (write?.state !== 'offered' || this.kind !== 'live') return;
    if (this.driver.identity(write.content) === 0n) {
      this.driver.renew();
      assert.is(this.driver.identity(write.content), 1n);
      SEEN.renewed++;
    }
    write.state = 'held';
  }

  // The store.

  protected override step(phase: Phase): void {
    this.#planned.step(phase);
    if (phase === 'clean' || phase === 'resume') {
      if (!this.random(3)) this.#newWrite();
      return;
    }
    if (phase === 'pieces' && !this.#nested && !this.random(100)) {
      if (this.isSnapshot && this.random(2)) this.#endSnapshot();
      throw new Abandoned();
    }
    for (let events = this.random(4); events > 0; events--) {
      const event = this.random(16);
      if (event < 8) this.#newWrite();
      else if (event < 11) this.#retry();
      else if (event < 13) this.#moveSuperblock();
      else if (phase === 'pieces' && event === 13) this.#nest(() => this.#flush());
      else if (phase === 'pieces' && event === 14) this.#nest(() => this.#renew());
    }
  }

  /** The worker does something else between two steps of a checkpoint. */
  #nest(act: () => void): void {
    if (this.#nested) return;
    this.#nested = true;
    act();
    this.#nested = false;
  }

  #flush(): void {
    if (this.kind === 'live') {
      this.known.flushed();
      this.driver.flushMap();
    }
    for (let nr = this.#held.length; nr > 0; nr--) this.#retry();
  }

  /** What the worker does next. */
  #work(): void {
    this.step('idle');
    const what = this.random(20);
    if (this.isSnapshot && !this.random(40)) return this.#endSnapshot();
    if (this.isSnapshot && !this.random(12)) return this.#keep();
    this.cutFile();
    if (this.kind === 'clean') {
      if (what < 3) this.#load(false);
      else if (this.#held.length || this.#superblockWrite || what < 8) this.#resume();
    } else if (what < (this.kind === 'none' ? 14 : 5)) this.#live();
    else if (what < 10) this.#flush();
    else if (what < 16) this.#renew();
    else if (what === 16 && !this.isSnapshot) this.#clean();
    else if (what === 17 && !this.random(4)) this.#drop();
    else if (what > 17 && !this.isSnapshot && !this.isShort) this.#takeSnapshot();
  }

  #live(): void {
    this.known.begin();
    try {
      const made = this.driver.live();
      assert.is(made, this.isShort ? NO_ROOM : 0n);
      if (made < 0n) return;
      this.kind = 'live';
      this.known.becomeNamed(generationOnDisk(this.driver.file));
      SEEN.live++;
    } catch (error) {
      if (!(error instanceof Abandoned)) throw error;
      this.known.abandon();
      SEEN.abandoned++;
    }
  }

  /** The next snapshot, whose file has a checkpoint of this one before it has its own. It is given up where something waits. */
  #takeSnapshot(): void {
    const { nrSectors } = this.origin;
    const { bench } = this.driver;
    const next = new Bench(this.engine, { nrSectors });
    this.#nextCore = next;
    assert.is(next.call('header_create', 1n << 40n, this.known.seqid + 1n), 0n);
    this.prepare(next, this.otherFile, bench.stat('REGION_BLOCKS'));
    assert.is(bench.call('live_move', next.call('slots_take'), 1n << 40n), 0n);
    this.driver.next = this.otherFile;
    this.#live();
    if (this.driver.file === this.otherFile && this.#isSettled()) this.#switchTo(next);
    else this.#giveUp(next);
    this.#nextCore = undefined;
  }

  /** The filesystem is frozen: does nothing wait, and is the map on disk? */
  #isSettled(): boolean {
    for (let tries = 0; this.#held.length && tries < 5; tries++) this.#flush();
    this.#flush();
    this.endSuperblock();
    return !this.#held.length && !this.#superblockWrite;
  }

  #switchTo(next: Bench): void {
    this.driver.handOver(next);
    this.close();
    [this.file, this.otherFile] = [this.otherFile, this.file];
    this.isSnapshot = true;
    this.driver = this.drive(next);
    assert.is(this.driver.identity(this.disk.superblock, false), 1n);
    this.known.takeSnapshot();
    SEEN.taken++;
  }

  /** The present one goes on, in its own file, without a checkpoint. */
  #giveUp(next: Bench): void {
    this.#drop();
    this.driver.next = undefined;
    this.driver.file = this.file;
    assert.is(this.driver.bench.call('live_move', 0n, 0n), 0n);
    next.close();
    SEEN.notTaken++;
  }

  #drop(): void {
    this.driver.drop();
    this.known.drop();
    this.kind = 'none';
    if (this.#superblockWrite?.state === 'offered') this.#superblockWrite.state = 'held';
    SEEN.dropped++;
  }

  /** Nobody writes any more, and what was held has gone. */
  #clean(): void {
    for (let tries = 0; this.#held.length && tries < 5; tries++) this.#flush();
    this.endSuperblock();
    if (this.#held.length || this.#superblockWrite) return;
    assert.is(this.driver.clean(), 0n);
    this.kind = 'clean';
    SEEN.clean++;
  }

  #resume(): void {
    const resumed = this.driver.resume();
    assert.is(resumed, this.isShort ? NO_ROOM : 0n);
    this.kind = 'none';
    if (resumed === 0n) {
      this.kind = 'live';
      this.known.resume(generationOnDisk(this.file));
      assert.is(dirtyOnDisk(this.file, this.origin.nrSectors).nr, 0);
    }
    SEEN.resumed++;
  }

  /** What is on disk is loaded into another core. Returns false if it was refused since somebody mounted the filesystem elsewhere. */
  #load(foreign: boolean): boolean {
    this.close();
    if (isLeft(this.file)) this.leadOn();
    this.kind = kindOnDisk(this.file);
    const ofSnapshot = this.isSnapshot && this.kind === 'live';
    if (ofSnapshot && !this.random(4)) this.loadAsSnapshot();
    this.isSnapshot = false;
    this.driver = this.newCore();
    const { bench } = this.driver;
    // A live checkpoint brings its own.
    if (this.kind !== 'live') this.regionBlocks = 256 << this.random(7);
    else bench.call('regions_set', 256 << this.random(7));
    if (this.kind === 'none') {
      assert.is(this.driver.load(), refusal('NOT_CLEAN'));
      SEEN.refused++;
      this.begin();
      return true;
    }
    if (foreign) {
      const kind = this.kind === 'live' ? 'mounted' : 'any';
      this.disk.superblock = this.origin.someSuperblock(this.disk.superblock, kind);
      assert.is(this.driver.load(), refusal('FOREIGN'));
      SEEN.foreign++;
      return false;
    }
    if (this.kind === 'clean') assert.is(bench.call('regions_set', this.regionBlocks), 0n);
    if (this.kind === 'live' && !this.isSure()) {
      assert.is(this.driver.load(), refusal('FOREIGN'));
      SEEN.unsure++;
      return false;
    }
    assert.is(this.driver.load(), 0n);
    if (this.known.load(seqidOnDisk(this.file))) SEEN.loadedFormer++;
    SEEN[ofSnapshot ? 'loadedSnapshot' : this.kind === 'live' ? 'loadedLive' : 'loadedClean']++;
    this.checkLoaded();
    return true;
  }
}
