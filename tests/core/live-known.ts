// What a history knows of the blocks of an origin: since the snapshot, and since the one before while a checkpoint of that may be in force.

import { Blocks } from './live-disk.js';
import { Reasons } from './live-reasons.js';

/** What is known since one snapshot. */
class Since {
  readonly seqid: bigint;
  /** They differ from the snapshot on disk. */
  readonly changed = new Blocks();
  /** They were ever marked in C. */
  readonly marked = new Blocks();
  readonly reasons = new Reasons();

  constructor(seqid: bigint) {
    this.seqid = seqid;
  }
}

export class Known {
  #now: Since;
  #former: Since | undefined;

  constructor(seqid: bigint) {
    this.#now = new Since(seqid);
  }

  get seqid(): bigint {
    return this.#now.seqid;
  }

  get #all(): Since[] {
    return this.#former ? [this.#now, this.#former] : [this.#now];
  }

  change(first: number, last: number): void {
    for (const { changed } of this.#all) changed.add(first, last);
  }

  mark(first: number, last: number): void {
    for (const { marked } of this.#all) marked.add(first, last);
  }

  /** Blocks of a write are noted. `goes`: it needs not wait. */
  note(first: number, last: number, goes: boolean): void {
    for (const { reasons } of this.#all) {
      reasons.note(first, last);
      if (!goes) reasons.wait(first, last);
    }
  }

  keep(first: number, last: number): void {
    this.#now.reasons.keep(first, last);
    this.#former?.reasons.note(first, last);
  }

  keepNone(): Blocks {
    return this.#now.reasons.keepNone();
  }

  flushed(): void {
    for (const { reasons } of this.#all) reasons.flushed();
  }

  begin(): void {
    this.#now.reasons.begin();
  }

  /** The one that was begun is not finished. */
  abandon(): void {
    this.#now.reasons.isLeft = true;
  }

  /** The header names the one that was begun. */
  becomeNamed(generation: bigint): void {
    this.#now.reasons.isLeft = false;
    this.#now.reasons.becomeNamed(generation);
    this.#former = undefined;
  }

  resume(generation: bigint): void {
    this.#now.reasons.resume(generation);
  }

  /** There is none on disk, so none of the snapshot before. */
  drop(): void {
    this.#former = undefined;
  }

  /** The next snapshot was taken, and the checkpoint of the one before is in force. */
  takeSnapshot(): void {
    this.#former = this.#now;
    this.#now = new Since(this.#former.seqid + 1n);
  }

  /** A checkpoint of this snapshot was loaded. Returns whether it is of the one before. */
  load(seqid: bigint): boolean {
    const isFormer = this.#former?.seqid === seqid;
    if (isFormer) this.#now = this.#former!;
    this.#former = undefined;
    return isFormer;
  }

  /** What there is to check of one that was loaded, whose map has that number. */
  loaded(generation: bigint): { changed: Blocks; marked: Blocks; noted: Blocks } {
    const { changed, marked, reasons } = this.#now;
    return { changed, marked, noted: reasons.load(generation) };
  }
}
