/** Writes one restore point through a network block device, and the sums of what it writes. */
import { BLOCK_BYTES } from '../layout.js';
import type { NbdSession } from '../nbd/server.js';
import type { SumsWriter } from './sums.js';
import type { Point, PointWriter } from './target.js';

interface Parts {
  readonly cursor: number;
  /** What was not written reads as something else than zeros. */
  readonly mustZero: boolean;
  readonly session: NbdSession;
  readonly sums: SumsWriter;
  /** Records how far the writing is. */
  readonly checkpoint: (cursor: number, sumsBytes: number) => void;
  /** All is on disk and closed: makes the point. */
  readonly commit: () => Point;
  /** Called once at the end. */
  readonly end: (how: 'complete' | 'interrupted' | 'useless') => void;
  /** The next read comes from the disk. */
  readonly dropCache: () => void;
}

export class Qcow2Writer implements PointWriter {
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
    if (this.#parts.mustZero) this.#parts.session.client.zero(offset, bytes);
    const count = Math.ceil(bytes / BLOCK_BYTES);
    this.#parts.sums.add({ start: offset / BLOCK_BYTES, count, sums: undefined });
  }

  checkpoint(cursor: number): void {
    this.flush();
    this.#parts.checkpoint(cursor, this.#parts.sums.sync());
  }

  readFull(target: Uint8Array, offset: number): void {
    this.#parts.session.client.readFull(target, offset);
  }

  flush(): void {
    this.#parts.session.client.flush();
    this.#parts.dropCache();
  }

  commit(): Point {
    this.flush();
    this.#parts.sums.finish();
    this.#isOpen = false;
    this.#parts.session.close();
    const point = this.#parts.commit();
    this.#parts.end('complete');
    return point;
  }

  close(): void {
    this.#end('interrupted');
  }

  discard(): void {
    this.#end('useless');
  }

  #end(how: 'interrupted' | 'useless'): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#parts.session.close();
    this.#parts.end(how);
  }
}
