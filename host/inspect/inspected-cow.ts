/** A COW file opened for inspection: no origin, no driver, no privilege. */

import type { CowHeader } from '../cow/cow-file.js';
import { CowFile } from '../cow/cow-file.js';
import type { BlockRun } from '../cow/runs.js';
import { joinRuns } from '../cow/runs.js';
import { RefusalError } from '../errors.js';
import { BLOCK_SECTORS } from '../layout.js';
import { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { Checkpoint } from './checkpoint.js';
import { readCheckpoint } from './checkpoint.js';
import type { Geometry, GeometryAnswer, OriginSize } from './geometry.js';
import { coreFor, findGeometry, isClean, isIncremental } from './geometry.js';
import { readNextFile } from './next-file.js';

export interface ListOptions {
  /** Read the list of a file that was not closed; it may miss changes. */
  readonly allowUnclean: boolean;
}

export class InspectedCow {
  readonly file: OpenFile;
  readonly fileBytes: number;
  readonly header: CowHeader;
  readonly answer: GeometryAnswer;
  /** The checkpoint, if the module left one. */
  readonly record: Checkpoint | undefined;
  /** The COW file with which tracking went on, if this one names it: a path on its filesystem. */
  readonly next: string | undefined;
  readonly #syscalls: Syscalls;
  /** Reads header fields and flags only: it was made without a geometry. */
  readonly #headerReader: CowFile;
  #reader: CowFile | undefined;

  private constructor(file: OpenFile, headerReader: CowFile, syscalls: Syscalls, origin: OriginSize | undefined) {
    this.file = file;
    this.fileBytes = Number(file.stat().size);
    this.header = headerReader.header();
    this.record = readCheckpoint(file);
    this.next = readNextFile(file);
    const known = origin ?? (this.record && { sectors: this.record.nrSectors, source: 'the checkpoint' });
    this.answer = findGeometry(this.header, this.fileBytes, known);
    this.#headerReader = headerReader;
    this.#syscalls = syscalls;
  }

  /**
   * Reads an open file. The caller closes it.
   *
   * @param origin the origin's size, if known
   * @throws RefusalError COW_KIND, HEADER_SHORT, BAD_MAGIC, ORIGIN_SIZE_MISMATCH
   */
  static of(file: OpenFile, syscalls: Syscalls, origin?: OriginSize): InspectedCow {
    requireRegular(file);
    // The header can be read with any size; it has the mode of the file.
    const headerReader = new CowFile(coreFor(BLOCK_SECTORS, false), syscalls, file, BLOCK_SECTORS);
    return new InspectedCow(file, headerReader, syscalls, origin);
  }

  get path(): string {
    return this.file.path;
  }

  get incremental(): boolean {
    return isIncremental(this.header);
  }

  /**
   * The geometry, which listing needs.
   *
   * @throws RefusalError ORIGIN_SIZE_UNKNOWN
   */
  requireGeometry(): Geometry {
    const { geometry, basis } = this.answer;
    if (geometry) return geometry;
    const message = `cannot read the index of ${this.path}: ${basis}, expected the origin's size to be given`;
    throw new RefusalError('ORIGIN_SIZE_UNKNOWN', message);
  }

  /** The reader of header and index, through the core. */
  reader(): CowFile {
    if (!this.#reader) {
      const { nrSectors } = this.requireGeometry();
      this.#reader = new CowFile(coreFor(nrSectors, this.incremental), this.#syscalls, this.file, nrSectors);
    }
    return this.#reader;
  }

  /**
   * Makes sure that update-img may use the file, as far as that can be checked without a snapshot.
   *
   * @throws RefusalError NOT_CLEAN, NOT_INCREMENTAL, INDEX_SHORT
   */
  requireChangeList(): void {
    (this.answer.geometry ? this.reader() : this.#headerReader).requireChangeList();
  }

  /** Blocks of the origin, a partial last one included; the largest possible number if its size is not known. */
  nrBlocks(): number {
    return Math.ceil(this.requireGeometry().nrSectors / BLOCK_SECTORS);
  }

  /**
   * Makes sure that the index can be listed. Nothing of it is read yet.
   *
   * @throws RefusalError NOT_CLEAN, ORIGIN_SIZE_UNKNOWN, ORIGIN_SIZE_MISMATCH, INDEX_SHORT
   */
  requireList({ allowUnclean }: ListOptions): void {
    if (this.record) {
      const found = 'its volume is tracked, and the index is not in the file as the filesystem shows it';
      throw new RefusalError('NOT_CLEAN', `cannot list ${this.path}: ${found}, expected a closed file`);
    }
    if (!allowUnclean && !isClean(this.header)) {
      const found = 'it was not closed cleanly and may miss changes';
      const message = `cannot list ${this.path}: ${found}, expected a closed file`;
      throw new RefusalError('NOT_CLEAN', message);
    }
    const { dataOffset, nrSections } = this.requireGeometry();
    const own = findGeometry(this.header, this.fileBytes, undefined);
    if (own.geometry && own.geometry.nrSections !== nrSections) {
      const message = `cannot list ${this.path}: ${own.basis}, expected ${nrSections}, as ${this.answer.basis}`;
      throw new RefusalError('ORIGIN_SIZE_MISMATCH', message);
    }
    if (this.fileBytes >= dataOffset) return;
    const message = `cannot list ${this.path}: it has ${this.fileBytes} bytes, expected at least ${dataOffset}`;
    throw new RefusalError('INDEX_SHORT', message);
  }

  /**
   * The changed blocks, ascending; neighbouring runs are joined.
   *
   * @throws RefusalError those of requireList(); INDEX_BEYOND_END when a run ends behind the origin's end
   */
  *changedRuns(options: ListOptions): Generator<BlockRun> {
    this.requireList(options);
    const nrBlocks = this.nrBlocks();
    for (const run of joinRuns(this.reader().changedRuns())) {
      const last = run.start + run.count - 1;
      if (last >= nrBlocks) {
        const message = `cannot list ${this.path}: it lists block ${last}, expected less than ${nrBlocks}`;
        throw new RefusalError('INDEX_BEYOND_END', message);
      }
      yield run;
    }
  }
}

/** A COW file is a regular file. */
export const requireRegular = (file: OpenFile): void => {
  if (file.stat().isFile()) return;
  throw new RefusalError('COW_KIND', `cannot read ${file.path}: it is not a regular file, expected a COW file`);
};

/** Opens files, gives them to `run`, and closes them whatever happens. */
export const withFiles = <T>(paths: readonly string[], run: (...files: OpenFile[]) => T): T => {
  const opened: OpenFile[] = [];
  try {
    for (const path of paths) opened.push(OpenFile.open(path, 'r'));
    return run(...opened);
  } finally {
    for (const file of opened) file.close();
  }
};
