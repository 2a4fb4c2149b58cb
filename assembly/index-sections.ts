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

import { COW_HEADER_SIZE, ENTRY_BYTES, EINVAL, MODE_SNAPSHOT, SECTION_BYTES, SECTION_ENTRIES } from './layout';
import { SECTION_AGAIN, SECTION_READ, SECTION_READY, SECTION_WRITE } from './layout';
import { Area, bytes_wanted, Device, DIRTY_GROUPS, frames_there, grow_slots, slots_allowed, slots_there } from './memory';
import { clear_group, next_group, set_group } from './summary';

const SLOT_MASK: u32 = 0x00ffffff;
const ON_FILE: u32 = 1 << 30;
const DIRTY: u32 = 1 << 31;
const REFERENCED: u32 = 1 << 31;

/** Slots that one call looks at, at most. */
const SLOTS_AT_ONCE: u32 = 512;

const IO_NONE: u32 = 0;
const IO_READ: u32 = 1;
const IO_WRITE: u32 = 2;

/** Counts, and the clock's hand. */
export class Sections {
  static nr_resident: u32 = 0;
  static nr_dirty: u32 = 0;
  /** Slot that the clock looks at next. */
  static hand: u32 = 0;
  /** Slot at which the search for a free one goes on, and the first that set_cache() has not looked at yet. */
  static search: u32 = 0;
  static cut: u32 = 0;
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
  set_group(DIRTY_GROUPS, section);
  Sections.nr_dirty++;
}

/** The COW file was loaded: it may hold every section. */
export function trust_file_sections(): void {
  Sections.all_on_file = true;
}

/**
 * A chunk of C was loaded from a checkpoint: the file holds those of its 64 sections that have changed blocks, whose bits in
 * `sections` are set, and of others what lay there before.
 */
export function trust_sections(chunk: u64, sections: u64): void {
  if (Device.mode != MODE_SNAPSHOT) return;
  for (let bits = sections; bits; bits &= bits - 1) {
    const section = (chunk << 6) + ctz<u64>(bits);
    if (section == Device.nr_sections) break; // the tail block, which is in none
    const at = table_at(section);
    store<u32>(at, load<u32>(at) | ON_FILE);
  }
}

/** Drops the index, on the way to incremental mode: nobody looks at the two tables any more, whatever is in them. */
export function drop_sections(): void {
  Sections.nr_resident = 0;
  Sections.nr_dirty = 0;
  Io.kind = IO_NONE;
}

/** Forgets an I/O that was never reported done. */
function abandon_io(): void {
  if (Io.kind == IO_WRITE) section_changed(Io.section);
  Io.kind = IO_NONE;
}

/** First dirty section of a group from `from` on; NR_SECTIONS or more if none. */
function dirty_in_group(from: u64): u64 {
  const end = min<u64>((from | 63) + 1, Device.nr_sections);
  for (let section = from; section < end; section++) {
    if (load<u32>(table_at(section)) & DIRTY) return section;
  }
  return Device.nr_sections;
}

/** Hands a dirty section out for writing. */
function hand_out(section: u64, slot: u32): void {
  const at = table_at(section);
  store<u32>(at, load<u32>(at) & ~DIRTY);
  if (dirty_in_group(section & ~63) >= Device.nr_sections) clear_group(DIRTY_GROUPS, section);
  Sections.nr_dirty--;
  Io.kind = IO_WRITE;
  Io.section = section;
  Io.slot = slot;
}

/** Moves the clock's hand to a slot that is free or unused since the last turn, or past so many that are used. */
function find_victim(): u32 {
  const first = Area.nr_leaf_frames;
  const end = first + slots_there();
  let slot = Sections.hand >= first && Sections.hand < end ? Sections.hand : first;
  for (let nr: u32 = 0; nr < SLOTS_AT_ONCE; nr++) {
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

/** Is a section neither in a slot, nor on its way there? */
@inline
function is_free(slot: u32): bool {
  return !load<u32>(owner_at(slot)) && (Io.kind != IO_READ || Io.slot != slot);
}

/** A frame that no section is in, nor will be: behind the slots, or a slot but the first. 0 if it finds none; later it may. */
function find_free(): u32 {
  const first = Area.nr_leaf_frames;
  const end = first + slots_there();
  // With fewer slots than before set_cache() there may be a section in it yet.
  if (end < frames_there() && is_free(end)) return end;
  if (end <= first + 1 || Sections.nr_resident >= slots_there()) return 0;
  let slot = Sections.search > first && Sections.search < end ? Sections.search : end - 1;
  for (let nr: u32 = 0; nr < SLOTS_AT_ONCE; nr++) {
    if (is_free(slot)) return slot;
    slot = slot > first + 1 ? slot - 1 : end - 1;
    Sections.search = slot;
  }
  return 0;
}

/**
 * Moves what is in the first slot to another frame, so that it can have leaves.
 *
 * @returns false if there is no frame for it
 */
export function move_slot(slot: u32): bool {
  if (Device.mode != MODE_SNAPSHOT) return true;
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
 * @returns SECTION_READY: it holds; SECTION_WRITE: do that I/O (io_*), report it, then ask again; SECTION_AGAIN: ask again
 */
export function set_cache(cache_bytes: i64): i64 {
  abandon_io();
  const slots = <u32>min<u64>(slots_allowed(cache_bytes), Area.nr_slots);
  if (slots != Area.slots_in_use) Sections.cut = 0;
  Area.slots_in_use = slots;
  if (Device.mode != MODE_SNAPSHOT) return SECTION_READY;

  // Nothing comes to a frame behind the slots, so what was looked at stays free.
  const end = frames_there();
  let slot = max<u32>(Area.nr_leaf_frames + slots, Sections.cut);
  const stop = min<u32>(end, slot + SLOTS_AT_ONCE);
  for (; slot < stop; slot++) {
    const owner = load<u32>(owner_at(slot)) & ~REFERENCED;
    if (owner && load<u32>(table_at(owner - 1)) & DIRTY) {
      Sections.cut = slot;
      hand_out(owner - 1, slot);
      return SECTION_WRITE;
    }
    evict(slot);
  }
  Sections.cut = slot < end ? slot : 0;
  return slot < end ? SECTION_AGAIN : SECTION_READY;
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

/**
 * Hands out the next dirty section for writing (io_*); section_write_done() reports it.
 *
 * @param from first section to look at
 * @returns the section; NR_SECTIONS if none from there on is dirty
 */
export function next_dirty_section(from: i64): i64 {
  abandon_io();
  const end = Device.nr_sections;
  if (!Sections.nr_dirty || <u64>from >= end) return end;
  let section = dirty_in_group(from);
  if (section >= end) {
    const group = next_group(DIRTY_GROUPS, from);
    if (group >= end) return end;
    section = dirty_in_group(group);
  }
  assert(section < end);
  hand_out(section, (load<u32>(table_at(section)) & SLOT_MASK) - 1);
  return section;
}
