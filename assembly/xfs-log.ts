// Where the log of an XFS ends: as the kernel finds it when it mounts (xlog_find_head()).
//
// Every sector of the log begins with the cycle in which it was written, and a record's header with a magic number and then the
// cycle. The log is written round and round, so its sectors are those of this cycle, up to the last one written, and behind
// them those of an earlier cycle: 7 7 7 7 6 6 6. A mount stamps sectors behind the last one, with the earlier cycle.

import { BLOCK_SECTORS, SECTOR_BYTES, XFS_LOG_MAGIC } from './layout';
import { BUFFER, Device } from './memory';

const SUPERBLOCK_MAGIC: u32 = 0x58465342;
/** Smallest log that the kernel takes, in blocks of the filesystem, and largest, in sectors. */
const LOG_BLOCKS_MIN: u64 = 64;
const LOG_SECTORS_MAX: u64 = 1 << 22;

// Fields of the superblock, big-endian.
const SB_BLOCK_SIZE: usize = 4;
const SB_LOG_START: usize = 48;
const SB_AG_BLOCKS: usize = 84;
const SB_LOG_BLOCKS: usize = 96;
const SB_VERSION: usize = 100;
const VERSION_LOG_2: u32 = 0x400;
const SB_BLOCK_SHIFT: usize = 120;
const SB_AG_BLOCK_SHIFT: usize = 124;

export class Log {
  /** Sectors of the origin. */
  static start: u64 = 0;
  static nr_sectors: u64 = 0;
  /** The sector that was written last, from the start of the log on, and its cycle. */
  static last: u64 = 0;
  static cycle: u32 = 0;
  /** Cycle of the log's last sector. */
  static end_cycle: u32 = 0;
  /** First sector known to have that cycle; `last` is known not to have it. */
  static high: u64 = 0;
}

@inline
export function be32(at: usize): u32 {
  return bswap<u32>(load<u32>(at));
}

@inline
function be64(at: usize): u64 {
  return bswap<u64>(load<u64>(at));
}

/** Forgets the log. */
export function log_forget(): void {
  Log.start = 0;
  Log.nr_sectors = 0;
  Log.last = 0;
  Log.cycle = 0;
}

/** Is the first block of an XFS in the buffer? */
export function is_xfs(): bool {
  return be32(BUFFER) == SUPERBLOCK_MAGIC;
}

/** Is the log of the XFS in the buffer on a device of its own? */
export function is_log_elsewhere(): bool {
  return be64(BUFFER + SB_LOG_START) == 0;
}

/** Is the log of the XFS in the buffer of version 2? A mount stamps less of the first one. */
export function is_log_of_version_2(): bool {
  return (be32(BUFFER + SB_VERSION) >> 16 & VERSION_LOG_2) != 0;
}

/**
 * Finds where the log lies: its first block is numbered by allocation group, and block within it.
 *
 * @returns false if it does not lie on the origin: this is no superblock
 */
export function log_locate(): bool {
  const shift = load<u8>(BUFFER, SB_BLOCK_SHIFT);
  const ag_shift = load<u8>(BUFFER, SB_AG_BLOCK_SHIFT);
  if (shift < 9 || shift > 16 || ag_shift > 31 || be32(BUFFER + SB_BLOCK_SIZE) != <u32>1 << shift) return false;
  const first = be64(BUFFER + SB_LOG_START);
  const group = first >> ag_shift;
  const nr_blocks = <u64>be32(BUFFER + SB_LOG_BLOCKS);
  const sector_shift = shift - 9;
  const nr_sectors = nr_blocks << sector_shift;
  if (group > <u64>u32.MAX_VALUE || nr_blocks < LOG_BLOCKS_MIN || nr_sectors > LOG_SECTORS_MAX) return false;
  const block = group * be32(BUFFER + SB_AG_BLOCKS) + (first & ((<u64>1 << ag_shift) - 1));
  // Whole blocks of the origin are read.
  const end = Device.nr_sectors / BLOCK_SECTORS * BLOCK_SECTORS;
  if (block > end || (block << sector_shift) + nr_sectors > end) return false;
  Log.start = block << sector_shift;
  Log.nr_sectors = nr_sectors;
  return true;
}

/** Returns the block of the origin in which a sector of the log lies. */
@inline
export function log_block(sector: u64): u64 {
  return (Log.start + sector) / BLOCK_SECTORS;
}

/** Returns where a sector of the log lies, whose block is in the buffer. */
@inline
export function log_address(sector: u64): usize {
  return BUFFER + <usize>((Log.start + sector) % BLOCK_SECTORS) * SECTOR_BYTES;
}

/** Returns the cycle of a sector of the log, whose block is in the buffer. */
export function log_cycle(sector: u64): u32 {
  const at = log_address(sector);
  const word = be32(at);
  return word == XFS_LOG_MAGIC ? be32(at + 4) : word;
}

/** Returns the position at which the log ends: cycle * sectors + sector. */
@inline
export function log_end(): u64 {
  return <u64>Log.cycle * Log.nr_sectors + Log.last + 1;
}

/** Returns the sector that the next record will begin with. */
@inline
export function log_head(): u64 {
  return Log.last + 1 == Log.nr_sectors ? 0 : Log.last + 1;
}
