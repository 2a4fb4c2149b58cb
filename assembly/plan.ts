// Plans: what must be copied before writes may go, and where a read of the snapshot comes from.
//
//   C set             the block's old content is in the COW file, at the position in its index entry
//   C clear, M set    its frozen content is zeros
//   C clear, M clear  it is unchanged: the origin has it

import {
  BLOCK_SECTORS,
  EINVAL,
  EIO,
  ENTRY_BYTES,
  MODE_SNAPSHOT,
  PLAN_BLOCKS_MAX,
  PLAN_RANGES_MAX,
  PLAN_RUNS_MAX,
  RANGE_BYTES,
  READ_BLOCKS_MAX,
  READ_RUNS_MAX,
  RUN_COW,
  RUN_ORIGIN,
  RUN_ZERO,
  SECTION_ENTRIES,
  STATUS_MISS,
} from './layout';
import { BUFFER, Device } from './memory';
import { changed_word, mask_word } from './bitmap';
import { Sections, entry_at, section_entries } from './index-sections';
import { Runs, runs_add, runs_clear } from './runs';

/** Number of blocks from `block` on, before `end`, that lie in the same word of a bitmap. */
@inline
function left_in_word(block: u64, end: u64): u64 {
  return min<u64>(64 - (block & 63), end - block);
}

/** Number of equal bits at the low end of a word. */
@inline
function equal_bits(word: u64): u64 {
  return ctz<u64>(word & 1 ? ~word : word);
}

/**
 * Adds the uncopied blocks of block..end to the answer.
 *
 * @returns what is left of `budget`; 0 if it is used up or there is no room for runs
 */
function plan_uncopied(first: u64, end: u64, budget: u64): u64 {
  let block = first;
  let left = budget;
  while (block < end) {
    const in_word = left_in_word(block, end);
    const changed = changed_word(block) >> block;
    const nr_equal = min<u64>(equal_bits(changed), in_word);
    if (changed & 1) {
      block += nr_equal;
      continue;
    }
    const masked = mask_word(block) >> block;
    const nr = min<u64>(min<u64>(equal_bits(masked), nr_equal), left);
    if (!nr || !runs_add(block, nr, masked & 1 ? RUN_ZERO : RUN_ORIGIN)) return 0;
    left -= nr;
    block += nr;
  }
  return left;
}

/**
 * Plans the copying that must be done before the writes in the buffer may go.
 *
 * @param nr_ranges ranges in the buffer, PLAN_RANGES_MAX at most, sorted by sector; they may overlap
 * @param max_blocks most blocks to plan
 * @returns number of runs of uncopied blocks, ascending (kinds ORIGIN and ZERO, start = block), PLAN_RUNS_MAX at most;
 *          -EINVAL if the ranges are not sorted, are too many, or touch more than PLAN_BLOCKS_MAX blocks, or in incremental mode
 */
export function plan_copy(nr_ranges: i64, max_blocks: i64): i64 {
  if (Device.mode != MODE_SNAPSHOT || <u64>nr_ranges > PLAN_RANGES_MAX) return -EINVAL;
  const nr_sectors = Device.nr_sectors;
  let left = <u64>max_blocks;
  let next: u64 = 0;
  let previous: u64 = 0;
  let touched: u64 = 0;
  runs_clear(PLAN_RUNS_MAX);
  const ranges_end = BUFFER + <usize>nr_ranges * RANGE_BYTES;
  for (let at = BUFFER; at < ranges_end && left; at += RANGE_BYTES) {
    const sector = load<u64>(at);
    const length = load<u64>(at, 8);
    if (sector < previous) return -EINVAL;
    previous = sector;
    if (sector >= nr_sectors || !length) continue;
    const first = max<u64>(sector / BLOCK_SECTORS, next);
    const end = (sector + min<u64>(length, nr_sectors - sector) - 1) / BLOCK_SECTORS + 1;
    if (first >= end) continue;
    touched += end - first;
    if (touched > PLAN_BLOCKS_MAX) return -EINVAL;
    left = plan_uncopied(first, end, left);
    next = end;
  }
  return Runs.nr;
}

/**
 * Adds copied blocks to the answer. All of them have their entries in one section, or are the tail block without entry.
 *
 * @returns number of blocks added, less than `count` if there is no room; -EIO if the first was marked without being
 *          copied; STATUS_MISS
 */
function plan_copied(first: u64, count: u64): i64 {
  const section = first / SECTION_ENTRIES;
  if (section == Device.nr_sections) {
    if (!Sections.tail_position) return -EIO;
    return runs_add(Sections.tail_position, 1, RUN_COW) ? 1 : 0;
  }
  const entries = section_entries(section);
  if (!entries) return STATUS_MISS;

  const begin = entry_at(entries, first);
  const end = begin + <usize>count * ENTRY_BYTES;
  let at = begin;
  while (at < end) {
    const position = load<u64>(at);
    if (!position && at == begin) return -EIO;
    const nr = position ? sequence_length(at, end) : 0;
    if (!nr || !runs_add(position, nr, RUN_COW)) return (at - begin) / ENTRY_BYTES;
    at += <usize>nr * ENTRY_BYTES;
  }
  return count;
}

/** Number of entries from `begin` on, before `end`, whose positions follow each other. At least 1. */
@inline
function sequence_length(begin: usize, end: usize): u64 {
  const position = load<u64>(begin);
  let next = position + 1;
  for (let at = begin + ENTRY_BYTES; at != end; at += ENTRY_BYTES) {
    if (load<u64>(at) != next) break;
    next++;
  }
  return next - position;
}

/**
 * Plans a read of the snapshot.
 *
 * @param sector first sector of the range
 * @param nr_sectors its length; what lies past the end of the origin is ignored
 * @returns number of runs, READ_RUNS_MAX at most, that cover the range's blocks from the first on, READ_BLOCKS_MAX of them
 *          at most, perhaps fewer; 0 if the range touches no block; STATUS_MISS if the first block needs a section; -EIO if it was marked without being copied; -EINVAL
 *          in incremental mode
 */
export function plan_read(sector: i64, nr_sectors: i64): i64 {
  if (Device.mode != MODE_SNAPSHOT) return -EINVAL;
  runs_clear(READ_RUNS_MAX);
  const device_end = Device.nr_sectors;
  if (<u64>sector >= device_end || nr_sectors == 0) return 0;
  let block = <u64>sector / BLOCK_SECTORS;
  const range_end = (<u64>sector + min<u64>(nr_sectors, device_end - sector) - 1) / BLOCK_SECTORS + 1;
  const end = min<u64>(range_end, block + READ_BLOCKS_MAX);
  while (block < end) {
    const changed = changed_word(block) >> block;
    let nr = min<u64>(equal_bits(changed), left_in_word(block, end));
    if (changed & 1) {
      const planned = plan_copied(block, nr);
      if (planned < 0) return Runs.nr ? <i64>Runs.nr : planned;
      if (<u64>planned < nr) break;
    } else {
      const masked = mask_word(block) >> block;
      nr = min<u64>(equal_bits(masked), nr);
      if (!runs_add(block, nr, masked & 1 ? RUN_ZERO : RUN_ORIGIN)) break;
    }
    block += nr;
  }
  return Runs.nr;
}
