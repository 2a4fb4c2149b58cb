// A disk under a COW file, whose power may be cut: what was not flushed may be there or not, each sector by itself.

import { SECTOR_BYTES } from '../../host/layout.js';
import type { CowFile } from './live-driver.js';

const BLOCK = 4096;

/** Numbers in 0..below. The same seed gives the same ones. */
export type Random = (below: number) => number;

export const randomFrom = (seed: number): Random => {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
};

/** The power is off from here on. */
export class PowerCut extends Error {}

/** Ranges of blocks, which meet or overlap nowhere. */
export class Blocks {
  /** First and last block of each, ascending. */
  readonly ranges: [first: number, last: number][] = [];

  /** Number of the first range that ends at `block` or behind it. */
  #from(block: number): number {
    let low = 0;
    for (let high = this.ranges.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.ranges[middle]![1] < block) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  add(first: number, last: number): void {
    const from = this.#from(first - 1);
    let end = from;
    for (; end < this.ranges.length && this.ranges[end]![0] <= last + 1; end++) {
      first = Math.min(first, this.ranges[end]![0]);
      last = Math.max(last, this.ranges[end]![1]);
    }
    this.ranges.splice(from, end - from, [first, last]);
  }

  addAll(other: Blocks): void {
    for (const [first, last] of other.ranges) this.add(first, last);
  }

  has(first: number, last: number): boolean {
    const range = this.ranges[this.#from(first)];
    return range !== undefined && range[0] <= first && range[1] >= last;
  }

  /** Is one of these blocks among them? */
  meets(first: number, last: number): boolean {
    const range = this.ranges[this.#from(first)];
    return range !== undefined && range[0] <= last;
  }

  /** Those of first..last that are not among them. */
  without(first: number, last: number): [number, number][] {
    const rest: [number, number][] = [];
    for (let at = this.#from(first); at < this.ranges.length && this.ranges[at]![0] <= last; at++) {
      if (this.ranges[at]![0] > first) rest.push([first, this.ranges[at]![0] - 1]);
      first = this.ranges[at]![1] + 1;
    }
    if (first <= last) rest.push([first, last]);
    return rest;
  }

  get size(): number {
    return this.ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }
}

interface Write {
  readonly offset: number;
  readonly bytes: Buffer;
}

export class Disk implements CowFile {
  /** What is there for good, by offset. */
  readonly #blocks = new Map<number, Buffer>();
  #written: Write[] = [];
  /** Block 0 of the origin: as it is for good, and as it was written last. */
  superblock: Buffer;
  #safeSuperblock: Buffer;
  readonly #random: Random;
  /** Comes while a write is on its way that must be there for good. */
  readonly #meanwhile: () => void;

  constructor(superblock: Buffer, random: Random, meanwhile: () => void) {
    this.superblock = superblock;
    this.#safeSuperblock = superblock;
    this.#random = random;
    this.#meanwhile = meanwhile;
  }

  write(offset: number, bytes: Buffer): void {
    this.#written.push({ offset, bytes });
  }

  flush(): void {
    this.#meanwhile();
    for (const { offset, bytes } of this.#written) this.put(offset, bytes);
    this.#written = [];
    this.#safeSuperblock = this.superblock;
  }

  /** This is no flush of what was written before. */
  writeDurably(offset: number, bytes: Buffer): void {
    const write = { offset, bytes };
    this.#written.push(write);
    this.#meanwhile();
    this.#written.splice(this.#written.indexOf(write), 1);
    this.put(offset, bytes);
  }

  /** As a file that was written before any power cut. */
  put(offset: number, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += BLOCK) this.#blocks.set(offset + at, bytes.subarray(at, at + BLOCK));
  }

  /** What lies there is somebody else's from here on. */
  free(from: number, end: number): void {
    const isFreed = (offset: number): boolean => offset >= from && offset < end;
    for (const offset of this.#blocks.keys()) if (isFreed(offset)) this.#blocks.delete(offset);
    this.#written = this.#written.filter(({ offset }) => !isFreed(offset));
  }

  read(offset: number, length: number): Buffer {
    if (length === BLOCK) return this.#blocks.get(offset) ?? Buffer.alloc(BLOCK);
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += BLOCK) this.#blocks.get(offset + at)?.copy(bytes, at);
    return bytes;
  }

  /** `superblock`: one that is on its way, too. */
  cutPower(superblock?: Buffer): void {
    for (const { offset, bytes } of this.#written)
      for (let at = 0; at < bytes.length; at += BLOCK) this.#tear(offset + at, bytes.subarray(at, at + BLOCK));
    this.#written = [];
    const left = [this.#safeSuperblock, this.superblock, ...(superblock ? [superblock] : [])];
    this.#safeSuperblock = this.superblock = left[this.#random(left.length)]!;
  }

  /** None of a block, all of it, or some of its sectors. */
  #tear(offset: number, bytes: Buffer): void {
    const how = this.#random(4);
    if (how === 0) return;
    const torn = how === 1 ? bytes : Buffer.from(this.read(offset, BLOCK));
    for (let at = 0; at < BLOCK && how > 1; at += SECTOR_BYTES)
      if (this.#random(2)) bytes.copy(torn, at, at, at + SECTOR_BYTES);
    this.#blocks.set(offset, torn);
  }
}

const PART_BYTES = 2 ** 50;

/** One of two files on a disk. */
export class Part implements CowFile {
  readonly #disk: Disk;
  readonly #base: number;

  constructor(disk: Disk, number: 0 | 1) {
    this.#disk = disk;
    this.#base = number * PART_BYTES;
  }

  write(offset: number, bytes: Buffer): void {
    this.#disk.write(this.#base + offset, bytes);
  }

  flush(): void {
    this.#disk.flush();
  }

  writeDurably(offset: number, bytes: Buffer): void {
    this.#disk.writeDurably(this.#base + offset, bytes);
  }

  put(offset: number, bytes: Buffer): void {
    this.#disk.put(this.#base + offset, bytes);
  }

  read(offset: number, length: number): Buffer {
    return this.#disk.read(this.#base + offset, length);
  }

  /** The file ends at `bytes` from here on. */
  cut(bytes: number): void {
    this.#disk.free(this.#base + bytes, this.#base + PART_BYTES);
  }
}
