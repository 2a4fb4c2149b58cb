/** Writes one restore point into the head of an image, and its sums into that of another. */
import type { NbdSession } from '../../nbd/server.js';
import type { Point, PointWriter } from '../target.js';
import type { FlatSums } from './sums.js';

interface Parts {
  readonly cursor: number;
  /** What was not written reads as something else than zeros. */
  readonly mustZero: boolean;
  readonly session: NbdSession;
  readonly sums: FlatSums;
  /** Records how far the writing is. */
  readonly checkpoint: (cursor: number) => void;
  /** All is on disk: makes the point. */
  readonly commit: () => Point;
  /** No writer may go on from here. */
  readonly forget: () => void;
  /** Always called at the end. */
  readonly end: () => void;
}

export class RbdWriter implements PointWriter {
  readonly cursor: number;
  readonly #parts: Parts;
  #isOpen = true;

  constructor(parts: Parts) {
    this.cursor = parts.cursor;
    this.#parts = parts;
  }

  write(data: Buffer, offset: number): void {
    this.#parts.session.client.write(data, offset);
    this.#parts.sums.put(data, offset);
  }

  zero(offset: number, bytes: number): void {
    if (!this.#parts.mustZero) return;
    this.#parts.session.client.zero(offset, bytes);
    this.#parts.sums.zero(offset, bytes);
  }

  checkpoint(cursor: number): void {
    this.flush();
    this.#parts.checkpoint(cursor);
  }

  readFull(target: Uint8Array, offset: number): void {
    this.#parts.session.client.readFull(target, offset);
  }

  flush(): void {
    this.#parts.session.client.flush();
    this.#parts.sums.flush();
  }

  /** The image stays open until it has its snapshot: its lock keeps other writers out of it. */
  commit(): Point {
    this.flush();
    const point = this.#parts.commit();
    this.close();
    return point;
  }

  /** What was written stays in the head; the next writer replaces it. */
  discard(): void {
    if (this.#isOpen) this.#parts.forget();
    this.close();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#parts.session.close();
      this.#parts.sums.close();
    } finally {
      this.#parts.end();
    }
  }
}
