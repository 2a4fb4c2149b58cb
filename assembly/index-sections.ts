// Sections of the index, in slots (snapshot mode only).
//
// Section table, u32 per section:   bits 0-23  slot + 1, 0 if the section is not in memory
//                                   bit 30     ON_FILE: it was written to the COW file, so a load must read it
//                                   bit 31     DIRTY: it was changed since it was handed out for writing
// Table of owners, u32 per frame:   bits 0-30  section + 1, 0 if no section is in it
//                                   bit 31     REFERENCED: used since the clock's hand passed
//
// A slot is the frame of that number. Slots are the frames behind those of leaves (memory.ts): the first one changes.
//
// One I/O is under way at a time. What it was for is kept (Io), so that a write that is never reported done leaves its
// section dirty, and a read that is never reported done leaves its slot free.

import { BLOCK_BYTES, COW_HEADER_SIZE, ENTRY_BYTES, EINVAL, MODE_SNAPSHOT, SECTION_BYTES, SECTION_ENTRIES } from './layout';
import { SECTION_READ, SECTION_READY, SECTION_WRITE, STATUS_MISS } from './layout';
import { Area, bytes_wanted, Device, frames_there, grow_slots, slots_allowed, slots_there } from './memory';

const SLOT_MASK: u32 = 0x00ffffff;
const ON_FILE: u32 = 1 << 30;
const DIRTY: u32 = 1 << 31;
const REFERENCED: u32 = 1 << 31;

const IO_NONE: u32 = 0;
const IO_READ: u32 = 1;
const IO_WRITE: u32 = 2;

/** Counts, and the clock's hand. */
export class Sections {
  static nr_resident: u32 = 0;
  static nr_dirty: u32 = 0;
  /** Slot that the clock looks at next. */
  static hand: u32 = 0;
  /** The file was loaded: every section counts as ON_FILE. */
  static all_on_file: bool = false;
  /** Section named by the last STATUS_MISS. */
  static missed: u64 = 0;
  /** Position of a tail block that has no index entry; 0 if it is not copied. */
  static tail_position: u64 = 0;
}

/** The last I/O asked for. */
class Io {
  /** IO_* */
  static kind: u32 = 0;
  static section: u64 = 0;
  static slot: u32 = 0;
}

@inline
function table_at(section: u64): usize {
  assert(section < Device.nr_sections);
  return Area.sections + (<usize>section << 2);
}

@inline
function owner_at(slot: u32): usize {
  assert(slot < Area.nr_frames);
  return Area.owners + ((<usize>slot) << 2);
}

@inline
function slot_address(slot: u32): usize {
  assert(slot < Area.nr_frames);
  return Area.frames + <usize>slot * SECTION_BYTES;
}

/**
 * Returns the address of a section's entries, and counts it as used.
 *
 * @param section section, below NR_SECTIONS
 * @returns the address; 0 if it is not in memory, which miss_section() then names
 */
export function section_entries(section: u64): usize {
  const slot = load<u32>(table_at(section)) & SLOT_MASK;
  if (!slot) {
    Sections.missed = section;
    return 0;
  }
  const owner = owner_at(slot - 1);
  store<u32>(owner, load<u32>(owner) | REFERENCED);
  return slot_address(slot - 1);
}

/** Address of a block's entry, given that of its section's entries. */
@inline
export function entry_at(entries: usize, block: u64): usize {
  return entries + (<usize>block & (SECTION_ENTRIES - 1)) * ENTRY_BYTES;
}

/** Notes that a resident section was changed. */
@inline
export function section_changed(section: u64): void {
  const at = table_at(section);
  const entry = load<u32>(at);
  assert(entry & SLOT_MASK);
  if (entry & DIRTY) return;
  store<u32>(at, entry | DIRTY);
  Sections.nr_dirty++;
}

/** The COW file was loaded: it may hold every section. */
export function trust_file_sections(): void {
  Sections.all_on_file = true;
}

/** A checkpoint was loaded: the file holds the sections that have changed blocks, and of others what lay there before. */
export function trust_changed_sections(): void {
  for (let section = next_summarized(0); section < Device.nr_sections; section = next_summarized(section + 1)) {
    const at = table_at(section);
    store<u32>(at, load<u32>(at) | ON_FILE);
  }
}

/** Drops the index: nothing is resident, nothing dirty. */
export function drop_sections(): void {
  memory.fill(Area.sections, 0, <usize>Device.nr_sections << 2);
  memory.fill(Area.owners, 0, <usize>Area.nr_frames << 2);
  Sections.nr_resident = 0;
  Sections.nr_dirty = 0;
  Io.kind = IO_NONE;
}

/** Forgets an I/O that was never reported done. */
function abandon_io(): void {
  if (Io.kind == IO_WRITE) section_changed(Io.section);
  Io.kind = IO_NONE;
}

/** Hands a dirty section out for writing. */
function hand_out(section: u64, slot: u32): void {
  const at = table_at(section);
  store<u32>(at, load<u32>(at) & ~DIRTY);
  Sections.nr_dirty--;
  Io.kind = IO_WRITE;
  Io.section = section;
  Io.slot = slot;
}

/** Moves the clock's hand to a slot that is free or unused since the last turn. Ends within two turns. */
function find_victim(): u32 {
  const first = Area.nr_leaf_frames;
  const end = first + slots_there();
  let slot = Sections.hand >= first && Sections.hand < end ? Sections.hand : first;
  for (;;) {
    const at = owner_at(slot);
    const owner = load<u32>(at);
    if (!(owner & REFERENCED)) break;
    store<u32>(at, owner & ~REFERENCED);
    slot = slot + 1 < end ? slot + 1 : first;
  }
  Sections.hand = slot;
  return slot;
}

/** Makes a slot free. Its section is not dirty. */
function evict(slot: u32): void {
  const owner = load<u32>(owner_at(slot)) & ~REFERENCED;
  if (!owner) return;
  const at = table_at(owner - 1);
  assert(!(load<u32>(at) & DIRTY));
  store<u32>(at, load<u32>(at) & ~SLOT_MASK);
  store<u32>(owner_at(slot), 0);
  Sections.nr_resident--;
}

/** Puts a section into a free slot. */
function settle(section: u64, slot: u32): void {
  const at = table_at(section);
  store<u32>(at, load<u32>(at) | (slot + 1));
  store<u32>(owner_at(slot), (<u32>section + 1) | REFERENCED);
  Sections.nr_resident++;
}

/** A frame that no section is in, nor will be: behind the slots, or a slot. 0 if there is none. */
function find_free(): u32 {
  const first = Area.nr_leaf_frames;
  const end = first + slots_there();
  if (end < frames_there()) return end;
  if (Sections.nr_resident >= slots_there()) return 0;
  for (let slot = end - 1; slot > first; slot--) {
    if (!load<u32>(owner_at(slot)) && (Io.kind != IO_READ || Io.slot != slot)) return slot;
  }
  return 0;
}

/**
 * Moves what is in the first slot to another frame, so that it can have leaves.
 *
 * @returns false if there is no frame for it
 */
export function move_slot(slot: u32): bool {
  const owner = load<u32>(owner_at(slot));
  const reading = Io.kind == IO_READ && Io.slot == slot;
  if (!owner && !reading) return true;
  const to = find_free();
  if (!to) return false;
  if (Io.slot == slot) Io.slot = to;
  if (!owner) return true;
  memory.copy(slot_address(to), slot_address(slot), SECTION_BYTES);
  const at = table_at((owner & ~REFERENCED) - 1);
  store<u32>(at, (load<u32>(at) & ~SLOT_MASK) | (to + 1));
  store<u32>(owner_at(to), owner);
  store<u32>(owner_at(slot), 0);
  return true;
}

/** Returns the section that the last STATUS_MISS was about. */
export function miss_section(): i64 {
  return Sections.missed;
}

/**
 * Returns how much linear memory there should be before the next section is asked for. It then grows by itself; where it
 * cannot, a section that is in memory has to go.
 *
 * @returns bytes, a multiple of a wasm page; less than there is in incremental mode, where the rest is not used any more
 */
export function memory_wanted(): i64 {
  return bytes_wanted(Sections.nr_resident);
}

/**
 * Asks for a section to be in memory.
 *
 * @param section section, below NR_SECTIONS
 * @returns SECTION_READY; SECTION_READ or SECTION_WRITE: do that I/O (io_*), report it, then (after a write) ask again;
 *          -EINVAL for a bad section or in incremental mode
 */
export function section_request(section: i64): i64 {
  if (Device.mode != MODE_SNAPSHOT || <u64>section >= Device.nr_sections) return -EINVAL;
  abandon_io();
  const entry = load<u32>(table_at(section));
  if (entry & SLOT_MASK) return SECTION_READY;

  if (Sections.nr_resident >= slots_there()) grow_slots();
  const slot = find_victim();
  const owner = load<u32>(owner_at(slot));
  if (owner && load<u32>(table_at(owner - 1)) & DIRTY) {
    hand_out(owner - 1, slot);
    return SECTION_WRITE;
  }
  evict(slot);
  if (Sections.all_on_file || entry & ON_FILE) {
    Io.kind = IO_READ;
    Io.section = section;
    Io.slot = slot;
    return SECTION_READ;
  }
  memory.fill(slot_address(slot), 0, SECTION_BYTES);
  settle(section, slot);
  return SECTION_READY;
}

/**
 * Sets the limit of the index cache: how many of the slots that init() allowed for may be used, SLOTS_MIN at least.
 *
 * @param cache_bytes limit for index sections in memory, in bytes
 * @returns SECTION_READY: it holds; SECTION_WRITE: do that I/O (io_*), report it, then ask again
 */
export function set_cache(cache_bytes: i64): i64 {
  abandon_io();
  Area.slots_in_use = <u32>min<u64>(slots_allowed(cache_bytes), Area.nr_slots);
  for (let slot = Area.nr_leaf_frames + Area.slots_in_use; slot < frames_there(); slot++) {
    const owner = load<u32>(owner_at(slot)) & ~REFERENCED;
    if (owner && load<u32>(table_at(owner - 1)) & DIRTY) {
      hand_out(owner - 1, slot);
      return SECTION_WRITE;
    }
    evict(slot);
  }
  return SECTION_READY;
}

/** Returns the section of the I/O asked for. */
export function io_section(): i64 {
  return Io.section;
}

/** Returns the offset in the COW file, in bytes, of the I/O asked for. */
export function io_offset(): i64 {
  return COW_HEADER_SIZE + Io.section * SECTION_BYTES;
}

/** Returns the address in linear memory of the I/O asked for. */
export function io_address(): i64 {
  return slot_address(Io.slot);
}

/**
 * Reports that the section asked for was read to io_address().
 *
 * @param section the section
 * @returns 0; -EINVAL if no read of that section was asked for last
 */
export function section_read_done(section: i64): i64 {
  if (Io.kind != IO_READ || Io.section != section) return -EINVAL;
  Io.kind = IO_NONE;
  settle(section, Io.slot);
  return 0;
}

/**
 * Reports that the section handed out was written to the COW file. It stays dirty if it was changed meanwhile.
 *
 * @returns 0; -EINVAL if no write was asked for last
 */
export function section_write_done(): i64 {
  if (Io.kind != IO_WRITE) return -EINVAL;
  Io.kind = IO_NONE;
  const at = table_at(Io.section);
  store<u32>(at, load<u32>(at) | ON_FILE);
  return 0;
}

/** First section >= from whose summary bit is set; NR_SECTIONS (whose bit is that of a tail without entry) if none. */
export function next_summarized(from: u64): u64 {
  const end = Device.nr_sections;
  let section = from;
  while (section < end) {
    const bits = load<u64>(Area.summary + <usize>((section >> 6) << 3)) >> section;
    if (bits) return section + ctz<u64>(bits);
    section = (section | 63) + 1;
  }
  return end;
}

/**
 * Hands out the next dirty section for writing (io_*); section_write_done() reports it.
 *
 * @param from first section to look at
 * @returns the section; NR_SECTIONS if none from there on is dirty
 */
export function next_dirty_section(from: i64): i64 {
  abandon_io();
  const end = Device.nr_sections;
  if (!Sections.nr_dirty) return end;
  for (let section = next_summarized(from); section < end; section = next_summarized(section + 1)) {
    const entry = load<u32>(table_at(section));
    if (!(entry & DIRTY)) continue;
    hand_out(section, (entry & SLOT_MASK) - 1);
    return section;
  }
  return end;
}
