/** A limit of the rate at which a snapshot is copied and compared. */
import type { Piece } from '../cow/runs.js';
import { PIECE_BYTES } from '../cow/runs.js';
import { BLOCK_BYTES, MIB_BYTES } from '../layout.js';
import { pause } from '../system/clock.js';

/** What is transferred at once takes this long at the rate, so that others wait for the disk no longer. */
const CHUNK_MS = 50;
/** A sleep that ended late is made up for by this much at most; all other time without transfers is lost. */
const CREDIT_MS = 100;

/**
 * Spreads transfers evenly. It never allows for a burst after a pause, so that the rate holds for each second, and not on
 * average only.
 */
export class Pace {
  /** Most bytes to transfer at once: whole blocks, and a piece at most. */
  readonly chunkBytes: number;
  readonly #bytesPerMs: number;
  readonly #now: () => number;
  readonly #sleep: (milliseconds: number) => void;
  /** When the next transfer may begin. */
  #next: number;

  /**
   * @param rate MiB per second
   * @param now returns the time in milliseconds
   */
  constructor(rate: number, now = (): number => performance.now(), sleep = pause) {
    this.#bytesPerMs = (rate * MIB_BYTES) / 1000;
    const blocks = Math.floor((this.#bytesPerMs * CHUNK_MS) / BLOCK_BYTES);
    this.chunkBytes = Math.min(PIECE_BYTES, Math.max(1, blocks) * BLOCK_BYTES);
    [this.#now, this.#sleep, this.#next] = [now, sleep, now()];
  }

  /**
   * Waits until so many bytes may be transferred.
   *
   * @param beforeSleep called if it has to wait
   */
  take(bytes: number, beforeSleep?: () => void): void {
    if (this.#now() < this.#next) {
      beforeSleep?.();
      for (let left = this.#next - this.#now(); left > 0; left = this.#next - this.#now()) this.#sleep(left);
    }
    this.#next = Math.max(this.#next, this.#now() - CREDIT_MS) + bytes / this.#bytesPerMs;
  }

  /** The pieces in chunks. */
  *chunks(pieces: Iterable<Piece>): Generator<Piece> {
    for (const { offset, bytes } of pieces)
      for (let at = 0; at < bytes; at += this.chunkBytes)
        yield { offset: offset + at, bytes: Math.min(this.chunkBytes, bytes - at) };
  }

  /** The pieces in chunks, each once it may be transferred. */
  *paced(pieces: Iterable<Piece>): Generator<Piece> {
    for (const chunk of this.chunks(pieces)) {
      this.take(chunk.bytes);
      yield chunk;
    }
  }
}

/** The pace of a rate in MiB per second, if there is one. */
export const paceOf = (rate: number | undefined): { readonly pace?: Pace } =>
  rate === undefined ? {} : { pace: new Pace(rate) };
