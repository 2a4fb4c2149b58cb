/**
 * Rebuilds the image of a snapshot from an image of its origin and its COW file.
 *
 * Blocks that changed since the snapshot come from the COW file, all others from the image of the origin, which is
 * the origin's content at the moment at which the COW file was closed.
 */
import { statSync } from 'node:fs';
import type { Piece } from '../copy.js';
import { PIECE_BYTES } from '../copy.js';
import type { BlockRun, CowFile, IndexChunk } from '../cow-file.js';
import { RefusalError } from '../errors.js';
import type { OpenFile } from '../files.js';
import { BLOCK_BYTES, BLOCK_SECTORS, ENTRY_BYTES, SECTION_ENTRIES, SECTOR_BYTES } from '../layout.js';
import { NewFile } from '../safe-files.js';
import type { Syscalls } from '../syscalls.js';
import { checkCow } from './check.js';
import { isClean } from './geometry.js';
import { InspectedCow } from './inspected-cow.js';
import { originOfImage } from './origin-size.js';

export interface ExtractRequest {
  /** The origin, or an image of it. */
  readonly base: OpenFile;
  readonly cow: OpenFile;
  readonly output: string;
  /** Replace what is there. */
  readonly replace: boolean;
  readonly syscalls: Syscalls;
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface ExtractResult {
  readonly imageBytes: number;
  /** Blocks that came from the COW file. */
  readonly restoredBlocks: number;
  /** The origin ends in a part of a block that has no entry in the index: it was taken from the base as it is. */
  readonly tailFromBase: boolean;
}

/** Old content in the COW file, and its place in the image. */
interface StoredPiece extends Piece {
  /** Where in the COW file, in bytes. */
  readonly stored: number;
}

/** How many pieces are written between two looks at what else there is to do, such as a signal. */
const PIECES_PER_TURN = 16;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** Everything that can be wrong with the inputs, before anything is written. */
const checkInputs = (request: ExtractRequest): InspectedCow => {
  const { cow, base, syscalls } = request;
  const origin = originOfImage(base, syscalls);
  const inspected = InspectedCow.of(cow, syscalls, origin);
  if (inspected.incremental) {
    const message = `Cannot extract from ${cow.path}: it is of incremental mode, expected snapshot mode`;
    throw new RefusalError('NOT_SNAPSHOT_MODE', message);
  }
  if (!isClean(inspected.header)) {
    const message = `Cannot extract from ${cow.path}: it was not closed cleanly, expected a closed file`;
    throw new RefusalError('NOT_CLEAN', message);
  }
  const { total, violations } = checkCow(cow, syscalls, origin, 1);
  const [first] = violations;
  if (!first) return inspected;
  const more = total > 1 ? ` (and ${total - 1} more, see check)` : '';
  const what = `with an origin as large as ${base.path}: ${first.rule} at offset ${first.offset} is ${first.found}`;
  const message = `Cannot extract from ${cow.path} ${what}, expected ${first.expected}${more}`;
  throw new RefusalError('FORMAT_VIOLATED', message);
};

/** What is read must not be replaced. */
const requireOther = ({ base, cow, output, replace }: ExtractRequest): void => {
  const target = replace ? statSync(output, { bigint: true, throwIfNoEntry: false }) : undefined;
  if (!target) return;
  const same = [base, cow].some((file) => file.stat().dev === target.dev && file.stat().ino === target.ino);
  if (same) throw new RefusalError('IMAGE_IS_INPUT', `Cannot write ${output}: it is what is to be read`);
};

/** Data of the base, without its holes. */
function* basePieces(base: OpenFile, bytes: number, syscalls: Syscalls): Generator<Piece> {
  const sparse = base.stat().isFile();
  let at = 0;
  while (at < bytes) {
    const data = sparse ? syscalls.nextData(base.fd, at, base.path) : at;
    if (data === undefined) return;
    at = data - (data % BLOCK_BYTES);
    yield { offset: at, bytes: Math.min(PIECE_BYTES, bytes - at) };
    at += PIECE_BYTES;
  }
}

/** Runs of entries with consecutive positions, as pieces. The index was checked before. */
function* storedPieces(chunks: Iterable<IndexChunk>, imageBytes: number): Generator<StoredPiece> {
  for (const { firstBlock, entries, runs } of chunks) {
    const position = (block: number): number => Number(entries.readBigUInt64LE((block - firstBlock) * ENTRY_BYTES));
    const pieces: StoredPiece[] = [];
    for (const { start, count } of runs) {
      let from = start;
      for (let block = start + 1; block <= start + count; block++) {
        const joined = block < start + count && position(block) === position(block - 1) + 1;
        if (joined && (block - from) * BLOCK_BYTES < PIECE_BYTES) continue;
        const offset = from * BLOCK_BYTES;
        const bytes = Math.min(block * BLOCK_BYTES, imageBytes) - offset;
        pieces.push({ offset, bytes, stored: position(from) * BLOCK_BYTES });
        from = block;
      }
    }
    yield* pieces;
  }
}

/** Writes a piece; blocks of zeros are left to be holes where the file has nothing else. */
const writeSparse = (output: NewFile, data: Buffer, offset: number): void => {
  let from = 0;
  for (let at = 0; at <= data.length; at += BLOCK_BYTES) {
    const block = data.subarray(at, at + BLOCK_BYTES);
    const zeros = at >= data.length || block.equals(ZEROS.subarray(0, block.length));
    if (!zeros) continue;
    if (at > from) output.write(data.subarray(from, Math.min(at, data.length)), offset + from);
    from = at + BLOCK_BYTES;
  }
  if (from < data.length && data.length % BLOCK_BYTES !== 0) output.write(data.subarray(from), offset + from);
};

function* indexRuns(reader: CowFile): Generator<BlockRun> {
  for (const { runs } of reader.indexChunks()) yield* runs;
}

/** What of the base is replaced: it is left out, so that old content of zeros becomes a hole. */
class Replaced {
  readonly #runs: Iterator<BlockRun>;
  #start = 0;
  #end = 0;

  constructor(runs: Iterable<BlockRun>) {
    this.#runs = runs[Symbol.iterator]();
    this.#next();
  }

  /** Overwrites with zeros what the COW file has instead. Pieces come in ascending order. */
  blank(data: Buffer, offset: number): void {
    const end = offset + data.length;
    while (this.#end <= offset) this.#next();
    while (this.#start < end) {
      data.fill(0, Math.max(0, this.#start - offset), Math.min(data.length, this.#end - offset));
      if (this.#end > end) return;
      this.#next();
    }
  }

  #next(): void {
    const { done, value } = this.#runs.next();
    [this.#start, this.#end] = done
      ? [Infinity, Infinity]
      : [value.start * BLOCK_BYTES, (value.start + value.count) * BLOCK_BYTES];
  }
}

const turn = async (signal: AbortSignal | undefined, output: string): Promise<void> => {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal?.aborted) throw new RefusalError('INTERRUPTED', `Cannot extract ${output}: interrupted`);
};

const copyAll = async (request: ExtractRequest, inspected: InspectedCow, output: NewFile): Promise<number> => {
  const { base, cow, syscalls, signal, onProgress } = request;
  const imageBytes = inspected.requireGeometry().nrSectors * SECTOR_BYTES;
  const buffer = Buffer.alloc(PIECE_BYTES);
  const replaced = new Replaced(indexRuns(inspected.reader()));
  let pieces = 0;
  output.resize(imageBytes);
  for (const { offset, bytes } of basePieces(base, imageBytes, syscalls)) {
    const data = buffer.subarray(0, bytes);
    base.readFull(data, offset);
    replaced.blank(data, offset);
    writeSparse(output, data, offset);
    onProgress?.(offset + bytes, imageBytes);
    if (++pieces % PIECES_PER_TURN === 0) await turn(signal, request.output);
  }
  let restoredBlocks = 0;
  for (const { offset, bytes, stored } of storedPieces(inspected.reader().indexChunks(), imageBytes)) {
    const data = buffer.subarray(0, bytes);
    cow.readFull(data, stored);
    writeSparse(output, data, offset);
    restoredBlocks += Math.ceil(bytes / BLOCK_BYTES);
    if (++pieces % PIECES_PER_TURN === 0) await turn(signal, request.output);
  }
  onProgress?.(imageBytes, imageBytes);
  return restoredBlocks;
};

/**
 * Rebuilds the image. Nothing appears under its name unless it is whole.
 *
 * @throws RefusalError IMAGE_KIND, COW_KIND, HEADER_SHORT, BAD_MAGIC, ORIGIN_SIZE_MISMATCH, NOT_SNAPSHOT_MODE,
 * NOT_CLEAN, FORMAT_VIOLATED, OUTPUT_EXISTS, INTERRUPTED; SystemError if a file cannot be read or written
 */
export const extractSnapshot = async (request: ExtractRequest): Promise<ExtractResult> => {
  const inspected = checkInputs(request);
  requireOther(request);
  const output = new NewFile(request.output, request.replace);
  try {
    const restoredBlocks = await copyAll(request, inspected, output);
    output.finish();
    const { nrSectors } = inspected.requireGeometry();
    const wholeBlocks = Math.floor(nrSectors / BLOCK_SECTORS);
    const tailFromBase = nrSectors % BLOCK_SECTORS !== 0 && wholeBlocks % SECTION_ENTRIES === 0;
    return { imageBytes: nrSectors * SECTOR_BYTES, restoredBlocks, tailFromBase };
  } catch (error) {
    output.discard();
    throw error;
  }
};
