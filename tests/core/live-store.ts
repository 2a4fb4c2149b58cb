// The store of a history: an origin, the COW files on a disk, and the core that tracks it now.

import * as assert from 'uvu/assert';
import { Bench, type Engine, INCREMENTAL, refusal } from './harness.js';
import { Disk, Part, type Random } from './live-disk.js';
import { Driver, type Phase } from './live-driver.js';
import { Known } from './live-known.js';
import { dataOffset, slotOffset } from './live-layout.js';
import { checkLoaded, generationOnDisk } from './live-listing.js';
import { SomeOrigin } from './live-origin.js';
import { SEEN } from './live-seen.js';
import { identityOf, showsMounts, superblockWith } from './live-superblock.js';

export abstract class Store {
  protected readonly engine: Engine;
  protected readonly random: Random;
  protected regionBlocks: number;
  protected readonly origin: SomeOrigin;
  /** No room for two checkpoints: the file is cut. */
  protected readonly isShort: boolean;
  protected readonly disk: Disk;
  /** The COW file, and the one of the snapshot before, or of the next. */
  protected file: Part;
  protected otherFile: Part;
  protected isSnapshot: boolean;
  protected driver: Driver;
  /** Is there a checkpoint on disk, as far as the store knows? */
  protected kind: 'none' | 'live' | 'clean' = 'none';
  protected known = new Known(1n);

  constructor(engine: Engine, random: Random) {
    this.engine = engine;
    this.random = random;
    this.regionBlocks = random(3) ? 256 : 256 << random(7);
    this.origin = new SomeOrigin(random, this.regionBlocks);
    this.isSnapshot = random(2) === 0;
    this.isShort = !this.isSnapshot && random(25) === 0;
    this.disk = new Disk(superblockWith(), random, () => this.step(this.driver.phase));
    this.file = new Part(this.disk, 0);
    this.otherFile = new Part(this.disk, 1);
    this.driver = this.newCore();
    this.begin();
  }

  /** Anything may come between two steps, and be the last. */
  protected abstract step(phase: Phase): void;
  /** If a write of the superblock is on its way it comes to the disk now. */
  protected abstract endSuperblock(): void;

  close(): void {
    this.driver.bench.close();
  }

  protected newCore(): Driver {
    const { nrSectors } = this.origin;
    const fsize = this.isShort ? slotOffset(nrSectors, 2n) - 4096n : dataOffset(nrSectors);
    return this.drive(
      new Bench(this.engine, this.isSnapshot ? { nrSectors } : { nrSectors, mode: INCREMENTAL, fsize }),
    );
  }

  protected drive(bench: Bench): Driver {
    const readSuperblock = (): Buffer => {
      this.endSuperblock();
      return this.disk.superblock;
    };
    return new Driver(bench, this.file, readSuperblock, (phase) => this.step(phase));
  }

  /** A snapshot was taken, and the origin is tracked from here on. The file is where another one was. */
  protected begin(): void {
    this.known = new Known(1n);
    this.kind = 'none';
    this.prepare(this.driver.bench, this.file, BigInt(this.regionBlocks));
  }

  /** A core that was made knows what it must, and its file has a header. */
  protected prepare(bench: Bench, file: Part, regionBlocks: bigint): void {
    assert.is(bench.call('regions_set', regionBlocks), 0n);
    for (const [first, last] of this.origin.masked.ranges)
      assert.is(bench.call('mask_extent', first, last - first + 1), 0n);
    bench.call('header_encode', 0n);
    file.put(0, Buffer.from(bench.buffer().subarray(0, 4096)));
  }

  /** The file is cut, if its checkpoint does not lie behind the cut. */
  protected cutFile(): void {
    const { bench } = this.driver;
    if (this.isSnapshot || bench.stat('NEEDED_BYTES') !== dataOffset(this.origin.nrSectors)) return;
    if (!this.isShort) bench.call('set_fsize', dataOffset(this.origin.nrSectors));
    this.file.cut(Number(dataOffset(this.origin.nrSectors)));
  }

  /** The file of before names the next one. */
  protected leadOn(): void {
    this.driver = this.newCore();
    assert.is(this.driver.load(), refusal('CONTINUED'));
    this.close();
    [this.file, this.otherFile] = [this.otherFile, this.file];
    SEEN.ledOn++;
  }

  /** As a snapshot it is refused. */
  protected loadAsSnapshot(): void {
    const driver = this.newCore();
    assert.is(driver.load(), refusal('CRASHED'));
    driver.bench.close();
  }

  /** Is the superblock on disk such that no mount elsewhere can have left it? It is always one of those that the header names. */
  protected isSure(): boolean {
    const header = this.file.read(0, 4096);
    const identity = identityOf(this.disk.superblock);
    const isNext = identity === header.readBigUInt64LE(176);
    assert.ok(isNext || identity === header.readBigUInt64LE(168), 'the header does not name the superblock on disk');
    return isNext || showsMounts(this.disk.superblock);
  }

  protected checkLoaded(): void {
    const known = this.known.loaded(generationOnDisk(this.file));
    known.marked.addAll(checkLoaded(this.driver.bench, this.file, known, this.origin.nrSectors));
  }
}
