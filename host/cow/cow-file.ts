/** Reads a closed COW file: its header, and its index, which is a list of changed blocks (docs/FORMAT.md). */

import { RefusalError } from '../errors.js';
import {
  BLOCK_SECTORS,
  BUFFER_BYTES,
  COW_HEADER_SIZE,
  COW_VERSION_CHANGED_BLOCKS,
  ENTRY_BYTES,
  EXPECTATIONS,
  HEADER_BYTES,
  HEADER_FIELDS,
  REFUSALS,
  SECTION_ENTRIES,
  UUID_BYTES,
} from '../layout.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { Core } from './core.js';
import type { BlockRun } from './runs.js';

/** Index entries as they were read, and where they are not zero. */
export interface IndexChunk {
  /** Block of the first entry. */
  readonly firstBlock: number;
  /** The entries' bytes, in the core's buffer: valid until the next chunk is read. */
  readonly entries: Buffer;
  /** Runs of entries that are not zero, `start` being a block. */
  readonly runs: readonly BlockRun[];
}

export interface CowHeader {
  readonly flags: number;
  /** Next free position, in blocks. */
  readonly fpos: bigint;
  /** Size limit of the file, in bytes. */
  readonly fsize: bigint;
  readonly seqid: bigint;
  readonly uuid: Buffer;
  readonly version: bigint;
  readonly nrChangedBlocks: bigint;
}

const expectation = (name: string): number => EXPECTATIONS.find((row) => row.name === name)?.value ?? NaN;
const UUID_OFFSET = HEADER_FIELDS.find((field) => field.name === 'uuid')?.offset ?? NaN;

/**
 * A COW file on an origin of known size. It is opened for reading only.
 *
 * The core must have been initialised for the origin; header and index go through it.
 */
export class CowFile {
  readonly #core: Core;
  readonly #file: OpenFile;
  readonly #syscalls: Syscalls;
  readonly #nrSectors: number;

  constructor(core: Core, syscalls: Syscalls, file: OpenFile, nrSectors: number) {
    this.#core = core;
    this.#syscalls = syscalls;
    this.#file = file;
    this.#nrSectors = nrSectors;
  }

  /**
   * Reads the header of a file of either mode, clean or not.
   *
   * @throws RefusalError HEADER_SHORT, BAD_MAGIC
   */
  header(): CowHeader {
    const bytes = this.#check(expectation('ANY') + expectation('UNCLEAN_OK'));
    if (bytes instanceof Error) throw bytes;
    return {
      flags: Number(this.#core.stat('FLAGS')),
      fpos: this.#core.stat('FPOS'),
      fsize: this.#core.stat('FSIZE'),
      seqid: this.#core.stat('SEQID'),
      uuid: Buffer.from(bytes.subarray(UUID_OFFSET, UUID_OFFSET + UUID_BYTES)),
      version: this.#core.stat('VERSION'),
      nrChangedBlocks: this.#core.stat('NR_CHANGED'),
    };
  }

  /**
   * Makes sure that the file is a complete list of changes.
   *
   * @throws RefusalError HEADER_SHORT, BAD_MAGIC, NOT_CLEAN, NOT_INCREMENTAL, INDEX_SHORT
   */
  requireChangeList(): void {
    const checked = this.#check(expectation('INCREMENTAL'));
    if (checked instanceof Error) throw checked;
    const { size } = this.#file.stat();
    const needed = this.#core.stat('DATA_OFFSET');
    if (size >= needed) return;
    const message = `cannot use ${this.#file.path}: it has ${size} bytes, expected at least ${needed}`;
    throw new RefusalError('INDEX_SHORT', message);
  }

  /**
   * Makes sure that the index lists as many blocks as the header counts, so none is lost.
   *
   * @param listed blocks of changedRuns()
   * @throws RefusalError COUNTER_MISMATCH
   */
  requireCount(listed: number): void {
    const { version, nrChangedBlocks } = this.header();
    if (version < COW_VERSION_CHANGED_BLOCKS) return;
    const counted = Number(nrChangedBlocks);
    // The last block without an entry is always listed, and may be counted.
    if (counted === listed || (this.#tailWithoutEntry() && counted === listed - 1)) return;
    const message = `cannot use ${this.#file.path}: its header counts ${counted} changed blocks, and its index lists ${listed}; a full backup is needed`;
    throw new RefusalError('COUNTER_MISMATCH', message);
  }

  #tailWithoutEntry(): boolean {
    const wholeBlocks = Math.floor(this.#nrSectors / BLOCK_SECTORS);
    return this.#nrSectors % BLOCK_SECTORS !== 0 && wholeBlocks % SECTION_ENTRIES === 0;
  }

  /**
   * The changed blocks, ascending. Neighbouring runs may touch.
   *
   * A partial last block that has no entry in the index counts as changed. Blocks beyond the end of the origin are
   * yielded as the index has them.
   */
  *changedRuns(): Generator<BlockRun> {
    for (const { runs } of this.indexChunks()) yield* runs;
    if (this.#tailWithoutEntry()) yield { start: Math.floor(this.#nrSectors / BLOCK_SECTORS), count: 1 };
  }

  /**
   * The parts of the index that are not holes of the file, ascending.
   *
   * @param end where to stop, an offset in bytes; the index's end if left out
   */
  *indexChunks(end: number = Number(this.#core.stat('DATA_OFFSET'))): Generator<IndexChunk> {
    let at = COW_HEADER_SIZE;
    // Allocated space that was never written counts as data once it is in the page cache. With read-ahead, the walk would
    // read all of an index of many GiB.
    this.#syscalls.adviseRandom(this.#file.fd);
    while (at < end) {
      const data = this.#syscalls.nextData(this.#file.fd, at, this.#file.path) ?? end;
      // A filesystem may keep data in units smaller than an entry.
      at = Math.max(at, data - (data % ENTRY_BYTES));
      if (at >= end) break;
      const bytes = Math.min(BUFFER_BYTES, end - at);
      const entries = this.#core.buffer().subarray(0, bytes);
      this.#file.readFull(entries, at);
      const firstBlock = (at - COW_HEADER_SIZE) / ENTRY_BYTES;
      const found = this.#core.call('scan_index', firstBlock, bytes / ENTRY_BYTES);
      yield { firstBlock, entries, runs: this.#core.runs(Number(found)) };
      at += bytes;
    }
  }

  close(): void {
    this.#file.close();
  }

  /** The header's bytes if the core accepts them, else its refusal. */
  #check(expect: number): Buffer | RefusalError {
    const { path } = this.#file;
    const bytes = Buffer.alloc(HEADER_BYTES);
    const got = this.#file.read(bytes, 0);
    if (got < HEADER_BYTES) {
      const message = `cannot use ${path}: its header has ${got} bytes, expected ${HEADER_BYTES}`;
      throw new RefusalError('HEADER_SHORT', message);
    }
    this.#core.buffer().set(bytes);
    const answer = Number(this.#core.call('header_check', expect));
    switch (REFUSALS.find((row) => row.value === answer)?.name) {
      case 'BAD_MAGIC':
        return new RefusalError('BAD_MAGIC', `cannot use ${path}: it is not a COW file`);
      case 'NOT_CLEAN':
        return new RefusalError('NOT_CLEAN', `cannot use ${path}: it was not closed cleanly`);
      case 'WRONG_MODE':
        return new RefusalError(
          'NOT_INCREMENTAL',
          `cannot use ${path}: it is in snapshot mode, expected incremental mode`,
        );
      default:
        if (answer !== 0) throw new RefusalError('CORE_MISMATCH', `cannot check ${path}: the core answered ${answer}`);
        return bytes;
    }
  }
}
