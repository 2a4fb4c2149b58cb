// M, the mask bitmap: blocks whose frozen content is zeros, because they lie in a live COW file (docs/CORE.md).

import { EINVAL, MASK_CHUNK_BYTES } from './layout';
import { Area, BUFFER, CHANGED, Device, chunks_of } from './memory';
import { bits_between, changed_word, count_changed, last_in_word, mask_word, set_changed, word_offset } from './bitmap';

/** Last block of an extent that touches the origin, clamped to it. */
@inline
function last_of(block: u64, count: u64): u64 {
  return block + min<u64>(count, Device.nr_blocks - block) - 1;
}

/**
 * Masks an extent.
 *
 * @param block first block
 * @param count number of blocks; what lies past the end of the origin is ignored
 * @returns 0
 */
export function mask_extent(block: i64, count: i64): i64 {
  if (<u64>block >= Device.nr_blocks || !count) return 0;
  const last = last_of(block, count);
  for (let at = <u64>block; at <= last; at = (at | 63) + 1) {
    store<u64>(Area.mask + word_offset(at), mask_word(at) | bits_between(at, last_in_word(at, last)));
  }
  return 0;
}

/**
 * Marks those blocks of an extent as changed that are not masked.
 *
 * @param block first block
 * @param count number of blocks; what lies past the end of the origin is ignored
 * @returns number of blocks newly marked
 */
export function mark_unmasked(block: i64, count: i64): i64 {
  if (<u64>block >= Device.nr_blocks || !count) return 0;
  const last = last_of(block, count);
  let nr: u64 = 0;
  for (let at = <u64>block; at <= last; at = (at | 63) + 1) {
    const fresh = bits_between(at, last_in_word(at, last)) & ~mask_word(at) & ~changed_word(at);
    if (!fresh) continue;
    set_changed(at, fresh);
    nr += popcnt<u64>(fresh);
  }
  count_changed(nr);
  return nr;
}

/**
 * Hands out a chunk of what is masked and unchanged, for the next snapshot's core.
 *
 * @param chunk number of the chunk of 262144 blocks
 * @returns number of bits set in buffer[0..32768); -EINVAL past the end
 */
export function mask_export(chunk: i64): i64 {
  if (<u64>chunk >= chunks_of(Device.nr_blocks)) return -EINVAL;
  const from = <usize>chunk * MASK_CHUNK_BYTES;
  let nr: u64 = 0;
  for (let offset: usize = 0; offset < MASK_CHUNK_BYTES; offset += 8) {
    const bits = load<u64>(Area.mask + from + offset) & ~load<u64>(from + offset, CHANGED);
    store<u64>(BUFFER + offset, bits);
    nr += popcnt<u64>(bits);
  }
  return nr;
}

/**
 * Makes a chunk of the mask what the buffer holds, whatever it was before.
 *
 * @param chunk number of the chunk of 262144 blocks
 * @returns 0; -EINVAL past the end
 */
export function mask_import(chunk: i64): i64 {
  if (<u64>chunk >= chunks_of(Device.nr_blocks)) return -EINVAL;
  memory.copy(Area.mask + <usize>chunk * MASK_CHUNK_BYTES, BUFFER, MASK_CHUNK_BYTES);
  clear_past_end(Area.mask, Area.summary);
  return 0;
}

/** Clears the bits of the bitmap from `bitmap` to `end` past the last block, which an import may have set. */
export function clear_past_end(bitmap: usize, end: usize): void {
  const nr_blocks = Device.nr_blocks;
  const at = bitmap + word_offset(nr_blocks - 1);
  store<u64>(at, load<u64>(at) & (<u64>-1 >> (63 - (nr_blocks - 1))));
  memory.fill(at + 8, 0, end - (at + 8));
}
