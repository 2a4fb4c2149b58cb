// M, the mask bitmap: blocks whose frozen content is zeros, because they lie in a live COW file (docs/CORE.md).

import { EINVAL, MASK_CHUNK_BLOCKS, MASK_CHUNK_BYTES, SLICE_BLOCKS, STATUS_ROOM } from './layout';
import { Area, BUFFER, CHANGED, Device, GROUPS_BYTES, LEAF_BLOCKS, LEAF_BYTES, LEAVES_PER_CHUNK } from './memory';
import { ONES, STALE_GROUPS, ZEROS, chunks_of } from './memory';
import { bits_between, last_in_word } from './bits';
import { mark_blocks } from './bitmap';
import { clear_group, has_group, next_group } from './summary';
import { is_whole_leaf, last_in_leaf, leaf_at, leaves_ready, replace_leaf, word_offset, writable_leaf } from './leaves';

/** Chunks without a mask that one call passes over, at most. */
const CHUNKS_AT_ONCE = 256;

/** Last block of an extent that touches the origin, clamped to it. */
@inline
function last_of(block: u64, count: u64): u64 {
  return block + min<u64>(count, Device.nr_blocks - block) - 1;
}

/** Masks blocks first..last, all of one leaf. Returns false if memory must grow first. */
function mask_leaf(first: u64, last: u64): bool {
  const at = leaf_at(Area.mask, first);
  const leaf: usize = load<u32>(at);
  if (leaf == ONES) return true;
  if (leaf == ZEROS && is_whole_leaf(first, last)) {
    store<u32>(at, <u32>ONES);
    return true;
  }
  const own = writable_leaf(Area.mask, first);
  if (!own) return false;
  for (let block = first; block <= last; block = (block | 63) + 1) {
    const word = own + word_offset(block);
    store<u64>(word, load<u64>(word) | bits_between(block, last_in_word(block, last)));
  }
  return true;
}

/**
 * Masks an extent.
 *
 * @param block first block
 * @param count number of blocks; what lies past the end of the origin is ignored
 * @returns 0; STATUS_ROOM: some may be masked, make room and ask again; -EINVAL, and none is masked, if they are more than
 *          a slice
 */
export function mask_extent(block: i64, count: i64): i64 {
  if (<u64>block >= Device.nr_blocks || !count) return 0;
  const last = last_of(block, count);
  if (last - block >= SLICE_BLOCKS) return -EINVAL;
  for (let at = <u64>block; at <= last; at = (at | (LEAF_BLOCKS - 1)) + 1) {
    if (!mask_leaf(at, last_in_leaf(at, last))) return STATUS_ROOM;
  }
  return 0;
}

/**
 * Marks those blocks of an extent as changed that are not masked.
 *
 * @param block first block
 * @param count number of blocks; what lies past the end of the origin is ignored
 * @returns number of blocks newly marked; STATUS_ROOM: some may be marked, make room and ask again; STATUS_REGION: as mark();
 *          -EINVAL, and none is marked, if they are more than a slice
 */
export function mark_unmasked(block: i64, count: i64): i64 {
  if (<u64>block >= Device.nr_blocks || !count) return 0;
  return mark_blocks(block, last_of(block, count), true);
}

/** Address of the entry of a chunk's first leaf in the table of a bitmap. */
@inline
export function chunk_at(table: usize, chunk: u64): usize {
  return table + <usize>(chunk * LEAVES_PER_CHUNK * 4);
}

/** Has a chunk of a bitmap no leaf but ZEROS? */
export function is_empty_chunk(table: usize, chunk: u64): bool {
  const from = chunk_at(table, chunk);
  for (let at = from; at < from + 4 * <usize>LEAVES_PER_CHUNK; at += 4) {
    if (load<u32>(at) != <u32>ZEROS) return false;
  }
  return true;
}

/** Copies a chunk of a bitmap to `to`. */
export function copy_chunk(table: usize, chunk: u64, to: usize): void {
  const from = chunk_at(table, chunk);
  for (let leaf: usize = 0; leaf < <usize>LEAVES_PER_CHUNK; leaf++) {
    memory.copy(to + leaf * LEAF_BYTES, load<u32>(from + 4 * leaf), LEAF_BYTES);
  }
}

/** Makes sure that a chunk can be replaced. Returns false if memory must grow first. */
@inline
export function chunk_ready(): bool {
  return leaves_ready(<u32>LEAVES_PER_CHUNK);
}

/**
 * Makes a chunk of a bitmap, which is ready, what lies at `from`, up to the last block.
 *
 * @returns one bit for each of its 64 sections: whether it has bits
 */
export function replace_chunk(table: usize, chunk: u64, from: usize): u64 {
  const nr_blocks = min<u64>(Device.nr_blocks - chunk * MASK_CHUNK_BLOCKS, MASK_CHUNK_BLOCKS);
  if (nr_blocks < MASK_CHUNK_BLOCKS) clear_from(from, nr_blocks);
  const to = chunk_at(table, chunk);
  let sections: u64 = 0;
  for (let leaf: usize = 0; leaf < <usize>LEAVES_PER_CHUNK; leaf++) {
    sections |= replace_leaf(to + 4 * leaf, from + leaf * LEAF_BYTES) << (8 * leaf);
  }
  return sections;
}

/** Clears the bits of a chunk from one on. */
function clear_from(chunk: usize, bit: u64): void {
  const at = chunk + (<usize>(bit >> 6) << 3);
  store<u64>(at, load<u64>(at) & ((<u64>1 << bit) - 1));
  memory.fill(at + 8, 0, chunk + MASK_CHUNK_BYTES - (at + 8));
}

/** Copies the bits of a leaf to `to` that are not set in another one. Returns how many there are. */
function copy_difference(to: usize, from: usize, less: usize): u64 {
  let nr: u64 = 0;
  // A word after the other, unrolled: for what the loop itself costs.
  for (const end = to + LEAF_BYTES; to < end; to += 32, from += 32, less += 32) {
    const a = load<u64>(from) & ~load<u64>(less);
    const b = load<u64>(from, 8) & ~load<u64>(less, 8);
    const c = load<u64>(from, 16) & ~load<u64>(less, 16);
    const d = load<u64>(from, 24) & ~load<u64>(less, 24);
    store<u64>(to, a);
    store<u64>(to, b, 8);
    store<u64>(to, c, 16);
    store<u64>(to, d, 24);
    nr += popcnt<u64>(a) + popcnt<u64>(b) + popcnt<u64>(c) + popcnt<u64>(d);
  }
  return nr;
}

/** Begins to hand the mask out, chunk by chunk: mask_next() finds them. Returns 0. */
export function mask_begin(): i64 {
  memory.fill(STALE_GROUPS, 0xff, GROUPS_BYTES);
  return 0;
}

/**
 * Finds what is to be handed out, or once more, since something changed.
 *
 * @param from first chunk to look at
 * @returns a chunk that has a mask, or up to which there is none; the number of chunks after the last
 */
export function mask_next(from: i64): i64 {
  const end = chunks_of(Device.nr_blocks);
  let chunk = <u64>from;
  for (let nr = 0; nr < CHUNKS_AT_ONCE && chunk < end; nr++, chunk++) {
    if (!has_group(STALE_GROUPS, chunk << 6)) chunk = next_group(STALE_GROUPS, chunk << 6) >> 6;
    if (chunk >= end || !is_empty_chunk(Area.mask, chunk)) break;
    clear_group(STALE_GROUPS, chunk << 6);
  }
  return min<u64>(chunk, end);
}

/**
 * Hands out a chunk of what is masked and unchanged, for the next snapshot's core.
 *
 * @param chunk number of the chunk of 262144 blocks
 * @returns number of bits set in buffer[0..32768); -EINVAL past the end
 */
export function mask_export(chunk: i64): i64 {
  if (<u64>chunk >= chunks_of(Device.nr_blocks)) return -EINVAL;
  clear_group(STALE_GROUPS, chunk << 6);
  if (is_empty_chunk(Area.mask, chunk)) {
    memory.fill(BUFFER, 0, MASK_CHUNK_BYTES);
    return 0;
  }
  const mask = chunk_at(Area.mask, chunk);
  const changed = chunk_at(CHANGED, chunk);
  let nr: u64 = 0;
  for (let leaf: usize = 0; leaf < <usize>LEAVES_PER_CHUNK; leaf++) {
    nr += copy_difference(BUFFER + leaf * LEAF_BYTES, load<u32>(mask + 4 * leaf), load<u32>(changed + 4 * leaf));
  }
  return nr;
}

/**
 * Makes a chunk of the mask what the buffer holds, whatever it was before.
 *
 * @param chunk number of the chunk of 262144 blocks
 * @returns 0; -EINVAL past the end; STATUS_ROOM, and nothing changed: make room and ask again
 */
export function mask_import(chunk: i64): i64 {
  if (<u64>chunk >= chunks_of(Device.nr_blocks)) return -EINVAL;
  if (!chunk_ready()) return STATUS_ROOM;
  replace_chunk(Area.mask, chunk, BUFFER);
  return 0;
}
