// Why the dirty map may have its regions: what was to be marked since the checkpoint was begun that the header names.

import { Blocks } from './live-disk.js';

export class Reasons {
  /** Since the one was begun that the header names. */
  named = new Blocks();
  /** Since the next one was. */
  #next = new Blocks();
  /** What had to wait, and may still have to. */
  #waiting = new Blocks();
  /** Snapshot mode: what the store itself changed, and no index has. Each map has it. */
  #kept = new Blocks();
  /** What was when that mode ended: the next map has it once more. */
  #keptLast = new Blocks();
  /** One was abandoned: what it noted comes with the next. */
  isLeft = false;
  /** Number of the map that the header names. */
  #generation = 0n;

  note(first: number, last: number): void {
    this.named.add(first, last);
    this.#next.add(first, last);
  }

  wait(first: number, last: number): void {
    this.#waiting.add(first, last);
  }

  keep(first: number, last: number): void {
    this.note(first, last);
    this.#kept.add(first, last);
  }

  /** Snapshot mode ends. Returns what was kept. */
  keepNone(): Blocks {
    this.#keptLast = this.#kept;
    this.#kept = new Blocks();
    return this.#keptLast;
  }

  /** The map was written: nothing waits. */
  flushed(): void {
    this.#waiting = new Blocks();
  }

  /** The next checkpoint is begun. */
  begin(): void {
    if (!this.isLeft) this.#next = new Blocks();
    this.#next.addAll(this.#waiting);
    this.#next.addAll(this.#kept);
    this.#next.addAll(this.#keptLast);
  }

  /** The header names the next one. */
  becomeNamed(generation: bigint): void {
    [this.named, this.#next, this.#generation] = [this.#next, new Blocks(), generation];
    this.#keptLast = new Blocks();
  }

  /** A clean one became a live one, whose map is empty. What an abandoned one noted is still to come. */
  resume(generation: bigint): void {
    [this.named, this.#generation] = [new Blocks(), generation];
  }

  /** A checkpoint was loaded: of the two it may be either. Returns the reasons of its map. */
  load(generation: bigint): Blocks {
    const noted = generation === this.#generation ? this.named : this.#next;
    this.becomeNamed(generation);
    this.named = noted;
    this.#waiting = new Blocks();
    this.#kept = new Blocks();
    this.isLeft = false;
    return noted;
  }
}
