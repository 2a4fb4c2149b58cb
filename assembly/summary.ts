// Which sections have changed blocks, and which are dirty, found without a look at each of them.
//
//   Area.summary     1 bit per section             it has a bit of C
//   CHANGED_GROUPS   1 bit per group of 64 of them   one of these bits is set
//   DIRTY_GROUPS     the same                        a section of the group is dirty (index-sections.ts)
//   STALE_GROUPS     the same, which is a chunk      a bit of C was set since the chunk was handed out (mask.ts)
//
// So a search looks at one group, at 1025 words of groups at most, and at one group more.

import { SECTION_ENTRIES } from './layout';
import { Area, CHANGED_GROUPS, Device, STALE_GROUPS } from './memory';

@inline
function summary_at(section: u64): usize {
  return Area.summary + (<usize>(section >> 6) << 3);
}

/** Address of the word that has the bit of a section's group. */
@inline
function group_at(groups: usize, section: u64): usize {
  return groups + (<usize>(section >> 12) << 3);
}

/** Sets the bit of a section's group. */
export function set_group(groups: usize, section: u64): void {
  const at = group_at(groups, section);
  store<u64>(at, load<u64>(at) | (<u64>1 << (section >> 6)));
}

/** Clears the bit of a section's group. */
export function clear_group(groups: usize, section: u64): void {
  const at = group_at(groups, section);
  store<u64>(at, load<u64>(at) & ~(<u64>1 << (section >> 6)));
}

/** Is the bit of a section's group set? */
export function has_group(groups: usize, section: u64): bool {
  return (load<u64>(group_at(groups, section)) & (<u64>1 << (section >> 6))) != 0;
}

/** First section of the next group, behind that of `section`, whose bit is set; NR_SECTIONS or more if there is none. */
export function next_group(groups: usize, section: u64): u64 {
  const end = (Device.nr_sections >> 6) + 1;
  let group = (section >> 6) + 1;
  while (group < end) {
    const bits = load<u64>(groups + (<usize>(group >> 6) << 3)) >> group;
    if (bits) return (group + ctz<u64>(bits)) << 6;
    group = (group | 63) + 1;
  }
  return end << 6;
}

/** The sections of a group that have changed blocks. */
@inline
function summary_word(section: u64): u64 {
  return load<u64>(summary_at(section));
}

/** Notes in the summary that the section of a block has changed blocks. */
export function summarize(block: u64): void {
  const section = block / SECTION_ENTRIES;
  const at = summary_at(section);
  const bits = load<u64>(at);
  if (!bits) set_group(CHANGED_GROUPS, section);
  set_group(STALE_GROUPS, section);
  store<u64>(at, bits | (<u64>1 << section));
}

/** Notes which of a chunk's 64 sections have changed blocks. */
export function summarize_chunk(chunk: u64, sections: u64): void {
  if (!sections) return;
  const at = summary_at(chunk << 6);
  set_group(CHANGED_GROUPS, chunk << 6);
  set_group(STALE_GROUPS, chunk << 6);
  store<u64>(at, load<u64>(at) | sections);
}

/** First section >= from whose summary bit is set; NR_SECTIONS (whose bit is that of a tail without entry) if none. */
export function next_summarized(from: u64): u64 {
  const end = Device.nr_sections;
  if (from >= end) return end;
  const bits = summary_word(from) >> from;
  if (bits) return from + ctz<u64>(bits);
  const group = next_group(CHANGED_GROUPS, from);
  return group < end ? group + ctz<u64>(summary_word(group)) : end;
}
