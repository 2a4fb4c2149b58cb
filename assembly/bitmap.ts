// C, the change bitmap, one bit per block.

import {
  BLOCK_SECTORS,
  COPIED_WAITS,
  COW_VERSION_CHANGED_BLOCKS,
  EINVAL,
  SECTION_ENTRIES,
  SLICE_BLOCKS,
  STATUS_REGION,
  STATUS_ROOM,
} from './layout';
import { bits_between, last_in_word } from './bits';
import { Area, CHANGED, Device, LEAF_BLOCKS, ONES, ZEROS } from './memory';
import { Header } from './header';
import { is_whole_leaf, last_in_leaf, leaf_at, leaf_of, word_offset, writable_leaf } from './leaves';
import { note_regions, waits_for_regions, watches_regions } from './regions';
import { summarize } from './summary';

/** The word of C that holds a block's bit. */
@inline
export function changed_word(block: u64): u64 {
  return load<u64>(leaf_of(CHANGED, block) + word_offset(block));
}

/** The word of M that holds a block's bit. */
@inline
export function mask_word(block: u64): u64 {
  return load<u64>(leaf_of(Area.mask, block) + word_offset(block));
}

/** Adds to nr_changed_blocks, which headers of version 0 do not keep. */
@inline
export function count_changed(nr_blocks: u64): void {
  if (Header.version >= COW_VERSION_CHANGED_BLOCKS) Header.nr_changed += nr_blocks;
}

/** Makes sure that bits of C in the word of a block can be set. Returns false if memory must grow first. */
@inline
export function can_set_changed(block: u64): bool {
  return writable_leaf(CHANGED, block) != 0;
}

/** Sets bits of one word of C, which can be. `fresh`: bits that are not set yet. */
@inline
export function set_changed(block: u64, fresh: u64): void {
  const at = leaf_of(CHANGED, block) + word_offset(block);
  store<u64>(at, load<u64>(at) | fresh);
  summarize(block);
}

/** Sets all bits of a leaf of C of which none is set. */
function set_whole_leaf(first: u64): void {
  store<u32>(leaf_at(CHANGED, first), <u32>ONES);
  for (let block = first; block < first + LEAF_BLOCKS; block += SECTION_ENTRIES) summarize(block);
}

/** Marks blocks first..last, all of one leaf, but for those of the mask if `unmasked`. Returns how many; STATUS_ROOM: none. */
function mark_leaf(first: u64, last: u64, unmasked: bool): i64 {
  const leaf = leaf_of(CHANGED, first);
  const mask = unmasked ? leaf_of(Area.mask, first) : ZEROS;
  if (leaf == ONES || mask == ONES) return 0;
  if (leaf == ZEROS && mask == ZEROS && is_whole_leaf(first, last)) {
    set_whole_leaf(first);
    return LEAF_BLOCKS;
  }
  let nr: u64 = 0;
  for (let block = first; block <= last; block = (block | 63) + 1) {
    const wanted = bits_between(block, last_in_word(block, last)) & ~load<u64>(mask + word_offset(block));
    const fresh = wanted & ~changed_word(block);
    if (!fresh) continue;
    if (!can_set_changed(block)) return STATUS_ROOM;
    set_changed(block, fresh);
    nr += popcnt<u64>(fresh);
  }
  return nr;
}

/**
 * Marks blocks first..last.
 *
 * @param unmasked leave those of the mask alone
 * @returns number of blocks newly marked; STATUS_ROOM: some may be marked; STATUS_REGION: all are, and the write must wait;
 *   -EINVAL if they are more than a slice
 */
export function mark_blocks(first: u64, last: u64, unmasked: bool): i64 {
  if (last - first >= SLICE_BLOCKS) return -EINVAL;
  let waits = false;
  if (watches_regions()) {
    if (are_copied(first, last)) return waits_for_regions(first, last) ? STATUS_REGION : 0;
    waits = note_regions(first, last);
  }
  let nr: i64 = 0;
  for (let block = first; block <= last; block = (block | (LEAF_BLOCKS - 1)) + 1) {
    const marked = mark_leaf(block, last_in_leaf(block, last), unmasked);
    if (marked < 0) {
      count_changed(nr);
      return marked;
    }
    nr += marked;
  }
  count_changed(nr);
  return waits ? STATUS_REGION : nr;
}

/** Tells whether C is set for all of first..last, in more than one word. */
function are_copied(first: u64, last: u64): bool {
  for (let block = first; block <= last; block = (block | 63) + 1) {
    if (leaf_of(CHANGED, block) == ONES) {
      block = last_in_leaf(block, last);
      continue;
    }
    if (bits_between(block, last_in_word(block, last)) & ~changed_word(block)) return false;
  }
  return true;
}

/**
 * Marks the blocks that a range touches as changed.
 *
 * @param sector first sector of the range
 * @param nr_sectors its length; what lies past the end of the origin is ignored
 * @returns number of blocks newly marked; STATUS_ROOM: some may be marked, make room and ask again; STATUS_REGION: all are
 *          marked, and a write to them must wait for the dirty map; -EINVAL, and none is marked, if they are more than a slice
 */
export function mark(sector: i64, nr_sectors: i64): i64 {
  const end = Device.nr_sectors;
  if (<u64>sector >= end || nr_sectors == 0) return 0;
  const first = <u64>sector / BLOCK_SECTORS;
  const last = (<u64>sector + min<u64>(nr_sectors, end - sector) - 1) / BLOCK_SECTORS;
  if (first >> 6 != last >> 6) return mark_blocks(first, last, false);

  const fresh = bits_between(first, last) & ~changed_word(first);
  if (!fresh) return waits_for_regions(first, last) ? STATUS_REGION : 0;
  if (!can_set_changed(first)) return STATUS_ROOM;
  const waits = watches_regions() && note_regions(first, last);
  set_changed(first, fresh);
  const nr = popcnt<u64>(fresh);
  count_changed(nr);
  return waits ? STATUS_REGION : nr;
}

/**
 * Tells whether every block that a range touches is copied (snapshot mode) or marked (incremental mode).
 *
 * @param sector first sector of the range
 * @param nr_sectors its length; what lies past the end of the origin is ignored
 * @returns 1 or 0; 1 for a range that touches no block; COPIED_WAITS if they are, and a write to them must wait for the dirty map;
 *          -EINVAL if they are more than a slice
 */
export function is_copied(sector: i64, nr_sectors: i64): i64 {
  const end = Device.nr_sectors;
  if (<u64>sector >= end || nr_sectors == 0) return 1;
  const first = <u64>sector / BLOCK_SECTORS;
  const last = (<u64>sector + min<u64>(nr_sectors, end - sector) - 1) / BLOCK_SECTORS;
  if (last - first >= SLICE_BLOCKS) return -EINVAL;
  const copied =
    first >> 6 != last >> 6 ? are_copied(first, last) : !(bits_between(first, last) & ~changed_word(first));
  return copied && waits_for_regions(first, last) ? COPIED_WAITS : i64(copied);
}
