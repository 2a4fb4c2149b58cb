/**
 * The hash tree of dm-verity, version 1: SHA-256 without salt, data and hash blocks of 4096 bytes.
 *
 * Source of the layout: the kernel's Documentation/admin-guide/device-mapper/verity.rst and cryptsetup's description
 * of the on-disk superblock. `veritysetup verify` reads what is made here.
 */

import { BLOCK_BYTES, UUID_BYTES } from '../layout.js';
import { DIGEST_BYTES } from './hashing.js';

/** Digests that a hash block holds. */
export const DIGESTS_PER_BLOCK = BLOCK_BYTES / DIGEST_BYTES;

/** A level of the tree. */
export interface TreeLevel {
  /** Where it starts, in blocks of the hash file. */
  readonly start: number;
  /** Hash blocks of the level. */
  readonly blocks: number;
  /** Digests in them; what is left of the last block is zeros. */
  readonly digests: number;
}

/** Hash blocks before the tree: the superblock's. */
const TREE_START = 1;

/**
 * The levels of a tree over so many data blocks, from the leaves (level 0) up. A single block has none: its digest is
 * the root. In the file the top comes first.
 */
export const treeLevels = (dataBlocks: number): TreeLevel[] => {
  const sizes: Array<{ blocks: number; digests: number }> = [];
  for (let digests = dataBlocks; digests > 1; ) {
    const blocks = Math.ceil(digests / DIGESTS_PER_BLOCK);
    sizes.push({ blocks, digests });
    digests = blocks;
  }
  let start = TREE_START;
  const levels: TreeLevel[] = [];
  for (const size of sizes.reverse()) {
    levels.unshift({ start, ...size });
    start += size.blocks;
  }
  return levels;
};

/** First block after the tree. */
export const treeEnd = (levels: readonly TreeLevel[]): number =>
  levels.reduce((end, { blocks }) => end + blocks, TREE_START);

export const SUPERBLOCK_BYTES = 512;

/** The superblock, by which `veritysetup verify` knows the parameters. */
export const encodeSuperblock = (uuid: Uint8Array, dataBlocks: number): Buffer => {
  if (uuid.length !== UUID_BYTES) throw new RangeError(`a uuid of ${uuid.length} bytes, expected ${UUID_BYTES}`);
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
  bytes.write('verity\0\0', 0, 'latin1');
  bytes.writeUInt32LE(1, 8);
  // Hash type 1: digests are packed, the salt (of no length here) comes first.
  bytes.writeUInt32LE(1, 12);
  bytes.set(uuid, 16);
  bytes.write('sha256', 32, 'latin1');
  bytes.writeUInt32LE(BLOCK_BYTES, 64);
  bytes.writeUInt32LE(BLOCK_BYTES, 68);
  bytes.writeBigUInt64LE(BigInt(dataBlocks), 72);
  return bytes;
};
