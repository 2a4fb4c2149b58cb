// What only a mount or a tool changes in a superblock: its identity. A live checkpoint is tied to it, since the rest changes all
// the time while the filesystem is mounted.
//
//   ext4   the first sector of the superblock without free blocks and inodes, the list of orphans, the folder of the last mount,
//          and bytes written: each writing mount counts itself and notes the time, sets needs_recovery, and a replay of the
//          journal clears that; each tool, and each write of the superblock by itself, notes the time
//   XFS    the first sector without its counts of inodes and blocks, its checksum, and the number of its last change: mkfs and
//          tools change the rest. A mount shows in the log (live-log.ts)

import { BLOCK_BYTES, SECTOR_BYTES } from './layout';
import { BUFFER } from './memory';
import { is_xfs } from './xfs-log';
import { xxh64 } from './xxh64';

/** A copy, behind the block. */
const COPY: usize = BUFFER + BLOCK_BYTES;
const EXT_SUPERBLOCK: usize = 1024;
const MAGIC: usize = 56;
const MAGIC_VALUE: u16 = 0xef53;
const FEATURE_COMPAT: usize = 92;
const HAS_JOURNAL: u32 = 4;
const FEATURE_INCOMPAT: usize = 96;
const NEEDS_RECOVERY: u32 = 4;

/** Is the first block of an ext2, ext3 or ext4 in the buffer? */
export function is_ext(): bool {
  return load<u16>(BUFFER + EXT_SUPERBLOCK, MAGIC) == MAGIC_VALUE;
}

/** Zeros in the copy: what changes without a mount or a tool. */
function forget(offset: usize, bytes: usize): void {
  memory.fill(COPY + offset, 0, bytes);
}

/**
 * Is the superblock in the buffer one of which a mount elsewhere, even a read-only one, would change the identity? It replays the
 * journal then, and clears needs_recovery. Without a journal a read-only mount writes nothing. Of an XFS the log shows it.
 */
export function shows_mounts(): bool {
  return is_xfs() || !has(FEATURE_COMPAT, HAS_JOURNAL) || needs_replay();
}

function needs_replay(): bool {
  return has(FEATURE_INCOMPAT, NEEDS_RECOVERY);
}

@inline
function has(features: usize, bit: u32): bool {
  return (load<u32>(BUFFER + EXT_SUPERBLOCK + features) & bit) != 0;
}

/** Returns the identity of the superblock in the buffer, as block 0 of the origin; 0 if it is none that is known. */
export function superblock_identity(): u64 {
  if (is_ext()) return identity_of_ext();
  return is_xfs() ? identity_of_xfs() : 0;
}

function identity_of_xfs(): u64 {
  memory.copy(COPY, BUFFER, SECTOR_BYTES);
  forget(128, 32); // sb_icount, sb_ifree, sb_fdblocks, sb_frextents
  forget(224, 4); // sb_crc
  forget(240, 8); // sb_lsn
  return max<u64>(xxh64(COPY, COPY + SECTOR_BYTES), 1);
}

function identity_of_ext(): u64 {
  memory.copy(COPY, BUFFER + EXT_SUPERBLOCK, SECTOR_BYTES);
  forget(12, 8); // s_free_blocks_count_lo, s_free_inodes_count
  forget(136, 64); // s_last_mounted
  if (needs_replay()) forget(232, 4); // s_last_orphan; a journal at rest leaves it alone
  forget(344, 4); // s_free_blocks_count_hi
  forget(376, 8); // s_kbytes_written
  return max<u64>(xxh64(COPY, COPY + SECTOR_BYTES), 1);
}
