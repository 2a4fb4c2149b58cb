/**
 * The manifest of an image: XXH64 and SHA-256 of every block, which find and locate rot without a snapshot.
 *
 *   block 0        superblock of dm-verity (512 bytes), then our header
 *   block 1 …      the tree of dm-verity, top first (verity.ts)
 *   then           XXH64 of every block, u64 little-endian, filled up to a whole block with zeros
 *
 * The root of the tree names the restore point. `veritysetup verify IMAGE MANIFEST ROOT` accepts it as it is.
 */

import { ftruncateSync } from 'node:fs';
import type { BlockRun } from '../cow/runs.js';
import { RefusalError, withErrno } from '../errors.js';
import { BLOCK_BYTES, UUID_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import { blockDigests, DIGEST_BYTES, SUM_BYTES, sha256, toWholeBlocks, Xxh64 } from './hashing.js';
import type { TreeLevel } from './verity.js';
import { DIGESTS_PER_BLOCK, encodeSuperblock, SUPERBLOCK_BYTES, treeEnd, treeLevels } from './verity.js';

/** What the manifest is of. */
export interface ManifestIdentity {
  /** Series, UUID_BYTES; zeros if it is not known. */
  readonly series: Buffer;
  /** Number of the snapshot in its series; 0 if it is not known. */
  readonly sequence: bigint;
}

export interface ManifestHeader extends ManifestIdentity {
  /** Size of the image. */
  readonly bytes: number;
  /** SHA-256 at the top of the tree. */
  readonly root: Buffer;
  /** False during an update, or after an interrupted one. */
  readonly complete: boolean;
}

const MAGIC = Buffer.from('dattosum', 'latin1');
const VERSION = 1;
const FLAG_COMPLETE = 1;
/** Offsets in block 0. */
const AT = { magic: 512, version: 520, flags: 524, bytes: 528, sequence: 536, series: 544, root: 560, check: 592 };
/** Hash blocks read at a time. */
const CHUNK_BLOCKS = 256;

/** A manifest file, open. Its layout follows from the image's size alone. */
export class Manifest {
  readonly path: string;
  readonly nrBlocks: number;
  readonly levels: readonly TreeLevel[];
  /** Where the XXH64 begin, in bytes. */
  readonly sumsOffset: number;
  /** Length of the file. */
  readonly fileBytes: number;
  readonly #file: OpenFile;
  readonly #imageBytes: number;
  readonly #xxh64 = new Xxh64();
  #root: Buffer = Buffer.alloc(DIGEST_BYTES);

  constructor(file: OpenFile, imageBytes: number) {
    this.#file = file;
    this.path = file.path;
    this.#imageBytes = imageBytes;
    this.nrBlocks = Math.ceil(imageBytes / BLOCK_BYTES);
    this.levels = treeLevels(this.nrBlocks);
    this.sumsOffset = treeEnd(this.levels) * BLOCK_BYTES;
    const sumsBlocks = Math.ceil((this.nrBlocks * SUM_BYTES) / BLOCK_BYTES);
    this.fileBytes = this.sumsOffset + sumsBlocks * BLOCK_BYTES;
  }

  /**
   * Makes sure that the file is a manifest of an image of this size.
   *
   * @throws RefusalError NO_MANIFEST
   */
  requireSize(): void {
    const { size } = this.#file.stat();
    if (Number(size) === this.fileBytes) return;
    const message = `cannot use ${this.path}: it has ${size} bytes, expected ${this.fileBytes} for the image's size`;
    throw new RefusalError('NO_MANIFEST', message);
  }

  /** The header; undefined if it is damaged, or none. */
  readHeader(): ManifestHeader | undefined {
    const block = Buffer.alloc(BLOCK_BYTES);
    this.#file.readFull(block, 0);
    const check = block.readBigUInt64LE(AT.check);
    block.writeBigUInt64LE(0n, AT.check);
    if (check !== this.#xxh64.bytes(block) || !block.subarray(AT.magic, AT.version).equals(MAGIC)) return undefined;
    if (block.readUInt32LE(AT.version) !== VERSION) return undefined;
    this.#root = Buffer.from(block.subarray(AT.root, AT.root + DIGEST_BYTES));
    return {
      complete: (block.readUInt32LE(AT.flags) & FLAG_COMPLETE) !== 0,
      bytes: Number(block.readBigUInt64LE(AT.bytes)),
      sequence: block.readBigUInt64LE(AT.sequence),
      series: Buffer.from(block.subarray(AT.series, AT.series + UUID_BYTES)),
      root: this.#root,
    };
  }

  /** Gives a new file its length. */
  allocate(): void {
    withErrno('resize', this.path, () => ftruncateSync(this.#file.fd, this.fileBytes));
  }

  /** Marks the manifest as incomplete, on disk, before anything else of it changes. */
  begin(identity: ManifestIdentity): void {
    this.#writeHeader(identity, false);
    this.sync();
  }

  /**
   * Records content of the image.
   *
   * @param data whole blocks, or up to the end of the image; at most 1 MiB
   * @param offset place in the image, in bytes, at a block
   */
  put(data: Buffer, offset: number): void {
    const block = offset / BLOCK_BYTES;
    this.#file.writeFull(this.#xxh64.blocks(data), this.sumsOffset + block * SUM_BYTES);
    const digests = blockDigests(toWholeBlocks(data));
    const [leaves] = this.levels;
    if (leaves) this.#file.writeFull(digests, leaves.start * BLOCK_BYTES + block * DIGEST_BYTES);
    else this.#root = digests;
  }

  sync(): void {
    this.#file.sync();
  }

  /**
   * Brings the tree up to date after the blocks of `runs` were put, and marks the manifest as complete.
   *
   * @param runs ascending
   * @returns the root
   */
  finish(runs: Iterable<BlockRun>, identity: ManifestIdentity): Buffer {
    let dirty: Iterable<BlockRun> = parents(runs);
    this.levels.forEach((level, index) => {
      const above = this.levels[index + 1];
      // The level above is read once this one is complete. At most as many of its blocks are dirty, mostly a 128th.
      dirty = [...parents(this.#hashed(level, above, dirty))];
    });
    this.sync();
    this.#writeHeader(identity, true);
    this.sync();
    return this.#root;
  }

  /** A hash block of a level. */
  readHashBlock(level: TreeLevel, index: number): Buffer {
    const block = Buffer.alloc(BLOCK_BYTES);
    this.#file.readFull(block, (level.start + index) * BLOCK_BYTES);
    return block;
  }

  /** The XXH64 of blocks, 8 bytes each; beyond the last block, the filling of the file. */
  readSums(block: number, count: number): Buffer {
    const sums = Buffer.alloc(count * SUM_BYTES);
    this.#file.readFull(sums, this.sumsOffset + block * SUM_BYTES);
    return sums;
  }

  close(): void {
    this.#file.close();
  }

  /** The same runs, each once its digests are made. */
  *#hashed(level: TreeLevel, above: TreeLevel | undefined, runs: Iterable<BlockRun>): Generator<BlockRun> {
    for (const run of runs) {
      this.#hashLevel(level, above, run.start, run.count);
      yield run;
    }
  }

  /** Digests of hash blocks, put where the level above has them; that of the top block is the root. */
  #hashLevel(level: TreeLevel, above: TreeLevel | undefined, start: number, count: number): void {
    for (let at = start; at < start + count; at += CHUNK_BLOCKS) {
      const chunk = Buffer.alloc(Math.min(CHUNK_BLOCKS, start + count - at) * BLOCK_BYTES);
      this.#file.readFull(chunk, (level.start + at) * BLOCK_BYTES);
      const digests = blockDigests(chunk);
      if (above) this.#file.writeFull(digests, above.start * BLOCK_BYTES + at * DIGEST_BYTES);
      else this.#root = digests;
    }
  }

  #writeHeader({ series, sequence }: ManifestIdentity, complete: boolean): void {
    const block = Buffer.alloc(BLOCK_BYTES);
    // A nil uuid would read as "none": without a series, a hash of the image's size takes its place.
    const uuid = series.some((byte) => byte !== 0) ? series : sha256(Buffer.from(`${this.#imageBytes}`));
    block.set(encodeSuperblock(uuid.subarray(0, UUID_BYTES), this.nrBlocks), 0);
    if (AT.magic !== SUPERBLOCK_BYTES) throw new RangeError('the header does not follow the superblock');
    block.set(MAGIC, AT.magic);
    block.writeUInt32LE(VERSION, AT.version);
    block.writeUInt32LE(complete ? FLAG_COMPLETE : 0, AT.flags);
    block.writeBigUInt64LE(BigInt(this.#imageBytes), AT.bytes);
    block.writeBigUInt64LE(sequence, AT.sequence);
    block.set(series, AT.series);
    block.set(complete ? this.#root : Buffer.alloc(DIGEST_BYTES), AT.root);
    block.writeBigUInt64LE(this.#xxh64.bytes(block), AT.check);
    this.#file.writeFull(block, 0);
  }
}

/** The hash blocks that hold the digests of blocks, as runs that neither touch nor overlap. */
function* parents(runs: Iterable<BlockRun>): Generator<BlockRun> {
  let open: { start: number; end: number } | undefined;
  for (const { start, count } of runs) {
    const first = Math.floor(start / DIGESTS_PER_BLOCK);
    const end = Math.floor((start + count - 1) / DIGESTS_PER_BLOCK) + 1;
    if (open && first <= open.end) {
      open.end = end;
      continue;
    }
    if (open) yield { start: open.start, count: open.end - open.start };
    open = { start: first, end };
  }
  if (open) yield { start: open.start, count: open.end - open.start };
}
