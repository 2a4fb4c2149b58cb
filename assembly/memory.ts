// Linear memory, laid out once:
//
//   address            bytes                          what
//   0                  4096                           never used, so that a zero address is a bug that shows
//   BUFFER      4096   BUFFER_BYTES                   buffer_address()
//   RUNS      266240   RUNS_MAX * RUN_BYTES           runs_address()
//   DIRECTORY 528384   DIRECTORY_BYTES                pieces of a clean record (record.ts)
//   CHANGED   532480   32 KiB per 262144 blocks       C, 1 bit per block: the change bitmap
//   Area.mask          as much                        M, 1 bit per block: the mask bitmap
//   Area.summary       1 bit per section, and one     set where the section has a bit of C
//   Area.sections      4 per section                  section table (index-sections.ts)
//   Area.slot_owners   4 per slot                     slot table (index-sections.ts)
//   Area.slots         SECTION_BYTES per slot         index sections, page aligned
//
// Both bitmaps are whole mask chunks long; bits past the last block are always zero. The memory up to RUNS' end is there
// from the start, so buffer and runs can be used before init(); init() grows what lies before the slots, and SLOTS_MIN of
// them, which is zero then. More slots come as sections need them (grow_slots()).
//
// Static fields begin as literals everywhere: a name, even of a constant, would give the module a start function.

import {
  BLOCK_BYTES,
  BLOCK_SECTORS,
  BUFFER_BYTES,
  EINVAL,
  ENOMEM,
  MASK_CHUNK_BLOCKS,
  MASK_CHUNK_BYTES,
  COW_HEADER_SIZE,
  MODE_INCREMENTAL,
  MODE_SNAPSHOT,
  ORIGIN_SECTORS_MAX,
  RUNS_MAX,
  RUN_BYTES,
  SECTION_BYTES,
  SECTION_ENTRIES,
  SLOTS_GROWTH,
  SLOTS_MIN,
} from './layout';

export const BUFFER: usize = 4096;
export const RUNS: usize = BUFFER + BUFFER_BYTES;
export const DIRECTORY: usize = RUNS + RUNS_MAX * RUN_BYTES;
/** One bit per mask chunk of the largest origin, for each bitmap. */
export const DIRECTORY_BYTES: usize = 4096;
export const CHANGED: usize = DIRECTORY + DIRECTORY_BYTES;

const PAGE_BYTES: u64 = 65536;
/** One page short of 4 GiB, so that no address computation wraps. */
const MEMORY_MAX: u64 = 0xffff0000;
const SECTION_TABLE_ENTRY_BYTES: u64 = 4;
const SLOT_TABLE_ENTRY_BYTES: u64 = 4;

/** The origin, fixed by init(). */
export class Device {
  static nr_sectors: u64 = 0;
  /** ceil(nr_sectors / 8): blocks tracked. */
  static nr_blocks: u64 = 0;
  /** Sections of the index: they cover floor(nr_sectors / 8) blocks. */
  static nr_sections: u64 = 0;
  /** Bytes of header and index, where the data area starts. */
  static data_offset: u64 = 0;
  /** MODE_SNAPSHOT or MODE_INCREMENTAL. */
  static mode: u32 = 0;
}

/** Addresses of the areas whose place depends on the origin's size. */
export class Area {
  static mask: usize = 0;
  static summary: usize = 0;
  static sections: usize = 0;
  static slot_owners: usize = 0;
  static slots: usize = 0;
  /** Entries of the slot table. */
  static nr_slots: u32 = 0;
  /** Slots that may be used, from the first on; set_cache() changes it. */
  static slots_in_use: u32 = 0;
}

@inline
function ceil_div(value: u64, unit: u64): u64 {
  return (value + unit - 1) / unit;
}

@inline
export function round_up(value: u64, unit: u64): u64 {
  return ceil_div(value, unit) * unit;
}

@inline
function blocks_of(nr_sectors: u64): u64 {
  return ceil_div(nr_sectors, BLOCK_SECTORS);
}

@inline
function sections_of(nr_sectors: u64): u64 {
  return ceil_div(nr_sectors / BLOCK_SECTORS, SECTION_ENTRIES);
}

/** Chunks of the mask bitmap. */
@inline
export function chunks_of(nr_blocks: u64): u64 {
  return ceil_div(nr_blocks, MASK_CHUNK_BLOCKS);
}

@inline
function bitmap_bytes(nr_sectors: u64): u64 {
  return chunks_of(blocks_of(nr_sectors)) * MASK_CHUNK_BYTES;
}

/** Bytes of the summary bitmap: one bit more than sections, for a tail block that is in no section. */
@inline
function summary_bytes(nr_sectors: u64): u64 {
  return ceil_div(sections_of(nr_sectors) + 1, 64) * 8;
}

@inline
function section_table_bytes(nr_sectors: u64): u64 {
  return round_up(sections_of(nr_sectors) * SECTION_TABLE_ENTRY_BYTES, 8);
}

/** Bytes up to the slot table. */
@inline
function fixed_bytes(nr_sectors: u64): u64 {
  return (
    CHANGED + 2 * bitmap_bytes(nr_sectors) + summary_bytes(nr_sectors) + section_table_bytes(nr_sectors)
  );
}

/** Slots that a cache limit allows. */
@inline
export function slots_allowed(cache_bytes: u64): u64 {
  return max<u64>(cache_bytes / SECTION_BYTES, SLOTS_MIN);
}

/** Slots for index sections: what the cache limit allows, no more than sections, no more than fit into linear memory. */
function slots_of(nr_sectors: u64, cache_bytes: u64): u64 {
  const allowed = slots_allowed(cache_bytes);
  const room = MEMORY_MAX - fixed_bytes(nr_sectors) - BLOCK_BYTES;
  return min<u64>(min<u64>(allowed, sections_of(nr_sectors)), room / (SECTION_BYTES + SLOT_TABLE_ENTRY_BYTES));
}

@inline
function slots_start(nr_sectors: u64, nr_slots: u64): u64 {
  return round_up(fixed_bytes(nr_sectors) + nr_slots * SLOT_TABLE_ENTRY_BYTES, BLOCK_BYTES);
}

@inline
function is_size(nr_sectors: u64): bool {
  return nr_sectors != 0 && nr_sectors <= ORIGIN_SECTORS_MAX;
}

/** Bytes of memory, in whole wasm pages, that hold so many slots. */
@inline
function bytes_with(slots: u64, nr_slots: u64): u64 {
  return round_up(slots + nr_slots * SECTION_BYTES, PAGE_BYTES);
}

/**
 * Returns how much linear memory `init` takes.
 *
 * @param nr_sectors size of the origin, in sectors
 * @param cache_bytes limit for index sections in memory, in bytes
 * @returns bytes, a multiple of a wasm page; -EINVAL for 0 or more than 16 TiB
 */
export function memory_needed(nr_sectors: i64, cache_bytes: i64): i64 {
  if (!is_size(nr_sectors)) return -EINVAL;
  const nr_slots = slots_of(nr_sectors, cache_bytes);
  return bytes_with(slots_start(nr_sectors, nr_slots), min<u64>(nr_slots, SLOTS_MIN));
}

/**
 * Lays out linear memory for an origin. Works once.
 *
 * @param nr_sectors size of the origin, in sectors
 * @param cache_bytes limit for index sections in memory, in bytes
 * @param mode MODE_SNAPSHOT or MODE_INCREMENTAL
 * @returns 0; -EINVAL for a bad size or mode, or if it was called before; -ENOMEM if memory cannot grow
 */
export function init(nr_sectors: i64, cache_bytes: i64, mode: i64): i64 {
  if (!is_size(nr_sectors) || Device.nr_sectors != 0) return -EINVAL;
  if (mode != MODE_SNAPSHOT && mode != MODE_INCREMENTAL) return -EINVAL;
  if (!grow_to(memory_needed(nr_sectors, cache_bytes))) return -ENOMEM;

  const nr_slots = slots_of(nr_sectors, cache_bytes);
  Area.mask = CHANGED + <usize>bitmap_bytes(nr_sectors);
  Area.summary = Area.mask + <usize>bitmap_bytes(nr_sectors);
  Area.sections = Area.summary + <usize>summary_bytes(nr_sectors);
  Area.slot_owners = Area.sections + <usize>section_table_bytes(nr_sectors);
  Area.slots = <usize>slots_start(nr_sectors, nr_slots);
  Area.nr_slots = <u32>nr_slots;
  Area.slots_in_use = <u32>nr_slots;

  Device.nr_sectors = nr_sectors;
  Device.nr_blocks = blocks_of(nr_sectors);
  Device.nr_sections = sections_of(nr_sectors);
  Device.data_offset = COW_HEADER_SIZE + Device.nr_sections * SECTION_BYTES;
  Device.mode = <u32>mode;
  return 0;
}

function grow_to(bytes: u64): bool {
  const missing = <i32>(bytes / PAGE_BYTES) - memory.size();
  return missing <= 0 || memory.grow(missing) >= 0;
}

/** Slots that may be used, and that memory is there for. */
export function slots_there(): u32 {
  const room = (<u64>memory.size() * PAGE_BYTES - Area.slots) / SECTION_BYTES;
  return <u32>min<u64>(room, Area.slots_in_use);
}

/** Bytes of memory with some slots more, as far as the limit allows. */
function more_slots(): u64 {
  return bytes_with(Area.slots, min<u64>(slots_there() + SLOTS_GROWTH, Area.slots_in_use));
}

/** Grows memory by some slots, if it can be. */
export function grow_slots(): void {
  grow_to(more_slots());
}

/**
 * Returns how much linear memory there should be.
 *
 * @param nr_resident sections in memory
 * @returns bytes, a multiple of a wasm page: in snapshot mode what there is or, if every slot is taken, some more; what the
 *   bitmaps and tables take in incremental mode, where there is no index
 */
export function bytes_wanted(nr_resident: u32): u64 {
  if (Device.mode == MODE_INCREMENTAL) return bytes_with(Area.slots, 0);
  const now = <u64>memory.size() * PAGE_BYTES;
  return nr_resident < slots_there() ? now : max<u64>(now, more_slots());
}

/** Returns the address of the buffer. */
export function buffer_address(): i64 {
  return BUFFER;
}

/** Returns the address of the runs. */
export function runs_address(): i64 {
  return RUNS;
}
