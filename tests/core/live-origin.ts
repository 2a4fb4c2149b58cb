// Origins for histories at random, and what is written to them: mostly to a few places, near which something ends.

import { Blocks, type Random } from './live-disk.js';
import { FEATURE_INCOMPAT, NEEDS_RECOVERY } from './live-superblock.js';

const SLICE = 32768;

/** Blocks first..last, which are written or discarded. */
export interface Write {
  readonly first: number;
  readonly last: number;
  readonly discard: boolean;
}

/** Offsets in a superblock of ext4: of what changes all the time, and of what a mount or a tool changes. */
const VOLATILE = [12, 16, 136, 232, 344, 376];
const IDENTIFYING = [44, 48, 52, 64, 100];

export class SomeOrigin {
  readonly nrBlocks: number;
  readonly nrSectors: bigint;
  /** Blocks that read as zeros in every snapshot: a discard does not change them. */
  readonly masked = new Blocks();
  readonly #random: Random;
  readonly #places: readonly number[];
  #stamp = 0;

  constructor(random: Random, regionBlocks: number) {
    this.#random = random;
    this.nrBlocks = this.#someSize();
    this.nrSectors = BigInt(this.nrBlocks * 8 - random(8));
    this.#places = Array.from({ length: 6 }, () => this.#somePlace(regionBlocks));
    for (let i = random(3); i > 0; i--) {
      const first = this.#near();
      this.masked.add(first, Math.min(first + random(700), this.nrBlocks - 1));
    }
  }

  /** Few of several sectors of the map, or blocks of it, since all takes longer there. */
  #someSize(): number {
    const kind = this.#random(20);
    if (kind < 15) return 5000 + this.#random(295_000);
    return kind < 18 ? 1_000_000 + this.#random(3_000_000) : 8_000_000 + this.#random(32_000_000);
  }

  /** Near the end of a region, a word of the map, a leaf or a chunk of C, a sector or a block of the map; or anywhere. */
  #somePlace(regionBlocks: number): number {
    const sector = 63 * 64 * regionBlocks;
    const unit = [regionBlocks, 64 * regionBlocks, SLICE, 8 * SLICE, sector, 8 * sector][this.#random(6)]!;
    const count = Math.floor(this.nrBlocks / unit);
    return this.#random(4) && count ? unit * (1 + this.#random(count)) : this.#random(this.nrBlocks);
  }

  #near(): number {
    const place = this.#places[this.#random(this.#places.length)]! + this.#random(40) - 20;
    return Math.max(0, Math.min(place, this.nrBlocks - 1));
  }

  someWrite(): Write {
    const first = this.#near();
    const kind = this.#random(24);
    const length = 1 + this.#random(kind < 16 ? 8 : kind < 23 ? 1500 : 2 * SLICE);
    return { first, last: Math.min(first + length, this.nrBlocks) - 1, discard: this.#random(8) === 0 };
  }

  /** What a write changes. */
  touched({ first, last, discard }: Write): [first: number, last: number][] {
    return discard ? this.masked.without(first, last) : [[first, last]];
  }

  /** Another superblock than this one. `kind`: in what a mount or a tool changes, or in anything. */
  someSuperblock(before: Buffer, kind: 'mounted' | 'any'): Buffer {
    const fields = kind === 'mounted' || this.#random(2) ? IDENTIFYING : VOLATILE;
    const content = Buffer.from(before);
    content.writeUInt32LE(++this.#stamp, 1024 + fields[this.#random(fields.length)]!);
    // The journal is at rest, or in use again.
    if (!this.#random(4)) content[1024 + FEATURE_INCOMPAT]! ^= NEEDS_RECOVERY;
    return content;
  }
}
