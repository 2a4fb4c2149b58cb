// Regions of the origin, and which of them may have blocks that changed since the last checkpoint: the dirty map.
//
//   durable   the map on disk has it: writes to the region may go
//   wanted    durable, or a write waits for that
//   next      a block of it was marked since a checkpoint was begun: the map that comes with this checkpoint will have it.
//             What one that failed left is not taken back: it may be more
//   kept      snapshot mode: blocks of it changed that C does not have. Each map has it
//
// Blocks of a map are numbered as they lie on disk (dirty-map.ts). While a checkpoint is being finished those before `switched`
// are those of the next map already: a region is durable there only if both maps on disk have it. While no map is in force, the
// others mean nothing.

import {
  EINVAL,
  MAP_BLOCK_WORDS,
  MODE_SNAPSHOT,
  REGION_BLOCKS_MAX,
  REGION_BLOCKS_MIN,
  SLICE_BLOCKS,
  STATUS_REGION,
} from './layout';
import { bits_between, last_in_word } from './bits';
import { Area, Device, PENDING, PENDING_BYTES } from './memory';

export class Regions {
  /** Blocks of a region, as a shift. */
  static shift: u64 = 10;
  /** Is a map on disk in force? */
  static active: bool = false;
  /** Was any region kept? */
  static keeps: bool = false;
  /** Is a checkpoint being made? */
  static noting: bool = false;
  /** Blocks of the map that are those of the next map already. */
  static switched: u64 = 0;
  /** Blocks of the map that are to be written. */
  static nr_pending: u32 = 0;
  /** Regions wanted; while blocks of the map are switched, in those that are. */
  static nr_dirty: u64 = 0;
  /** The same before the first of them was switched. */
  static nr_former: u64 = 0;
}

/** Does anything depend on which regions are written to? */
@inline
export function watches_regions(): bool {
  return Regions.active || Regions.noting;
}

/** Regions that the map on disk has, at most. While it is switched that may be either of two maps. */
export function dirty_regions(): u64 {
  if (!Regions.active) return 0;
  return Regions.switched ? max(Regions.nr_former, Regions.nr_dirty) : Regions.nr_dirty;
}

/** Number of regions. */
export function nr_regions(): u64 {
  return (Device.nr_blocks + (<u64>1 << Regions.shift) - 1) >> Regions.shift;
}

/** Words of a form of the map. */
@inline
export function map_words(): u64 {
  return (nr_regions() + 63) >> 6;
}

/** Blocks that the map takes on disk. */
export function map_blocks(): u64 {
  return (map_words() + MAP_BLOCK_WORDS - 1) / MAP_BLOCK_WORDS;
}

@inline
function offset_of(region: u64): usize {
  return <usize>(region >> 6) << 3;
}

/** Block of the map in which a region's bit lies. */
@inline
function map_block_of(region: u64): u64 {
  return (region >> 6) / MAP_BLOCK_WORDS;
}

@inline
function pending_at(map_block: u64): usize {
  return PENDING + (<usize>(map_block >> 6) << 3);
}

/** Is a block of the map to be written? */
@inline
export function is_pending(map_block: u64): bool {
  return ((load<u64>(pending_at(map_block)) >> map_block) & 1) != 0;
}

/** Notes whether a block of the map is to be written. */
export function set_pending(map_block: u64, pending: bool): void {
  if (is_pending(map_block) == pending) return;
  const at = pending_at(map_block);
  store<u64>(at, load<u64>(at) ^ (<u64>1 << map_block));
  Regions.nr_pending += pending ? 1 : -1;
}

/** No block of the map is to be written. */
export function clear_pending(): void {
  memory.fill(PENDING, 0, PENDING_BYTES);
  Regions.nr_pending = 0;
}

/** Wants regions of one word. */
function want(region: u64, bits: u64): void {
  const at = Area.wanted + offset_of(region);
  const fresh = bits & ~load<u64>(at);
  if (!fresh) return;
  store<u64>(at, load<u64>(at) | fresh);
  if (!Regions.switched || map_block_of(region) < Regions.switched) Regions.nr_dirty += popcnt<u64>(fresh);
  set_pending(map_block_of(region), true);
}

/** Does the map that the header on disk names, or will, say anything of the regions of one word? */
@inline
function is_in_force(region: u64): bool {
  return Regions.active || map_block_of(region) < Regions.switched;
}

/** Must a write to regions of one word wait? `bits` may be wanted by now, or are from here on. */
@inline
function must_wait(region: u64, bits: u64): bool {
  if (!is_in_force(region)) return false;
  const missing = bits & ~load<u64>(Area.durable + offset_of(region));
  if (missing) want(region, missing);
  return missing != 0;
}

/**
 * Notes that blocks first..last are going to be marked, some of which were not.
 *
 * @returns whether the write must wait for the dirty map on disk
 */
export function note_regions(first: u64, last: u64): bool {
  const end = last >> Regions.shift;
  let waits = false;
  for (let region = first >> Regions.shift; region <= end; region = (region | 63) + 1) {
    const bits = bits_between(region, last_in_word(region, end));
    if (Regions.noting && map_block_of(region) >= Regions.switched) {
      const at = Area.next + offset_of(region);
      store<u64>(at, load<u64>(at) | bits);
    }
    if (must_wait(region, bits)) waits = true;
  }
  return waits;
}

/**
 * Counts blocks as changed after a crash, though C does not have them: from now on each map has their regions, until snapshot mode
 * ends. They are those that the store itself writes to, and that are in no index.
 *
 * @param block first block
 * @param count number of blocks; what lies past the end of the origin is ignored
 * @returns 0; STATUS_REGION: they must not be written to before the dirty map has them; -EINVAL, and nothing changed, in incremental
 *   mode, or if they are more than a slice
 */
export function regions_keep(block: i64, count: i64): i64 {
  if (Device.mode != MODE_SNAPSHOT) return -EINVAL;
  if (<u64>block >= Device.nr_blocks || !count) return 0;
  const last = <u64>block + min<u64>(count, Device.nr_blocks - block) - 1;
  if (last - block >= SLICE_BLOCKS) return -EINVAL;
  Regions.keeps = true;
  const end = last >> Regions.shift;
  for (let region = <u64>block >> Regions.shift; region <= end; region = (region | 63) + 1) {
    const kept = Area.kept + offset_of(region);
    const next = Area.next + offset_of(region);
    const bits = bits_between(region, last_in_word(region, end));
    store<u64>(kept, load<u64>(kept) | bits);
    store<u64>(next, load<u64>(next) | bits);
  }
  return watches_regions() && note_regions(block, last) ? STATUS_REGION : 0;
}

/** Empties words of the next map, from an offset on, but for what each map has. */
export function begin_next(offset: usize, bytes: usize): void {
  if (Regions.keeps && Device.mode == MODE_SNAPSHOT) memory.copy(Area.next + offset, Area.kept + offset, bytes);
  else memory.fill(Area.next + offset, 0, bytes);
}

/** Is a region of blocks first..last wanted, but not durable? */
export function waits_for_regions(first: u64, last: u64): bool {
  if (!Regions.nr_pending) return false;
  const end = last >> Regions.shift;
  for (let region = first >> Regions.shift; region <= end; region = (region | 63) + 1) {
    const at = offset_of(region);
    const missing = load<u64>(Area.wanted + at) & ~load<u64>(Area.durable + at);
    if (missing & bits_between(region, last_in_word(region, end)) && is_in_force(region)) return true;
  }
  return false;
}

/**
 * Sets the size of the regions. A checkpoint that is loaded brings its own.
 *
 * @param blocks a power of two from REGION_BLOCKS_MIN to REGION_BLOCKS_MAX
 * @returns 0; -EINVAL for another number, or if a map is in force or being made, or regions are kept
 */
export function regions_set(blocks: i64): i64 {
  if (!are_region_blocks(blocks) || watches_regions() || Regions.keeps) return -EINVAL;
  Regions.shift = ctz<u64>(blocks);
  return 0;
}

/** May a region have so many blocks? */
export function are_region_blocks(blocks: u64): bool {
  return blocks >= REGION_BLOCKS_MIN && blocks <= REGION_BLOCKS_MAX && popcnt<u64>(blocks) == 1;
}
