// C, the change bitmap, one bit per block, and its summary, one bit per section.
//
// Bits are worked on 64 at a time. Wasm takes shift counts of i64 modulo 64, so a block number serves as a bit number.

import { BLOCK_SECTORS, COW_VERSION_CHANGED_BLOCKS, SECTION_ENTRIES } from './layout';
import { Area, CHANGED, Device } from './memory';
import { Header } from './header';

/** Offset in a bitmap of the word that holds a block's bit. */
@inline
export function word_offset(block: u64): usize {
  assert(block < Device.nr_blocks);
  return <usize>((block >> 6) << 3);
}

/** The word of C that holds a block's bit. */
@inline
export function changed_word(block: u64): u64 {
  return load<u64>(word_offset(block), CHANGED);
}

/** The word of M that holds a block's bit. */
@inline
export function mask_word(block: u64): u64 {
  return load<u64>(Area.mask + word_offset(block));
}

/** Bits of a word from that of `first` to that of `last`, both in it. */
@inline
export function bits_between(first: u64, last: u64): u64 {
  return (<u64>-1 << first) & (<u64>-1 >> (63 - last));
}

/** Last block of the word that holds `block`, or `last` if that comes first. */
@inline
export function last_in_word(block: u64, last: u64): u64 {
  return min<u64>(block | 63, last);
}

/** Notes in the summary that the section of a block has changed blocks. */
@inline
export function summarize(block: u64): void {
  const section = block / SECTION_ENTRIES;
  const at = Area.summary + <usize>((section >> 6) << 3);
  store<u64>(at, load<u64>(at) | (<u64>1 << section));
}

/** Adds to nr_changed_blocks, which headers of version 0 do not keep. */
@inline
export function count_changed(nr_blocks: u64): void {
  if (Header.version >= COW_VERSION_CHANGED_BLOCKS) Header.nr_changed += nr_blocks;
}

/** Sets bits of one word of C. `fresh`: bits that are not set yet. */
@inline
export function set_changed(block: u64, fresh: u64): void {
  const at = word_offset(block);
  store<u64>(at, load<u64>(at, CHANGED) | fresh, CHANGED);
  summarize(block);
}

/** Marks blocks first..last, in more than one word. Returns how many were newly set. */
function mark_words(first: u64, last: u64): u64 {
  let nr: u64 = 0;
  for (let block = first; block <= last; block = (block | 63) + 1) {
    const fresh = bits_between(block, last_in_word(block, last)) & ~changed_word(block);
    if (!fresh) continue;
    set_changed(block, fresh);
    nr += popcnt<u64>(fresh);
  }
  count_changed(nr);
  return nr;
}

/** Tells whether C is set for all of first..last, in more than one word. */
function are_copied(first: u64, last: u64): bool {
  for (let block = first; block <= last; block = (block | 63) + 1) {
    if (bits_between(block, last_in_word(block, last)) & ~changed_word(block)) return false;
  }
  return true;
}

/**
 * Marks the blocks that a range touches as changed.
 *
 * @param sector first sector of the range
 * @param nr_sectors its length; what lies past the end of the origin is ignored
 * @returns number of blocks newly marked
 */
export function mark(sector: i64, nr_sectors: i64): i64 {
  const end = Device.nr_sectors;
  if (<u64>sector >= end || nr_sectors == 0) return 0;
  const first = <u64>sector / BLOCK_SECTORS;
  const last = (<u64>sector + min<u64>(nr_sectors, end - sector) - 1) / BLOCK_SECTORS;
  if (first >> 6 != last >> 6) return mark_words(first, last);

  const fresh = bits_between(first, last) & ~changed_word(first);
  if (!fresh) return 0;
  set_changed(first, fresh);
  const nr = popcnt<u64>(fresh);
  count_changed(nr);
  return nr;
}

/**
 * Tells whether every block that a range touches is copied (snapshot mode) or marked (incremental mode).
 *
 * @param sector first sector of the range
 * @param nr_sectors its length; what lies past the end of the origin is ignored
 * @returns 1 or 0; 1 for a range that touches no block
 */
export function is_copied(sector: i64, nr_sectors: i64): i64 {
  const end = Device.nr_sectors;
  if (<u64>sector >= end || nr_sectors == 0) return 1;
  const first = <u64>sector / BLOCK_SECTORS;
  const last = (<u64>sector + min<u64>(nr_sectors, end - sector) - 1) / BLOCK_SECTORS;
  if (first >> 6 != last >> 6) return are_copied(first, last);
  return !(bits_between(first, last) & ~changed_word(first));
}
