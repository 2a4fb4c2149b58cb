// The log of an XFS, and a system that has it mounted: records in flight, stamps, power cuts. As docs/CORE.md has it.

import type { Random } from './live-disk.js';

const SECTOR = 512;
const MAGIC = 0xfeedbabe;
const IN_FLIGHT = 8;
const STAMPS = 4096;
/** XFS has all durable that lies further back. */
const VOLATILE_MOST = 3500;

/** What a write leaves, by position: cycle * sectors + sector. Bytes behind those of a header do not count. */
type Sectors = ReadonlyMap<number, Buffer>;

export interface Piece {
  readonly sectors: Sectors;
  readonly position: number;
  readonly count: number;
}

/** Lets a write go. */
export type Ask = (piece: Piece) => void;

const header = (cycle: number, length: number, tail: number, sectors: number, sum: number, operations = 5): Buffer => {
  const bytes = Buffer.alloc(48);
  bytes.writeUInt32BE(MAGIC, 0);
  bytes.writeUInt32BE(cycle, 4);
  bytes.writeUInt32BE(length, 12);
  bytes.writeUInt32BE(Math.floor(tail / sectors), 24);
  bytes.writeUInt32BE(tail % sectors, 28);
  bytes.writeUInt32LE(sum, 32);
  bytes.writeUInt32BE(operations, 40);
  return bytes;
};

const data = (cycle: number): Buffer => {
  const bytes = Buffer.alloc(48);
  bytes.writeUInt32BE(cycle, 0);
  return bytes;
};

/** What is on disk, and what may be. */
export class Journal {
  readonly #disk = new Map<number, Buffer>();
  #volatile: Sectors[] = [];

  constructor(
    readonly sectors: number,
    readonly random: Random,
  ) {}

  /** Everything up to there was written, as if by records of two sectors. */
  fill(end: number): void {
    for (let position = Math.max(this.sectors, end - this.sectors); position < end; position++) {
      const cycle = Math.floor(position / this.sectors);
      const bytes = position % 2 ? data(cycle) : header(cycle, SECTOR, position, this.sectors, position);
      this.#disk.set(position % this.sectors, bytes);
    }
  }

  /** It may be lost, all of it or some, until flush(). */
  write(sectors: Sectors): void {
    this.#volatile.push(sectors);
  }

  flush(): void {
    for (const sectors of this.#volatile) this.#store(sectors);
    this.#volatile = [];
  }

  #store(sectors: Sectors): void {
    for (const [position, bytes] of sectors) this.#disk.set(position % this.sectors, bytes);
  }

  cut(): void {
    const whole = this.random(4);
    for (const sectors of this.#volatile) {
      if (whole === 0) continue;
      const kept = [...sectors].filter(() => whole === 1 || this.random(8));
      if (whole === 1 || this.random(2)) this.#store(new Map(kept));
    }
    this.#volatile = [];
  }

  read(sector: number): Buffer {
    const bytes = Buffer.alloc(SECTOR);
    this.#disk.get(sector)?.copy(bytes);
    return bytes;
  }

  /** Was the sector at this position written, by a record? */
  has(position: number): boolean {
    const bytes = this.read(position % this.sectors);
    const cycle = Math.floor(position / this.sectors);
    if (bytes.readUInt32BE(0) !== MAGIC) return bytes.readUInt32BE(0) === cycle;
    return bytes.readUInt32BE(12) !== 0 && bytes.readUInt32BE(4) === cycle;
  }
}

/** A system that has the filesystem mounted. */
export class Mounted {
  /** Where the records lie that were written since the mount. */
  readonly records: { readonly position: number; readonly count: number }[] = [];
  readonly begin: number;
  end: number;
  tail: number;
  /** In the order of their positions, in which XFS uses its buffers again. */
  #inFlight: (readonly Piece[])[] = [];
  #durable: number;

  /** `end`: where its log ends; `tail`: where that begins */
  constructor(
    readonly journal: Journal,
    end: number,
    tail: number,
    readonly ask: Ask,
  ) {
    this.begin = end;
    this.end = end;
    this.tail = tail;
    this.#durable = end;
  }

  get #random(): Random {
    return this.journal.random;
  }

  /** What a mount does first. */
  stamp(): void {
    const { sectors } = this.journal;
    const end = this.end + Math.min(STAMPS, this.tail + sectors - this.end);
    const pieces: Piece[] = [];
    for (let position = this.end; position < end; ) {
      const left = Math.min(end - position, sectors - (position % sectors));
      const count = Math.min(left, this.#random(2) ? 2048 : 4096);
      const stamps = new Map<number, Buffer>();
      for (let at = position; at < position + count; at++)
        stamps.set(at, header(Math.floor(at / sectors) - 1, 0, this.tail, sectors, 0));
      pieces.push({ sectors: stamps, position, count });
      position += count;
    }
    if (!this.#random(3)) pieces.reverse();
    for (const piece of pieces) this.#submit([piece]);
    if (this.#random(3)) this.#settle();
    // Something that was begun before may hold the tail back.
    if (this.#random(3)) this.tail = this.end;
  }

  #submit(pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      this.ask(piece);
      // A driver below has split it, and submits the rest; or all of it once more.
      const skip = [0, 2][this.#random(20)];
      if (skip !== undefined && piece.count > skip)
        this.ask({ ...piece, position: piece.position + skip, count: piece.count - skip });
    }
    this.#inFlight.push(pieces);
    this.#inFlight.sort(([one], [other]) => (one?.position ?? 0) - (other?.position ?? 0));
  }

  /** The oldest one has ended: it is in the disk's cache. */
  #complete(): void {
    for (const { sectors } of this.#inFlight.shift() ?? []) this.journal.write(sectors);
  }

  #settle(): void {
    while (this.#inFlight.length) this.#complete();
    this.journal.flush();
    this.#durable = this.end;
  }

  /** Makes a record, and does not write it yet. */
  #record(count: number, operations?: number): Piece[] {
    const { sectors } = this.journal;
    if (this.end + 2 * count + STAMPS > this.tail + sectors) this.tail = this.end - this.#random(sectors / 2);
    const position = this.end;
    this.records.push({ position, count });
    this.end += count;
    const all: [number, Buffer][] = [];
    for (let at = position; at < this.end; at++) {
      const cycle = Math.floor(at / sectors);
      const first = header(cycle, (count - 1) * SECTOR, this.tail, sectors, this.#random(2 ** 32), operations);
      all.push([at, at === position ? first : data(cycle)]);
    }
    const fits = Math.min(count, sectors - (position % sectors));
    const piece = (from: number, to: number): Piece => ({
      sectors: new Map(all.slice(from, to)),
      position: position + from,
      count: to - from,
    });
    return fits === count ? [piece(0, count)] : [piece(0, fits), piece(fits, count)];
  }

  /** Writes records of `count` sectors at most. The next one may come first. */
  write(count: number): void {
    const room = (): void => {
      while (this.#inFlight.length >= IN_FLIGHT) this.#complete();
    };
    // The first record wants a flush before it: the stamps are on disk then.
    if (!this.records.length || this.end - this.#durable > VOLATILE_MOST - IN_FLIGHT * count) this.#settle();
    const first = this.#record(2 + this.#random(count - 1));
    room();
    if (this.#random(6) || this.#inFlight.length === IN_FLIGHT - 1) {
      this.#submit(first);
      return;
    }
    const second = this.#record(2 + this.#random(count - 1));
    this.#submit(second);
    this.#submit(first);
  }

  /** What an unmount does last. Returns where the log ends then. */
  unmount(): number {
    this.rest();
    this.#submit(this.#record(2, 1));
    this.rest();
    return this.end;
  }

  /** Nothing is in flight any more, as in a frozen filesystem. */
  rest(): void {
    this.#settle();
    this.tail = this.end;
  }

  cut(): void {
    while (this.#inFlight.length) this.#complete();
    this.journal.cut();
  }

  /** Where a mount finds the end after a power cut: before the first sector that is missing, or the record that has it. */
  found(): number {
    // All before that is durable.
    let end = Math.max(this.begin, this.#durable);
    while (end < this.end && this.journal.has(end)) end++;
    const torn = this.records.find(({ position, count }) => position < end && position + count > end);
    return torn && this.#random(2) ? torn.position : end;
  }

  /** Is something of a record on disk, behind where the log ends? */
  hasBehind(end: number): boolean {
    for (let at = end; at < this.end; at++) if (this.journal.has(at)) return true;
    return false;
  }

  /** Is the first record since the mount on disk, all of it? */
  hasFirst(): boolean {
    const first = this.records[0];
    if (!first) return false;
    if (first.position + first.count <= this.#durable) return true;
    for (let at = first.position; at < first.position + first.count; at++) if (!this.journal.has(at)) return false;
    return true;
  }
}
