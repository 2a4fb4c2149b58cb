/** Compares an image with its manifest, block by block, and reports which of the two has rotted. */

import { PIECE_BYTES } from '../cow/runs.js';
import { SystemError } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import { blockDigests, DIGEST_BYTES, SUM_BYTES, sha256, toWholeBlocks, Xxh64 } from './hashing.js';
import type { Manifest } from './manifest.js';
import type { TreeLevel } from './verity.js';
import { DIGESTS_PER_BLOCK } from './verity.js';

/** A place that has rotted. `offset` is in bytes: of the image for a block, else of the manifest. */
export type Finding =
  /** A block of the image has other content. */
  | { readonly what: 'image'; readonly block: number; readonly offset: number }
  /** A block of the image cannot be read. */
  | { readonly what: 'unreadable'; readonly block: number; readonly offset: number; readonly errno: number }
  /** The XXH64 of a block is damaged; the block fits its SHA-256. */
  | { readonly what: 'sum'; readonly block: number; readonly offset: number }
  /** A digest of the tree is damaged; what it was made of has not changed. Level 0 has the digests of blocks. */
  | { readonly what: 'tree'; readonly level: number; readonly index: number; readonly offset: number }
  /** Bytes of the manifest that must be zero are not. */
  | { readonly what: 'filling'; readonly offset: number }
  /** The manifest's header is damaged. */
  | { readonly what: 'header'; readonly offset: 0 }
  /** The tree is undamaged, but does not lead to the root in the header. */
  | { readonly what: 'root'; readonly offset: 0 };

export interface ScrubOptions {
  /** Only XXH64, ten times faster: damage to the manifest looks like damage to the image. */
  readonly fast: boolean;
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress?: (doneBytes: number) => void;
}

const ZERO_SUM = Buffer.alloc(SUM_BYTES);

/** The tree, rebuilt from the digests of blocks, and compared with the stored one as it grows. */
class TreeCheck {
  readonly #manifest: Manifest;
  readonly #report: (finding: Finding) => void;
  /** Per level the digests of the hash block under construction, and its index. */
  readonly #open: Array<{ digests: Buffer[]; index: number }>;
  root: Buffer | undefined;

  constructor(manifest: Manifest, report: (finding: Finding) => void) {
    this.#manifest = manifest;
    this.#report = report;
    this.#open = manifest.levels.map(() => ({ digests: [], index: 0 }));
  }

  add(digest: Buffer, level = 0): void {
    const open = this.#open[level];
    if (!open) {
      this.root = digest;
      return;
    }
    open.digests.push(digest);
    if (open.digests.length === DIGESTS_PER_BLOCK) this.#close(level);
  }

  end(): void {
    this.#open.forEach((open, level) => {
      if (open.digests.length > 0) this.#close(level);
    });
  }

  #close(level: number): void {
    const open = this.#open[level];
    const place = this.#manifest.levels[level];
    if (!open || !place) return;
    const wanted = Buffer.alloc(BLOCK_BYTES);
    wanted.set(Buffer.concat(open.digests));
    const stored = this.#manifest.readHashBlock(place, open.index);
    if (!stored.equals(wanted)) this.#compare(level, place, open.index, open.digests.length, wanted, stored);
    this.#open[level] = { digests: [], index: open.index + 1 };
    this.add(sha256(wanted), level + 1);
  }

  #compare(level: number, place: TreeLevel, block: number, filled: number, wanted: Buffer, stored: Buffer): void {
    for (let at = 0; at < DIGESTS_PER_BLOCK; at++) {
      const [from, to] = [at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES];
      if (stored.subarray(from, to).equals(wanted.subarray(from, to))) continue;
      const offset = (place.start + block) * BLOCK_BYTES + from;
      if (at >= filled) this.#report({ what: 'filling', offset });
      else this.#report({ what: 'tree', level, index: block * DIGESTS_PER_BLOCK + at, offset });
    }
  }
}

/** Content of blocks of the image, and which of them could not be read. */
interface Chunk {
  readonly data: Buffer;
  readonly errnos: ReadonlyMap<number, number>;
}

const readChunk = (image: OpenFile, offset: number, bytes: number): Chunk => {
  const data = Buffer.alloc(bytes);
  const errnos = new Map<number, number>();
  try {
    image.readFull(data, offset);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    for (let at = 0; at < bytes; at += BLOCK_BYTES) {
      try {
        image.readFull(data.subarray(at, Math.min(bytes, at + BLOCK_BYTES)), offset + at);
      } catch (failure) {
        if (!(failure instanceof SystemError)) throw failure;
        errnos.set((offset + at) / BLOCK_BYTES, failure.errno);
      }
    }
  }
  return { data: toWholeBlocks(data), errnos };
};

/** The digests that the manifest has of some blocks. */
const storedDigests = (manifest: Manifest, root: Buffer | undefined, block: number, count: number): Buffer[] => {
  const [leaves] = manifest.levels;
  if (!leaves) return root ? [root] : [];
  const digests: Buffer[] = [];
  for (let at = block; at < block + count; at += DIGESTS_PER_BLOCK) {
    const hashBlock = manifest.readHashBlock(leaves, at / DIGESTS_PER_BLOCK);
    for (let from = 0; from < BLOCK_BYTES; from += DIGEST_BYTES) {
      digests.push(hashBlock.subarray(from, from + DIGEST_BYTES));
    }
  }
  return digests;
};

const checkFilling = (manifest: Manifest, report: (finding: Finding) => void): void => {
  const end = (manifest.fileBytes - manifest.sumsOffset) / SUM_BYTES;
  const filling = manifest.readSums(manifest.nrBlocks, end - manifest.nrBlocks);
  for (let at = 0; at < filling.length; at += SUM_BYTES) {
    if (filling.subarray(at, at + SUM_BYTES).equals(ZERO_SUM)) continue;
    report({ what: 'filling', offset: manifest.sumsOffset + manifest.nrBlocks * SUM_BYTES + at });
  }
};

/**
 * Reads all of an image and its manifest.
 *
 * A block counts as rotten if neither hash is right. If one is right, the other is damaged: so every single flaw is
 * reported once, at its place.
 *
 * @param imageBytes size of the image
 * @returns the root of the image, with the stored digests of rotten blocks; undefined if `fast`
 */
export const scrub = (
  image: OpenFile,
  manifest: Manifest,
  imageBytes: number,
  { fast, onFinding, onProgress }: ScrubOptions,
): Buffer | undefined => {
  const header = manifest.readHeader();
  if (!header) onFinding({ what: 'header', offset: 0 });
  const xxh64 = new Xxh64();
  const tree = new TreeCheck(manifest, onFinding);
  for (let offset = 0; offset < imageBytes; offset += PIECE_BYTES) {
    const bytes = Math.min(PIECE_BYTES, imageBytes - offset);
    const { data, errnos } = readChunk(image, offset, bytes);
    const first = offset / BLOCK_BYTES;
    const count = data.length / BLOCK_BYTES;
    const sums = xxh64.blocks(data);
    const storedSums = manifest.readSums(first, count);
    const digests = fast ? undefined : blockDigests(data);
    const stored = fast ? [] : storedDigests(manifest, header?.root, first, count);
    for (let at = 0; at < count; at++) {
      const block = first + at;
      const sumAt = at * SUM_BYTES;
      const sumFits = sums.compare(storedSums, sumAt, sumAt + SUM_BYTES, sumAt, sumAt + SUM_BYTES) === 0;
      const digest = digests?.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
      const storedDigest = stored[at];
      const digestFits = storedDigest !== undefined && digest?.equals(storedDigest) === true;
      const errno = errnos.get(block);
      const rotten = errno !== undefined || (!sumFits && !digestFits);
      if (errno !== undefined) onFinding({ what: 'unreadable', block, offset: block * BLOCK_BYTES, errno });
      else if (rotten) onFinding({ what: 'image', block, offset: block * BLOCK_BYTES });
      else if (!sumFits) onFinding({ what: 'sum', block, offset: manifest.sumsOffset + block * SUM_BYTES });
      if (digest) tree.add(Buffer.from(rotten ? (storedDigest ?? digest) : digest));
    }
    onProgress?.(offset + bytes);
  }
  checkFilling(manifest, onFinding);
  if (fast) return undefined;
  tree.end();
  if (header && tree.root && !tree.root.equals(header.root)) onFinding({ what: 'root', offset: 0 });
  return tree.root;
};
