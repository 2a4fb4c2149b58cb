// Leaves: both bitmaps in pieces of 32768 blocks, of which only those take memory that have bits of either kind.
//
// A bitmap is a table of addresses: of ZEROS or ONES, which are never written to, or of a leaf of its own. Leaves are taken
// one after the other from the frames at the begin, and never given back.

import { ENOMEM, MODE_INCREMENTAL, SECTION_BYTES, SECTION_ENTRIES, SLOTS_MIN } from './layout';
import {
  Area,
  bytes_for_leaves,
  Device,
  frames_there,
  grow_frames,
  LEAF_BLOCKS,
  LEAF_BYTES,
  LEAVES_PER_FRAME,
  ONES,
  ZEROS,
} from './memory';
import { move_slot } from './index-sections';

class Leaves {
  /** Leaves that are left at the end of the frames for leaves. */
  static nr_free: u32 = 0;
}

/** The entry of the leaf of a block in the table of a bitmap. */
@inline
export function leaf_at(table: usize, block: u64): usize {
  assert(block < Device.nr_blocks);
  return table + ((<usize>(block / LEAF_BLOCKS)) << 2);
}

/** Address of a leaf that has a block's bit. It may be ZEROS or ONES. */
@inline
export function leaf_of(table: usize, block: u64): usize {
  return load<u32>(leaf_at(table, block));
}

/** Offset in a leaf of the word that has a block's bit. */
@inline
export function word_offset(block: u64): usize {
  return (<usize>(block >> 6) << 3) & (LEAF_BYTES - 1);
}

/** Last block of the leaf that has `block`, or `last` if that comes first. */
@inline
export function last_in_leaf(block: u64, last: u64): u64 {
  return min<u64>(block | (LEAF_BLOCKS - 1), last);
}

/** Are first..last all the blocks of a leaf? */
@inline
export function is_whole_leaf(first: u64, last: u64): bool {
  return !(first & (LEAF_BLOCKS - 1)) && last - first == LEAF_BLOCKS - 1;
}

/** Takes a frame for leaves: the first that is behind them. A section of the index that is in it moves. */
function take_frame(): bool {
  const first = Area.nr_leaf_frames;
  const least: u32 = Device.mode == MODE_INCREMENTAL ? 0 : min<u32>(Area.slots_in_use, SLOTS_MIN);
  if (frames_there() <= first + least && !grow_frames()) return false;
  if (!move_slot(first) && !(grow_frames() && move_slot(first))) return false;
  Area.nr_leaf_frames = first + 1;
  Leaves.nr_free += LEAVES_PER_FRAME;
  return true;
}

/**
 * Makes sure that so many leaves can be taken.
 *
 * @returns false if memory must grow first, which it could not by itself
 */
export function leaves_ready(nr: u32): bool {
  while (Leaves.nr_free < nr) {
    if (!take_frame()) return false;
  }
  return true;
}

/** Takes a leaf. One is ready. */
function take_leaf(): usize {
  const at = Area.frames + <usize>Area.nr_leaf_frames * SECTION_BYTES - <usize>Leaves.nr_free * LEAF_BYTES;
  Leaves.nr_free--;
  return at;
}

/** Gives a bitmap a leaf of its own for a block, as it was before. Returns its address; 0 if memory must grow first. */
function own_leaf(at: usize, old: usize): usize {
  if (!leaves_ready(1)) return 0;
  const leaf = take_leaf();
  memory.copy(leaf, old, LEAF_BYTES);
  store<u32>(at, <u32>leaf);
  return leaf;
}

/** Address of the leaf that has a block's bit, which may be written to; 0 if memory must grow first. */
@inline
export function writable_leaf(table: usize, block: u64): usize {
  const at = leaf_at(table, block);
  const leaf: usize = load<u32>(at);
  return leaf > ONES ? leaf : own_leaf(at, leaf);
}

/** Which of the sections of the leaf at `from` have bits? */
function sections_with_bits(from: usize): u64 {
  let sections: u64 = 0;
  for (let section: u64 = 0; section < LEAF_BLOCKS / SECTION_ENTRIES; section++) {
    const end = from + SECTION_ENTRIES / 8;
    for (let at = from; at < end; at += 64) {
      const bits =
        load<u64>(at) | load<u64>(at, 8) | load<u64>(at, 16) | load<u64>(at, 24) |
        load<u64>(at, 32) | load<u64>(at, 40) | load<u64>(at, 48) | load<u64>(at, 56);
      if (!bits) continue;
      sections |= <u64>1 << section;
      break;
    }
    from = end;
  }
  return sections;
}

/** Are all bits of the leaf at `from` set? */
function are_ones(from: usize): bool {
  for (const end = from + LEAF_BYTES; from < end; from += 64) {
    const bits =
      load<u64>(from) & load<u64>(from, 8) & load<u64>(from, 16) & load<u64>(from, 24) &
      load<u64>(from, 32) & load<u64>(from, 40) & load<u64>(from, 48) & load<u64>(from, 56);
    if (bits != <u64>-1) return false;
  }
  return true;
}

/** Makes a leaf what lies at `from`. One is ready. Returns one bit for each of its sections: whether it has bits. */
export function replace_leaf(at: usize, from: usize): u64 {
  const leaf: usize = load<u32>(at);
  const sections = sections_with_bits(from);
  if (leaf > ONES) {
    memory.copy(leaf, from, LEAF_BYTES);
  } else if (!sections) {
    store<u32>(at, <u32>ZEROS);
  } else if (are_ones(from)) {
    store<u32>(at, <u32>ONES);
  } else {
    memory.copy(own_leaf(at, leaf), from, LEAF_BYTES);
  }
  return sections;
}

/** Returns how much linear memory there should be before room_make(), in bytes. */
export function room_wanted(): i64 {
  return bytes_for_leaves();
}

/** Makes room for leaves, after STATUS_ROOM. Returns 0; -ENOMEM if memory cannot grow. */
export function room_make(): i64 {
  return leaves_ready(LEAVES_PER_FRAME) ? 0 : -ENOMEM;
}
