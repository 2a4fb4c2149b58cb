// Commit: blocks that are being copied get their positions, their index entries and their bits.

import { BLOCK_BYTES, COMMIT_BLOCKS_MAX, EFBIG, EINVAL, ENTRY_BYTES, MODE_SNAPSHOT, SECTION_ENTRIES, STATUS_MISS, STATUS_ROOM } from './layout';
import { Device } from './memory';
import { bits_between } from './bits';
import { can_set_changed, changed_word, count_changed, set_changed } from './bitmap';
import { Header } from './header';
import { Sections, entry_at, section_changed, section_entries } from './index-sections';
import { note_regions, watches_regions } from './regions';

/** Blocks that may still be stored: the last one may end past fsize (docs/FORMAT.md, A7.4). */
@inline
export function room(): u64 {
  const limit = Header.fsize / BLOCK_BYTES + u64(Header.fsize % BLOCK_BYTES != 0);
  return limit > Header.fpos ? limit - Header.fpos : 0;
}

/** Commits the tail block that has no index entry. Returns 1, or 0 if it is copied already; STATUS_ROOM. */
function commit_tail(block: u64): i64 {
  if (changed_word(block) >> block & 1) return 0;
  if (!can_set_changed(block)) return STATUS_ROOM;
  Sections.tail_position = Header.fpos++;
  set_changed(block, <u64>1 << block);
  return 1;
}

/** Is any of the eight entries from `at` on used? */
@inline
function any_of_eight(at: usize): bool {
  return (
    (load<u64>(at) | load<u64>(at, 8) | load<u64>(at, 16) | load<u64>(at, 24) |
      load<u64>(at, 32) | load<u64>(at, 40) | load<u64>(at, 48) | load<u64>(at, 56)) != 0
  );
}

/**
 * Commits blocks of one section, up to the first that is copied already.
 *
 * @returns number of blocks committed; STATUS_MISS, STATUS_ROOM
 */
function commit_entries(first: u64, count: u64): i64 {
  if (!can_set_changed(first)) return STATUS_ROOM;
  const section = first / SECTION_ENTRIES;
  const entries = section_entries(section);
  if (!entries) return STATUS_MISS;

  let block = first;
  const end = first + count;
  let position = Header.fpos;
  while (block < end) {
    const free = min<u64>(ctz<u64>(changed_word(block) >> block), min<u64>(64 - (block & 63), end - block));
    let at = entry_at(entries, block);
    const free_end = at + (<usize>free << 3);
    // Eight at a time: this loop is most of what a copied block costs in an interpreter.
    while (at + 8 * ENTRY_BYTES <= free_end && !any_of_eight(at)) {
      store<u64>(at, position);
      store<u64>(at, position + 1, 8);
      store<u64>(at, position + 2, 16);
      store<u64>(at, position + 3, 24);
      store<u64>(at, position + 4, 32);
      store<u64>(at, position + 5, 40);
      store<u64>(at, position + 6, 48);
      store<u64>(at, position + 7, 56);
      position += 8;
      at += 8 * ENTRY_BYTES;
    }
    while (at < free_end && !load<u64>(at)) {
      store<u64>(at, position++);
      at += ENTRY_BYTES;
    }
    const nr = <u64>(at - entry_at(entries, block)) >> 3;
    if (!nr) break;
    set_changed(block, bits_between(block, block + nr - 1));
    block += nr;
  }
  if (block == first) return 0;
  Header.fpos = position;
  section_changed(section);
  return block - first;
}

/**
 * Commits the copying of blocks: each gets the next position, its index entry and its bit of C. No entry is ever replaced. Where a
 * live checkpoint depends on it, their regions are wanted in the dirty map: see is_copied().
 *
 * @param block first block
 * @param count number of blocks
 * @returns number of blocks committed, from the first on, COMMIT_BLOCKS_MAX at most; -EFBIG if there is no room for the first; STATUS_MISS if the
 *          first needs a section, STATUS_ROOM if it needs more memory for bitmaps; -EINVAL if it is past the end or copied
 *          already, in incremental mode, or if fpos points into the index
 */
export function commit_copy(block: i64, count: i64): i64 {
  if (Device.mode != MODE_SNAPSHOT || <u64>block >= Device.nr_blocks) return -EINVAL;
  if (Header.fpos < Device.data_offset / BLOCK_BYTES) return -EINVAL;
  if (!count) return 0;
  const nr = min<u64>(min<u64>(min<u64>(count, COMMIT_BLOCKS_MAX), Device.nr_blocks - block), room());
  if (!nr) return -EFBIG;

  let done: u64 = 0;
  while (done < nr) {
    const first = <u64>block + done;
    const in_section = min<u64>(SECTION_ENTRIES - (first & (SECTION_ENTRIES - 1)), nr - done);
    const committed =
      first / SECTION_ENTRIES == Device.nr_sections ? commit_tail(first) : commit_entries(first, in_section);
    if (committed < 0 && !done) return committed;
    if (committed <= 0) break;
    done += committed;
  }
  if (done && watches_regions()) note_regions(block, block + done - 1);
  count_changed(done);
  return done ? <i64>done : -EINVAL;
}
