/** Copying past the page cache, with several reads and writes under way at once. */
import { Copying, PIECE_BYTES } from './copy.js';
import type { CopyOptions, CopyResult, Piece } from './copy.js';
import { SystemError } from './errors.js';
import type { OpenFile } from './files.js';
import { ALIGNMENT, IoQueue } from './io-queue.js';
import type { Syscalls } from './syscalls.js';

/** The files once more, open with O_DIRECT. */
export interface DirectFiles {
  readonly source: OpenFile;
  /** Undefined: writes go through the page cache. */
  readonly target: OpenFile | undefined;
}

/** Shorter pieces are written through the page cache, which joins and sorts them. */
const DIRECT_WRITE_BYTES = 65536;

type Stage = 'reading' | 'writing' | 'done' | 'cached' | 'failed';

interface Slot {
  piece: Piece;
  stage: Stage;
}

/** Pieces under way. They may be read and written in any order, and end in theirs. */
class Pipeline {
  readonly #copying: Copying;
  readonly #files: DirectFiles;
  readonly #queue: IoQueue;
  readonly #slots: Slot[];
  /** Numbers of the oldest piece under way, and of the next one; each uses the slot of its number modulo the depth. */
  #head = 0;
  #tail = 0;

  constructor(copying: Copying, files: DirectFiles, queue: IoQueue, depth: number) {
    this.#copying = copying;
    this.#files = files;
    this.#queue = queue;
    this.#slots = Array.from({ length: depth }, () => ({ piece: { offset: 0, bytes: 0 }, stage: 'done' }));
  }

  get underWay(): number {
    return this.#tail - this.#head;
  }

  begin(piece: Piece): void {
    const number = this.#tail++ % this.#slots.length;
    // The end of a volume that is not whole blocks.
    const stage = piece.bytes % ALIGNMENT === 0 ? 'reading' : 'cached';
    this.#slots[number] = { piece, stage };
    if (stage === 'reading') this.#add(number, 'read', this.#files.source, piece);
  }

  /** Waits until the oldest piece is over, and ends it and all after it that are over too. */
  advance(): void {
    let slot = this.#oldest();
    while (slot && (slot.stage === 'reading' || slot.stage === 'writing')) {
      // A few at a time: a system call for each would cost more than a fast disk takes.
      this.#queue.wait(Math.max(1, this.underWay >> 2), (number, result) => this.#over(number, result));
      slot = this.#oldest();
    }
    for (; slot && slot.stage !== 'reading' && slot.stage !== 'writing'; slot = this.#oldest()) {
      if (slot.stage === 'cached') this.#copying.copy(slot.piece);
      if (slot.stage === 'failed') this.#copying.copyBlocks(slot.piece);
      this.#head++;
      this.#copying.ended(slot.piece);
    }
  }

  #oldest(): Slot | undefined {
    return this.underWay > 0 ? this.#slots[this.#head % this.#slots.length] : undefined;
  }

  #add(slot: number, command: 'read' | 'write', file: OpenFile, { offset, bytes }: Piece): void {
    this.#queue.add({ slot, command, fd: file.fd, offset, bytes });
  }

  /** A transfer is over: a read is followed by a write, and a failure by another try block by block. */
  #over(number: number, result: number): void {
    const slot = this.#slots[number];
    if (!slot) return;
    const { piece, stage } = slot;
    const data = this.#queue.buffer(number).subarray(0, piece.bytes);
    if (result !== piece.bytes) slot.stage = 'failed';
    else if (stage === 'reading') slot.stage = this.#put(number, piece, data);
    else slot.stage = 'done';
    if (slot.stage === 'done') this.#copying.copied(data, piece.offset);
  }

  #put(number: number, piece: Piece, data: Buffer): Stage {
    const { target } = this.#copying;
    try {
      if (target.putHole(data, piece.offset)) return 'done';
      if (this.#files.target && piece.bytes >= DIRECT_WRITE_BYTES) {
        this.#add(number, 'write', this.#files.target, piece);
        return 'writing';
      }
      target.write(data, piece.offset);
      return 'done';
    } catch (error) {
      if (error instanceof SystemError) return 'failed';
      throw error;
    }
  }
}

export interface DirectCopy {
  readonly files: DirectFiles;
  readonly queue: IoQueue;
  /** Number of the queue's slots. */
  readonly depth: number;
}

/**
 * Makes ready to copy past the page cache.
 *
 * @param depth pieces that may be under way
 * @returns what copyPiecesDirect() needs, to be closed by closeDirect(); or why there is no such thing here
 */
export const openDirect = (
  source: OpenFile,
  target: OpenFile,
  depth: number,
  syscalls: Syscalls,
): DirectCopy | { readonly missing: string } => {
  const direct = source.reopenDirect('read');
  if (!direct) return { missing: `${source.path} cannot be read past the page cache` };
  try {
    const queue = new IoQueue(syscalls, depth, PIECE_BYTES, source.path);
    return { files: { source: direct, target: target.reopenDirect('write') }, queue, depth };
  } catch (error) {
    direct.close();
    if (error instanceof SystemError) return { missing: error.message };
    throw error;
  }
};

/** Waits for what is under way, and closes the files. */
export const closeDirect = ({ files, queue }: DirectCopy): void => {
  queue.close();
  files.source.close();
  files.target?.close();
};

/** Copies pieces of `source` to the same offsets of `target`, as copyPieces() does, with many of them under way. */
export const copyPiecesDirect = (
  source: OpenFile,
  target: OpenFile,
  pieces: Iterable<Piece>,
  { files, queue, depth }: DirectCopy,
  options: CopyOptions,
): CopyResult => {
  const copying = new Copying(source, target, options);
  const pipeline = new Pipeline(copying, files, queue, depth);
  for (const piece of pieces) {
    while (pipeline.underWay === depth) pipeline.advance();
    pipeline.begin(piece);
  }
  while (pipeline.underWay > 0) pipeline.advance();
  return copying.result();
};
