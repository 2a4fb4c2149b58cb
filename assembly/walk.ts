// Walks over what changed, for the index that is handed to user space and for tools that read one.

import {
  BUFFER_BYTES,
  EINVAL,
  ENTRY_BYTES,
  MODE_SNAPSHOT,
  RUNS_MAX,
  RUN_ORIGIN,
  SECTION_BYTES,
  SECTION_ENTRIES,
  STATUS_MISS,
} from './layout';
import { BUFFER, Device } from './memory';
import { changed_word } from './bitmap';
import { section_entries } from './index-sections';
import { Runs, runs_add, runs_clear } from './runs';
import { next_summarized } from './summary';

/**
 * Returns the next section that has an entry to export.
 *
 * @param from first section to look at
 * @returns the section; NR_SECTIONS if none
 */
export function next_changed_section(from: i64): i64 {
  return next_summarized(from);
}

/** Writes a section of ones and zeros, from C, to the buffer. Returns the number of ones. */
function export_bits(section: u64): u64 {
  memory.fill(BUFFER, 0, SECTION_BYTES);
  const first = section * SECTION_ENTRIES;
  const nr_words = <usize>min<u64>((Device.nr_blocks - first + 63) / 64, SECTION_ENTRIES / 64);
  let nr: u64 = 0;
  for (let word: usize = 0; word < nr_words; word++) {
    let bits = changed_word(first + (word << 6));
    nr += popcnt<u64>(bits);
    for (; bits; bits &= bits - 1) store<u64>(BUFFER + (((word << 6) + <usize>ctz<u64>(bits)) << 3), 1);
  }
  return nr;
}

/** Copies a resident section to the buffer. Returns the number of entries that are not zero. */
function export_entries(entries: usize): u64 {
  memory.copy(BUFFER, entries, SECTION_BYTES);
  let nr: u64 = 0;
  for (let at = BUFFER; at < BUFFER + SECTION_BYTES; at += ENTRY_BYTES) nr += u64(load<u64>(at) != 0);
  return nr;
}

/**
 * Writes a section of the index to the buffer, as the file holds it.
 *
 * @param section section, below NR_SECTIONS
 * @returns number of entries that are not zero; STATUS_MISS in snapshot mode if it is not in memory; -EINVAL past the end
 */
export function export_section(section: i64): i64 {
  if (<u64>section >= Device.nr_sections) return -EINVAL;
  if (Device.mode != MODE_SNAPSHOT) return export_bits(section);
  const entries = section_entries(section);
  return entries ? <i64>export_entries(entries) : STATUS_MISS;
}

/** First block >= from in a section that has changed blocks; the tail block without section counts as one that has. */
@inline
function skip_unchanged(from: u64): u64 {
  return min<u64>(max<u64>(from, next_summarized(from / SECTION_ENTRIES) * SECTION_ENTRIES), Device.nr_blocks);
}

/**
 * Returns the runs of changed blocks.
 *
 * @param from_block first block to look at
 * @returns number of runs (start = block), at most RUNS_MAX; if as many, go on behind the last
 */
export function changed_runs(from_block: i64): i64 {
  runs_clear(RUNS_MAX);
  const end = Device.nr_blocks;
  let block = <u64>from_block;
  while (block < end) {
    const changed = changed_word(block) >> block;
    if (!changed) {
      block = (block | 63) + 1;
      if (!(block & (SECTION_ENTRIES - 1))) block = skip_unchanged(block);
      continue;
    }
    const gap = ctz<u64>(changed);
    const nr = ctz<u64>(~(changed >> gap));
    if (!runs_add(block + gap, nr, RUN_ORIGIN)) break;
    block += gap + nr;
  }
  return Runs.nr;
}

/**
 * Returns the runs of non-zero entries among index entries in the buffer.
 *
 * @param first_block block of the first entry
 * @param nr_entries number of entries
 * @returns number of runs (start = block); -EINVAL if the buffer does not hold that many entries
 */
export function scan_index(first_block: i64, nr_entries: i64): i64 {
  if (<u64>nr_entries > BUFFER_BYTES / ENTRY_BYTES) return -EINVAL;
  runs_clear(RUNS_MAX);
  const end = BUFFER + <usize>nr_entries * ENTRY_BYTES;
  let at = BUFFER;
  while (at < end) {
    if (!load<u64>(at)) {
      at += ENTRY_BYTES;
      while (at + 64 <= end && !any_of_eight(at)) at += 64;
      continue;
    }
    const start = at;
    do {
      at += ENTRY_BYTES;
    } while (at < end && load<u64>(at));
    runs_add(<u64>first_block + <u64>(start - BUFFER) / ENTRY_BYTES, <u64>(at - start) / ENTRY_BYTES, RUN_ORIGIN);
  }
  return Runs.nr;
}

/** Tells whether one of eight entries is not zero. */
@inline
function any_of_eight(at: usize): bool {
  return (
    (load<u64>(at) |
      load<u64>(at, 8) |
      load<u64>(at, 16) |
      load<u64>(at, 24) |
      load<u64>(at, 32) |
      load<u64>(at, 40) |
      load<u64>(at, 48) |
      load<u64>(at, 56)) !=
    0
  );
}
