// Superblocks of ext4 in block 0, and what of them only a mount or a tool changes, computed here from docs/CORE.md.

import { Xxh64 } from '../../host/manifest/hashing.js';

const AT = 1024;
const FEATURE_COMPAT = 92;
const HAS_JOURNAL = 4;
export const FEATURE_INCOMPAT = 96;
export const NEEDS_RECOVERY = 4;

/** Offset and length of what changes all the time while the filesystem is mounted; the list of orphans comes with a journal in use. */
const VOLATILE = [
  [12, 8],
  [136, 64],
  [344, 4],
  [376, 8],
] as const;
const ORPHANS = [232, 4] as const;

const hash = new Xxh64();

/** A superblock of a filesystem that is mounted. `at`: offsets in it, and what lies there. */
export const superblockWith = (at: Readonly<Record<number, number>> = {}): Buffer => {
  const block = Buffer.alloc(4096, 7);
  block.writeUInt16LE(0xef53, AT + 56);
  for (const [offset, value] of Object.entries(at)) block.writeUInt32LE(value, AT + Number(offset));
  return block;
};

/** Reads of an origin that has this in block 0, and zeros elsewhere. */
export const readFrom =
  (superblock: Buffer) =>
  (block: number): Buffer =>
    block ? Buffer.alloc(4096) : superblock;

const isInUse = (block: Buffer): boolean => (block.readUInt32LE(AT + FEATURE_INCOMPAT) & NEEDS_RECOVERY) !== 0;

/** Would a mount elsewhere have changed it, even one that only reads? */
export const showsMounts = (block: Buffer): boolean =>
  isInUse(block) || (block.readUInt32LE(AT + FEATURE_COMPAT) & HAS_JOURNAL) === 0;

export const identityOf = (block: Buffer): bigint => {
  const copy = Buffer.from(block.subarray(AT, AT + 512));
  for (const [offset, bytes] of isInUse(block) ? [...VOLATILE, ORPHANS] : VOLATILE)
    copy.fill(0, offset, offset + bytes);
  return hash.bytes(copy);
};
