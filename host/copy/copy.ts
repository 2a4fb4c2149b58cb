/** Copying of block runs from one file to the same place in another. */

import { PIECE_BYTES, type Piece } from '../cow/runs.js';
import { EOPNOTSUPP, SystemError } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { Pace } from './pace.js';

/** Consecutive bytes that could not be copied. */
export interface CopyFailure extends Piece {
  readonly call: 'read' | 'write';
  readonly subject: string;
  readonly errno: number;
}

export interface CopyOptions {
  readonly syscalls: Syscalls;
  /** Let zeros become holes in the target, which must be a regular file as long as the source. */
  readonly punchHoles: boolean;
  readonly onFailure: (failure: CopyFailure) => void;
  /** Called after every piece with the bytes done so far, the end of the piece, and the failed blocks so far. */
  readonly onProgress: (bytes: number, end: number, failedBlocks: number) => void;
  /** Called with everything that was written or punched, and where; valid until it returns. */
  readonly onData?: (data: Buffer, offset: number) => void;
  /** Limits the rate. */
  readonly pace?: Pace;
}

export interface CopyResult {
  /** Bytes read from the source and written or punched. */
  readonly copiedBytes: number;
  /** Of these, bytes that became holes. */
  readonly punchedBytes: number;
  /** Blocks of which at least a part was not copied. */
  readonly failedBlocks: number;
}

/** How far ahead of the copy the kernel is to read. */
export const WINDOW_BYTES = 16 * 1048576;

/** Passes pieces on, and advises the kernel to read those of the next WINDOW_BYTES. */
export function* readAhead(pieces: Iterable<Piece>, source: OpenFile, syscalls: Syscalls): Generator<Piece> {
  let queue: Piece[] = [];
  let queued = 0;
  for (const piece of pieces) {
    syscalls.adviseWillNeed(source.fd, piece.offset, piece.bytes);
    queue.push(piece);
    queued += piece.bytes;
    // Half a window at a time, so that advice and reads go in batches and the queue never shifts.
    if (queued < WINDOW_BYTES) continue;
    const kept = Math.ceil(queue.length / 2);
    yield* queue.slice(0, queue.length - kept);
    queue = queue.slice(queue.length - kept);
    queued = queue.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  yield* queue;
}

/** As many zeros as the largest piece has bytes. Never write to it. */
export const ZEROS = Buffer.alloc(PIECE_BYTES);
/** Least run of zeros, within other bytes, that is worth a hole. */
export const HOLE_BYTES = 65536;

/** memcmp: on other data it ends at the first words. */
export const areZeros = (data: Buffer): boolean => data.equals(ZEROS.subarray(0, data.length));

/** Joins failures of neighbouring blocks, so that a bad region is one failure. */
class Failures {
  readonly #report: (failure: CopyFailure) => void;
  #open: CopyFailure | undefined;
  blocks = 0;

  constructor(report: (failure: CopyFailure) => void) {
    this.#report = report;
  }

  add(piece: Piece, error: SystemError): void {
    this.blocks += Math.ceil(piece.bytes / BLOCK_BYTES);
    const open = this.#open;
    const call = error.call === 'read' ? 'read' : 'write';
    if (open && open.call === call && open.errno === error.errno && open.offset + open.bytes === piece.offset) {
      this.#open = { ...open, bytes: open.bytes + piece.bytes };
      return;
    }
    this.flush();
    this.#open = { ...piece, call, subject: error.subject, errno: error.errno };
  }

  flush(): void {
    if (this.#open) this.#report(this.#open);
    this.#open = undefined;
  }
}

/** Puts bytes into the target: as they are, or as a hole if they are zeros and holes are allowed. */
export class Target {
  readonly file: OpenFile;
  readonly #syscalls: Syscalls;
  #punchHoles: boolean;
  punchedBytes = 0;

  constructor(file: OpenFile, options: Pick<CopyOptions, 'syscalls' | 'punchHoles'>) {
    this.file = file;
    this.#syscalls = options.syscalls;
    this.#punchHoles = options.punchHoles;
  }

  put(data: Buffer, offset: number): void {
    if (this.putHole(data, offset)) return;
    let start = 0;
    for (let at = 0; at < data.length; at += HOLE_BYTES) {
      const part = data.subarray(at, at + HOLE_BYTES);
      if (!this.#isHole(part) || !this.#punch(offset + at, part.length)) continue;
      this.#write(data.subarray(start, at), offset + start);
      start = at + part.length;
    }
    this.#write(data.subarray(start), offset + start);
  }

  /** Whether a part of the bytes is to become a hole. */
  hasHole(data: Buffer): boolean {
    for (let at = 0; at < data.length; at += HOLE_BYTES)
      if (this.#isHole(data.subarray(at, at + HOLE_BYTES))) return true;
    return false;
  }

  /** Makes a hole if the bytes are zeros and holes are allowed; else returns false. */
  putHole(data: Buffer, offset: number): boolean {
    return this.#punchHoles && areZeros(data) && this.#punch(offset, data.length);
  }

  #isHole(part: Buffer): boolean {
    return this.#punchHoles && part.length === HOLE_BYTES && areZeros(part);
  }

  #write(data: Buffer, offset: number): void {
    if (data.length > 0) this.file.writeFull(data, offset);
  }

  #punch(offset: number, bytes: number): boolean {
    try {
      this.#syscalls.punchHole(this.file.fd, offset, bytes, this.file.path);
    } catch (error) {
      // A filesystem without holes is written zeros from now on.
      if (error instanceof SystemError && error.errno === EOPNOTSUPP) this.#punchHoles = false;
      return false;
    }
    this.punchedBytes += bytes;
    return true;
  }
}

/** A copy in progress: what was copied, and what failed. */
export class Copying {
  readonly source: OpenFile;
  readonly target: Target;
  readonly #options: CopyOptions;
  readonly #failures: Failures;
  readonly #buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
  #copiedBytes = 0;
  #doneBytes = 0;

  constructor(source: OpenFile, target: OpenFile, options: CopyOptions) {
    this.source = source;
    this.target = new Target(target, options);
    this.#options = options;
    this.#failures = new Failures(options.onFailure);
  }

  /** Copies a piece. One that fails is tried again block by block, so that as little as possible is left out. */
  copy(piece: Piece): void {
    if (this.#transfer(piece)) this.copyBlocks(piece);
  }

  /** Copies a piece block by block; what fails is reported and counted. */
  copyBlocks({ offset, bytes }: Piece): void {
    for (let at = 0; at < bytes; at += BLOCK_BYTES) {
      const block = { offset: offset + at, bytes: Math.min(BLOCK_BYTES, bytes - at) };
      const error = this.#transfer(block);
      if (error) this.#failures.add(block, error);
    }
  }

  /** Counts what was written or punched, and passes it to onData. `data` is called only if there is one. */
  copied(bytes: number, offset: number, data: () => Buffer): void {
    this.#options.onData?.(data(), offset);
    this.#copiedBytes += bytes;
  }

  /** Reports progress: pieces end in their order. */
  ended({ offset, bytes }: Piece): void {
    this.#doneBytes += bytes;
    this.#options.onProgress(this.#doneBytes, offset + bytes, this.#failures.blocks);
  }

  result(): CopyResult {
    this.#failures.flush();
    return {
      copiedBytes: this.#copiedBytes,
      punchedBytes: this.target.punchedBytes,
      failedBlocks: this.#failures.blocks,
    };
  }

  #transfer({ offset, bytes }: Piece): SystemError | undefined {
    const data = this.#buffer.subarray(0, bytes);
    try {
      this.source.readFull(data, offset);
      this.target.put(data, offset);
      this.copied(bytes, offset, () => data);
    } catch (error) {
      if (error instanceof SystemError) return error;
      throw error;
    }
    return undefined;
  }
}

/**
 * Copies pieces of `source` to the same offsets of `target`, through the page cache.
 *
 * What cannot be copied is reported and counted; the copy continues.
 */
export const copyPieces = (
  source: OpenFile,
  target: OpenFile,
  pieces: Iterable<Piece>,
  options: CopyOptions,
): CopyResult => {
  const copying = new Copying(source, target, options);
  const { pace } = options;
  // With a limit of the rate nothing is read ahead: that would be a burst.
  for (const piece of pace ? pace.paced(pieces) : readAhead(pieces, source, options.syscalls)) {
    copying.copy(piece);
    copying.ended(piece);
  }
  return copying.result();
};
