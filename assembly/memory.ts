// Linear memory, laid out once:
//
//   address             bytes                          what
//   0                   4096                           never used, so that a zero address is a bug that shows
//   BUFFER       4096   BUFFER_BYTES                   buffer_address()
//   RUNS       266240   RUNS_MAX * RUN_BYTES           runs_address()
//   DIRECTORY  528384   DIRECTORY_BYTES                pieces of a checkpoint (record.ts)
//   ZEROS      544768   LEAF_BYTES                     the leaf of blocks of which none is set
//   ONES       548864   LEAF_BYTES                     the leaf of blocks of which all are set
//   CHANGED_GROUPS 552960, DIRTY_GROUPS 561168, STALE_GROUPS 569376  GROUPS_BYTES each (summary.ts)
//   FLUSH      577584   FLUSH_BYTES                    words of the dirty map that are being written (dirty-map.ts)
//   PENDING    593712   PENDING_BYTES                  its blocks that are to be written (regions.ts)
//   LOG_RECORDS 593984  LOG_RECORDS_BYTES              records that went to the log of an XFS (live-log.ts)
//   CHANGED    594208   4 per leaf                     C, the change bitmap: addresses of its leaves (leaves.ts)
//   Area.mask           as much                        M, the mask bitmap
//   Area.durable, Area.wanted, Area.next, Area.kept  1 bit per smallest region each  the dirty map (regions.ts)
//   Area.summary        1 bit per section, and one     set where the section has a bit of C
//   Area.sections       4 per section                  section table (index-sections.ts)
//   Area.owners         4 per frame                    section table's reverse (index-sections.ts)
//   Area.frames         SECTION_BYTES per frame        leaves, then index sections; page aligned
//
// The memory up to RUNS' end is there from the start, so buffer and runs can be used before init(); init() grows what lies
// before the frames, which is zero then, and some frames.
//
// Frames of leaves come first, Area.nr_leaf_frames of them; sections of the index use those behind them, which are called
// slots. A frame more for leaves takes the place of the first slot, whose section moves. So what is left when the index is
// dropped is one piece.
//
// Static fields begin as literals everywhere: a name, even of a constant, would give the module a start function.

import {
  BLOCK_BYTES,
  BLOCK_SECTORS,
  BUFFER_BYTES,
  EINVAL,
  ENOMEM,
  COW_HEADER_SIZE,
  MAP_BLOCKS_MAX,
  MAP_BLOCK_WORDS,
  MASK_CHUNK_BLOCKS,
  MASK_CHUNK_BYTES,
  MODE_INCREMENTAL,
  MODE_SNAPSHOT,
  ORIGIN_SECTORS_MAX,
  REGION_BLOCKS_MIN,
  RUNS_MAX,
  RUN_BYTES,
  SECTION_BYTES,
  SECTION_ENTRIES,
  SLOTS_GROWTH,
  SLOTS_MIN,
} from './layout';

/** A leaf: the bits of so many blocks. */
export const LEAF_BYTES: usize = 4096;
export const LEAF_BLOCKS: u64 = 32768;
export const LEAVES_PER_FRAME: u32 = 8;
export const LEAVES_PER_CHUNK: u64 = 8;

export const BUFFER: usize = 4096;
export const RUNS: usize = BUFFER + BUFFER_BYTES;
export const DIRECTORY: usize = RUNS + RUNS_MAX * RUN_BYTES;
/** One bit per mask chunk of the largest origin, for each bitmap. */
export const DIRECTORY_BYTES: usize = 16384;
export const ZEROS: usize = DIRECTORY + DIRECTORY_BYTES;
export const ONES: usize = ZEROS + LEAF_BYTES;
/** One bit per word of the largest summary. */
export const GROUPS_BYTES: usize = 8208;
export const CHANGED_GROUPS: usize = ONES + LEAF_BYTES;
export const DIRTY_GROUPS: usize = CHANGED_GROUPS + GROUPS_BYTES;
export const STALE_GROUPS: usize = DIRTY_GROUPS + GROUPS_BYTES;
export const FLUSH: usize = STALE_GROUPS + GROUPS_BYTES;
/** The words of MAP_BLOCKS_MAX blocks. */
export const FLUSH_BYTES: usize = <usize>(MAP_BLOCKS_MAX * MAP_BLOCK_WORDS) * 8;
export const PENDING: usize = FLUSH + FLUSH_BYTES;
/** One bit per block of the largest dirty map, and some. */
export const PENDING_BYTES: usize = 272;
export const LOG_RECORDS: usize = PENDING + PENDING_BYTES;
const LOG_RECORDS_BYTES: usize = 224;
export const CHANGED: usize = LOG_RECORDS + LOG_RECORDS_BYTES;

const PAGE_BYTES: u64 = 65536;
/** One page short of 4 GiB, so that no address computation wraps. */
const MEMORY_MAX: u64 = 0xffff0000;
/** Bytes of an entry of each table: leaves, sections, owners. */
const ENTRY: u64 = 4;
/** Frames for leaves that init() makes room for. */
const LEAF_FRAMES_MIN: u64 = 2;

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
  static durable: usize = 0;
  static wanted: usize = 0;
  static next: usize = 0;
  static kept: usize = 0;
  static summary: usize = 0;
  static sections: usize = 0;
  static owners: usize = 0;
  static frames: usize = 0;
  /** Frames that the table of owners is for. */
  static nr_frames: u32 = 0;
  /** Frames taken for leaves, from the first on. */
  static nr_leaf_frames: u32 = 0;
  /** Most slots that there may ever be. */
  static nr_slots: u32 = 0;
  /** Most slots that there may be now; set_cache() changes it. */
  static slots_in_use: u32 = 0;
}

function ceil_div(value: u64, unit: u64): u64 {
  return (value + unit - 1) / unit;
}

export function round_up(value: u64, unit: u64): u64 {
  return ceil_div(value, unit) * unit;
}

function blocks_of(nr_sectors: u64): u64 {
  return ceil_div(nr_sectors, BLOCK_SECTORS);
}

function sections_of(nr_sectors: u64): u64 {
  return ceil_div(nr_sectors / BLOCK_SECTORS, SECTION_ENTRIES);
}

/** Chunks of the mask bitmap. */
export function chunks_of(nr_blocks: u64): u64 {
  return ceil_div(nr_blocks, MASK_CHUNK_BLOCKS);
}

/** Leaves of one bitmap. */
export function leaves_of(nr_blocks: u64): u64 {
  return ceil_div(nr_blocks, LEAF_BLOCKS);
}

/** Bytes of the table of one bitmap's leaves: a multiple of those of a chunk. */
function leaf_table_bytes(nr_sectors: u64): u64 {
  return chunks_of(blocks_of(nr_sectors)) * LEAVES_PER_CHUNK * ENTRY;
}

/** Frames that the leaves of one bitmap can take. */
function leaf_frames_of(nr_sectors: u64): u64 {
  return ceil_div(leaves_of(blocks_of(nr_sectors)), LEAVES_PER_FRAME);
}

/** Bytes of the summary bitmap: one bit more than sections, for a tail block that is in no section. */
function summary_bytes(nr_sectors: u64): u64 {
  return ceil_div(sections_of(nr_sectors) + 1, 64) * 8;
}

function section_table_bytes(nr_sectors: u64): u64 {
  return round_up(sections_of(nr_sectors) * ENTRY, 8);
}

/** Bytes of one form of the dirty map, in whole pairs of words, of the smallest regions. */
export function map_bytes(nr_sectors: u64): u64 {
  return ceil_div(blocks_of(nr_sectors), 128 * REGION_BLOCKS_MIN) * 16;
}

/** Bytes of the tables of both bitmaps' leaves, and of the dirty map's forms. */
function bitmap_bytes(nr_sectors: u64): u64 {
  return 2 * leaf_table_bytes(nr_sectors) + 4 * map_bytes(nr_sectors);
}

/** Bytes up to the table of owners. */
function fixed_bytes(nr_sectors: u64): u64 {
  return CHANGED + bitmap_bytes(nr_sectors) + summary_bytes(nr_sectors) + section_table_bytes(nr_sectors);
}

/** Slots that a cache limit allows. */
export function slots_allowed(cache_bytes: u64): u64 {
  return max<u64>(cache_bytes / SECTION_BYTES, SLOTS_MIN);
}

/** Slots for index sections: what the cache limit allows, no more than sections, no more than fit beside a full C. */
function slots_of(nr_sectors: u64, cache_bytes: u64): u64 {
  const allowed = slots_allowed(cache_bytes);
  const leaves = leaf_frames_of(nr_sectors);
  const room = MEMORY_MAX - fixed_bytes(nr_sectors) - BLOCK_BYTES - 2 * leaves * ENTRY - leaves * SECTION_BYTES;
  return min<u64>(min<u64>(allowed, sections_of(nr_sectors)), room / (SECTION_BYTES + ENTRY));
}

/** Most frames: those slots, both bitmaps' leaves, and one more, since a frame of leaves is made ready before it is known to be needed. */
function frames_of(nr_sectors: u64, nr_slots: u64): u64 {
  return nr_slots + 2 * leaf_frames_of(nr_sectors) + 1;
}

function frames_start(nr_sectors: u64, nr_slots: u64): u64 {
  return round_up(fixed_bytes(nr_sectors) + frames_of(nr_sectors, nr_slots) * ENTRY, BLOCK_BYTES);
}

function is_size(nr_sectors: u64): bool {
  return nr_sectors != 0 && nr_sectors <= ORIGIN_SECTORS_MAX;
}

/** Bytes of memory, in whole wasm pages, that hold so many frames. */
function bytes_with(frames: u64, nr_frames: u64): u64 {
  return min<u64>(round_up(frames + nr_frames * SECTION_BYTES, PAGE_BYTES), MEMORY_MAX);
}

/**
 * Returns how much linear memory `init` takes.
 *
 * @param nr_sectors size of the origin, in sectors
 * @param cache_bytes limit for index sections in memory, in bytes
 * @returns bytes, a multiple of a wasm page; -EINVAL for 0 or more than 64 TiB
 */
export function memory_needed(nr_sectors: i64, cache_bytes: i64): i64 {
  if (!is_size(nr_sectors)) return -EINVAL;
  const nr_slots = slots_of(nr_sectors, cache_bytes);
  return bytes_with(frames_start(nr_sectors, nr_slots), min<u64>(nr_slots, SLOTS_MIN) + LEAF_FRAMES_MIN);
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
  Area.mask = CHANGED + <usize>leaf_table_bytes(nr_sectors);
  Area.durable = Area.mask + <usize>leaf_table_bytes(nr_sectors);
  Area.wanted = Area.durable + <usize>map_bytes(nr_sectors);
  Area.next = Area.wanted + <usize>map_bytes(nr_sectors);
  Area.kept = Area.next + <usize>map_bytes(nr_sectors);
  Area.summary = CHANGED + <usize>bitmap_bytes(nr_sectors);
  Area.sections = Area.summary + <usize>summary_bytes(nr_sectors);
  Area.owners = Area.sections + <usize>section_table_bytes(nr_sectors);
  Area.frames = <usize>frames_start(nr_sectors, nr_slots);
  Area.nr_frames = <u32>frames_of(nr_sectors, nr_slots);
  Area.nr_slots = <u32>nr_slots;
  Area.slots_in_use = <u32>nr_slots;
  memory.fill(ONES, 0xff, LEAF_BYTES);
  empty_tables();

  Device.nr_sectors = nr_sectors;
  Device.nr_blocks = blocks_of(nr_sectors);
  Device.nr_sections = sections_of(nr_sectors);
  Device.data_offset = COW_HEADER_SIZE + Device.nr_sections * SECTION_BYTES;
  Device.mode = <u32>mode;
  return 0;
}

/** Makes every leaf ZEROS, by copying what there is behind itself. */
function empty_tables(): void {
  const bytes = Area.durable - CHANGED;
  store<u32>(CHANGED, <u32>ZEROS);
  for (let done = <usize>ENTRY; done < bytes; done <<= 1) {
    memory.copy(CHANGED + done, CHANGED, min<usize>(done, bytes - done));
  }
}

function grow_to(bytes: u64): bool {
  const missing = <i32>(bytes / PAGE_BYTES) - memory.size();
  return missing <= 0 || memory.grow(missing) >= 0;
}

@inline
function bytes_there(): u64 {
  return <u64><u32>memory.size() * PAGE_BYTES;
}

/** Frames that memory is there for. */
@inline
export function frames_there(): u32 {
  return <u32>min<u64>((bytes_there() - Area.frames) / SECTION_BYTES, Area.nr_frames);
}

/** Slots that may be used, and that memory is there for. */
export function slots_there(): u32 {
  return min<u32>(frames_there() - Area.nr_leaf_frames, Area.slots_in_use);
}

/** Frames by which memory grows: the more there are, the more at once, since the pages of all are mapped again. */
function growth(): u32 {
  return max<u32>(<u32>SLOTS_GROWTH, frames_there() / 16);
}

/** Bytes of memory with some slots more, as far as the limit allows. */
function more_slots(): u64 {
  return bytes_with(Area.frames, Area.nr_leaf_frames + min<u32>(slots_there() + growth(), Area.slots_in_use));
}

/** Grows memory by some slots, if it can be. */
export function grow_slots(): void {
  grow_to(more_slots());
}

/** Bytes of memory with some frames more, for leaves. */
export function bytes_for_leaves(): u64 {
  return bytes_with(Area.frames, min<u32>(frames_there() + growth(), Area.nr_frames));
}

/** Grows memory by some frames. Returns whether there are more. */
export function grow_frames(): bool {
  const before = frames_there();
  return grow_to(bytes_for_leaves()) && frames_there() > before;
}

/**
 * Returns how much linear memory there should be.
 *
 * @param nr_resident sections in memory
 * @returns bytes, a multiple of a wasm page: in snapshot mode what there is or, if every slot is taken, some more; what the
 *   tables and leaves take in incremental mode, where there is no index
 */
export function bytes_wanted(nr_resident: u32): u64 {
  if (Device.mode == MODE_INCREMENTAL) return bytes_with(Area.frames, Area.nr_leaf_frames);
  return nr_resident < slots_there() ? bytes_there() : max<u64>(bytes_there(), more_slots());
}

/** Returns the address of the buffer. */
export function buffer_address(): i64 {
  return BUFFER;
}

/** Returns the address of the runs. */
export function runs_address(): i64 {
  return RUNS;
}
