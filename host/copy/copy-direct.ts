/** Copying with several reads in flight, past the page cache; writes bypass it on request. */

import type { Piece } from '../cow/runs.js';
import { PIECE_BYTES } from '../cow/runs.js';
import { SystemError } from '../errors.js';
import type { OpenFile } from '../system/files.js';
import { ALIGNMENT, IoQueue } from '../system/io-queue.js';
import type { Syscalls } from '../system/syscalls.js';
import type { CopyOptions, CopyResult } from './copy.js';
import { Copying } from './copy.js';

/** The same files, opened again with O_DIRECT. */
export interface DirectFiles {
  readonly source: OpenFile;
  /** Undefined: writes go through the page cache. */
  readonly target: OpenFile | undefined;
}

/** Shorter pieces are written through the page cache, which joins and sorts them. */
const DIRECT_WRITE_BYTES = 65536;
/** Memory for what is read, until all before it is written. */
const MEMORY_BYTES = 16 * PIECE_BYTES;

/** Slots: pieces end in their order, so many that are done may wait for one. */
const slotsOf = (depth: number): number => (depth === 1 ? 1 : 4 * depth);

type Stage = 'reading' | 'writing' | 'done' | 'cached' | 'failed';

interface Slot {
  piece: Piece;
  stage: Stage;
  /** Where its bytes are in the queue's memory. */
  at: number;
}

const isUnderWay = ({ stage }: Slot): boolean => stage === 'reading' || stage === 'writing';

const NONE: Piece = { offset: 0, bytes: 0 };

/** Pieces in flight. They are read and written in any order, and end in theirs. */
class Pipeline {
  readonly #copying: Copying;
  readonly #direct: DirectCopy;
  readonly #slots: Slot[];
  /** Numbers of the oldest piece, and of the next one; each uses the slot of its number modulo the slots. */
  #head = 0;
  #tail = 0;
  /** End of the youngest piece in the queue's memory, which is a ring. */
  #end = 0;
  /** Writes through the page cache, complete once submitted: they do not count as in flight. */
  #nrCached = 0;
  readonly #onOver = (number: number, result: number): void => this.#over(number, result);

  constructor(copying: Copying, direct: DirectCopy) {
    this.#copying = copying;
    this.#direct = direct;
    this.#slots = Array.from({ length: slotsOf(direct.depth) }, () => ({ piece: NONE, stage: 'done', at: 0 }));
  }

  get isEmpty(): boolean {
    return this.#head === this.#tail;
  }

  /** Starts a piece, if there is room for it. */
  begin(piece: Piece): boolean {
    const { queue, depth, files } = this.#direct;
    if (this.#tail - this.#head === this.#slots.length || queue.underWay - this.#nrCached >= depth) return false;
    const { offset, bytes } = piece;
    const at = this.#room(bytes);
    if (at === undefined) return false;
    const number = this.#tail++ % this.#slots.length;
    // Not a whole block: the end of the volume.
    const stage = bytes % ALIGNMENT !== 0 ? 'cached' : 'reading';
    const slot = this.#slots[number];
    if (slot) [slot.piece, slot.stage, slot.at] = [piece, stage, at];
    this.#end = at + Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (stage === 'reading') queue.add({ slot: number, command: 'read', fd: files.source.fd, at, offset, bytes });
    return true;
  }

  /** Ends the oldest pieces whose predecessors have ended; waits for transfers if the oldest is not done. */
  advance(): void {
    const { queue } = this.#direct;
    const oldest = this.#oldest();
    // A few at a time: on a fast disk, a system call for each would take longer than the transfer.
    const least = oldest && isUnderWay(oldest) ? Math.max(1, queue.underWay >> 2) : 0;
    if (queue.underWay > 0) queue.wait(least, this.#onOver);
    for (let slot = this.#oldest(); slot && !isUnderWay(slot); slot = this.#oldest()) {
      this.#head++;
      if (slot.stage === 'cached') this.#copying.copy(slot.piece);
      if (slot.stage === 'failed') this.#copying.copyBlocks(slot.piece);
      this.#copying.ended(slot.piece);
    }
  }

  #oldest(): Slot | undefined {
    return this.isEmpty ? undefined : this.#slots[this.#head % this.#slots.length];
  }

  /** The place in the ring that has room for so many bytes. */
  #room(bytes: number): number | undefined {
    const start = this.#oldest()?.at;
    if (start === undefined) return 0;
    if (this.#end <= start) return this.#end + bytes < start ? this.#end : undefined;
    if (this.#end + bytes <= MEMORY_BYTES) return this.#end;
    return bytes < start ? 0 : undefined;
  }

  /** Handles a finished transfer: a write follows a read; after a failure the piece is copied block by block. */
  #over(number: number, result: number): void {
    const slot = this.#slots[number];
    if (!slot) return;
    const { offset, bytes } = slot.piece;
    if (slot.stage === 'writing' && !this.#isDirect(bytes)) this.#nrCached--;
    if (result !== bytes) slot.stage = 'failed';
    else slot.stage = slot.stage === 'reading' ? this.#put(number, slot) : 'done';
    if (slot.stage === 'done') this.#copying.copied(bytes, offset, () => this.#direct.queue.buffer(slot.at, bytes));
  }

  /** Whether so many bytes are written past the page cache. */
  #isDirect(bytes: number): boolean {
    return this.#direct.files.target !== undefined && bytes >= DIRECT_WRITE_BYTES;
  }

  /** Writes what lies around holes, through the page cache: it is short. */
  #putAround(data: Buffer, offset: number): Stage {
    try {
      this.#copying.target.put(data, offset);
      return 'done';
    } catch (error) {
      if (error instanceof SystemError) return 'failed';
      throw error;
    }
  }

  #put(number: number, { piece: { offset, bytes }, at }: Slot): Stage {
    const { target } = this.#copying;
    const { queue, files } = this.#direct;
    const data = queue.buffer(at, bytes);
    if (queue.beginsWithZeros(at) && target.putHole(data, offset)) return 'done';
    if (target.hasHole(data)) return this.#putAround(data, offset);
    const isDirect = this.#isDirect(bytes);
    if (!isDirect) this.#nrCached++;
    const { fd } = isDirect && files.target ? files.target : target.file;
    queue.add({ slot: number, command: 'write', fd, at, offset, bytes });
    return 'writing';
  }
}

export interface DirectCopy {
  readonly files: DirectFiles;
  readonly queue: IoQueue;
  /** Transfers in flight at most. */
  readonly depth: number;
}

/**
 * Opens what copyPiecesDirect() needs; closeDirect() closes it.
 *
 * @param depth transfers in flight at most
 * @param writes write long pieces past the page cache too
 * @returns the files and the queue, or the reason why the page cache cannot be bypassed
 */
export const openDirect = (
  source: OpenFile,
  target: OpenFile,
  depth: number,
  writes: boolean,
  syscalls: Syscalls,
): DirectCopy | { readonly missing: string } => {
  const direct = source.reopenDirect('read');
  if (!direct) return { missing: `${source.path} cannot be read past the page cache` };
  try {
    const queue = new IoQueue(syscalls, slotsOf(depth), MEMORY_BYTES, source.path);
    return { files: { source: direct, target: writes ? target.reopenDirect('write') : undefined }, queue, depth };
  } catch (error) {
    direct.close();
    if (error instanceof SystemError) return { missing: error.message };
    throw error;
  }
};

/** Waits for transfers in flight, and closes the files. */
export const closeDirect = ({ files, queue }: DirectCopy): void => {
  queue.close();
  files.source.close();
  files.target?.close();
};

/** Copies pieces of `source` to the same offsets of `target`, like copyPieces(), with many of them in flight. */
export const copyPiecesDirect = (
  source: OpenFile,
  target: OpenFile,
  pieces: Iterable<Piece>,
  direct: DirectCopy,
  options: CopyOptions,
): CopyResult => {
  const copying = new Copying(source, target, options);
  const pipeline = new Pipeline(copying, direct);
  const finish = (): void => {
    while (!pipeline.isEmpty) pipeline.advance();
  };
  const { pace } = options;
  for (const piece of pace ? pace.chunks(pieces) : pieces) {
    // What was read must not wait for its write while this process sleeps.
    pace?.take(piece.bytes, finish);
    while (!pipeline.begin(piece)) pipeline.advance();
  }
  finish();
  return copying.result();
};
