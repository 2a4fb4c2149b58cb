// The live checkpoint: it stays true while the origin is written to, since the dirty map says which regions may have changed
// since (docs/FORMAT.md, A.11).
//
// The header names one map and one slot (slots.ts). What is made goes to the others first, so that at each moment one checkpoint
// is whole.

import {
  BLOCK_BYTES,
  COW_HEADER_SIZE,
  EINVAL,
  ENOSPC,
  EOPNOTSUPP,
  LIVE_BYTES,
  LIVE_OFFSET_GENERATION,
  LIVE_OFFSET_IDENTITY,
  LIVE_OFFSET_IDENTITY_NEXT,
  LIVE_OFFSET_MAP_OFFSET,
  LIVE_OFFSET_REGION_BLOCKS,
  MAP_BLOCKS_MAX,
  MAP_BLOCK_WORDS,
  RECORD_OFFSET_AREA_OFFSET,
  RECORD_OFFSET_AREA_SUM,
  RECORD_OFFSET_CHECKSUM,
  RECORD_OFFSET_EXTENTS,
  RECORD_OFFSET_MAGIC,
  RECORD_OFFSET_MODE,
  RECORD_OFFSET_NR_PIECES,
  RECORD_OFFSET_NR_SECTORS,
  RECORD_OFFSET_VERSION,
  RECORD_MAGIC,
  RECORD_VERSION_LIVE,
} from './layout';
import { Area, BUFFER, Device } from './memory';
import { Former, encode_former, encode_next_place } from './former';
import { Header, header_encode } from './header';
import { superblock_identity } from './identity';
import { accept_tie, begin_tie, encode_tie, end_tie, has_tie, is_end_tied, load_tie, log_write, no_tie, renew_tie } from './live-log';
import { Record, area_bytes } from './record';
import { Regions, are_region_blocks, begin_next, clear_pending, map_blocks, map_words, set_pending } from './regions';
import { Slots, has_slots, map_place, slot_place, take_slots } from './slots';
import { Log, is_xfs, log_end } from './xfs-log';
import { xxh64 } from './xxh64';

/** The checkpoint that the header names, or will. */
export class Live {
  /** Its slot; -1 if it is in none, as those of older modules are. */
  static slot: i32 = -1;
  static map_offset: u64 = 0;
  /** Number of its map. Each further one of this core has another. */
  static generation: u64 = 0;
  static area_offset: u64 = 0;
  static nr_pieces: u64 = 0;
  static area_sum: u64 = 0;
  static extents: u64 = 0;
  /** The counter of changed blocks when it was made. */
  static nr_changed: u64 = 0;
  /** What the superblock on disk may look like (identity.ts): it is one of these. */
  static identity: u64 = 0;
  static identity_next: u64 = 0;
  /** As it was written last, and as somebody wants to write it. */
  static last: u64 = 0;
  static offered: u64 = 0;
  static is_offered: bool = false;
  /** It is being made of a clean one: map_export() clears what it hands out. */
  static resuming: bool = false;
  /** One is being loaded, of whose map so many blocks are. */
  static loading: bool = false;
  static nr_loaded: u64 = 0;
}

/** Where the pieces of the next checkpoint go. */
export function next_area(): u64 {
  return slot_place(Live.slot == 0 ? 1 : 0);
}

/** The checkpoint at hand, of which all pieces were handed out or taken, is the one that the header names from now on. */
export function take_record(): void {
  const slot = Record.area_offset == slot_place(0) ? 0 : 1;
  Live.slot = has_slots() && Record.area_offset == slot_place(slot) ? slot : -1;
  Live.area_offset = Record.area_offset;
  Live.nr_pieces = Record.nr_pieces;
  Live.area_sum = Record.area_sum;
  Live.extents = Record.extents;
  Former.is_in_force = false;
}

/** A new map, in the place of the one that is not named. */
function begin_map(): void {
  Live.generation++;
  Live.map_offset = map_place(Live.map_offset == map_place(0) ? 1 : 0);
}

/** Do map and pieces of the checkpoint lie where they do in snapshot mode, and until the next one after it? */
function is_among_copies(): bool {
  const end = Header.fpos * BLOCK_BYTES;
  const map_end = Live.map_offset + map_blocks() * BLOCK_BYTES;
  const area_end = Live.area_offset + area_bytes(Live.nr_pieces);
  return min(Live.map_offset, Live.area_offset) >= Device.data_offset && max(map_end, area_end) <= end;
}

/** Are they where they can be? */
function is_in_place(): bool {
  const in_index = Live.slot >= 0 && (Live.map_offset == map_place(0) || Live.map_offset == map_place(1));
  return in_index || is_among_copies();
}

/**
 * Returns how many bytes of the file incremental mode needs, from its start on: those up to the data area, unless the checkpoint
 * in force was made in snapshot mode.
 */
export function needed_bytes(): u64 {
  if (!Regions.active && !Regions.switched) return Device.data_offset;
  const in_index = max(Live.map_offset, Live.area_offset) < Device.data_offset;
  return in_index && !Regions.switched ? Device.data_offset : Header.fpos * BLOCK_BYTES;
}

/**
 * Begins a live checkpoint: from now on it is noted where blocks are marked. Its pieces come next, as those of any.
 *
 * @returns 0; -ENOSPC if the file has no room for it; -EINVAL if another one is being switched to
 */
export function live_begin(): i64 {
  if (Regions.switched) return -EINVAL;
  if (!take_slots()) return -ENOSPC;
  Regions.noting = true;
  return 0;
}

/**
 * Makes blocks of the map those of the next one, all from 0 on, in their order. From here on only regions are durable in them that
 * both maps have. The pieces were handed out and are on disk.
 *
 * @param block the first
 * @param count how many, MAP_BLOCKS_MAX at most
 * @returns 0; -EINVAL
 */
export function live_switch(block: i64, count: i64): i64 {
  if (!Regions.noting || <u64>block != Regions.switched) return -EINVAL;
  if (!count || <u64>count > MAP_BLOCKS_MAX || <u64>count > map_blocks() - block) return -EINVAL;
  if (!block) {
    // It was planned before snapshot mode was left: its place is none any more.
    if (Record.area_offset != next_area()) return -EINVAL;
    begin_map();
    take_record();
    Slots.is_next = Slots.next_base != 0;
    Live.nr_changed = Header.nr_changed;
    Regions.nr_former = Regions.nr_dirty;
    Regions.nr_dirty = 0;
  }
  for (let end = <u64>block + count; <u64>block < end; block++) switch_block(block);
  Regions.switched = block;
  return 0;
}

function switch_block(block: u64): void {
  const from = Area.wanted + (<usize>(block * MAP_BLOCK_WORDS) << 3);
  const end = from + (<usize>min<u64>(map_words() - block * MAP_BLOCK_WORDS, MAP_BLOCK_WORDS) << 3);
  const to_next = Area.next - Area.wanted;
  const to_durable = Area.durable - Area.wanted;
  if (!Regions.active) {
    // None is in force: the next map has all that is durable from now on.
    memory.fill(from, 0, end - from);
    memory.fill(from + to_durable, 0xff, end - from);
  }
  let nr: u64 = 0;
  let waiting: u64 = 0;
  // Two words at once, for what the loop itself costs.
  for (let at = from; at < end; at += 16) {
    const next = at + to_next;
    const durable = at + to_durable;
    const unknown_a = ~load<u64>(durable);
    const unknown_b = ~load<u64>(durable, 8);
    // A write that waits was marked before its block was stored, and waits on: the map in force does not have its region.
    const wanted_a = load<u64>(next) | (load<u64>(at) & unknown_a);
    const wanted_b = load<u64>(next, 8) | (load<u64>(at, 8) & unknown_b);
    store<u64>(at, wanted_a);
    store<u64>(at, wanted_b, 8);
    store<u64>(durable, wanted_a & ~unknown_a);
    store<u64>(durable, wanted_b & ~unknown_b, 8);
    nr += popcnt<u64>(wanted_a) + popcnt<u64>(wanted_b);
    waiting |= (wanted_a & unknown_a) | (wanted_b & unknown_b);
  }
  begin_next(from - Area.wanted, end - from);
  Regions.nr_dirty += nr;
  set_pending(block, waiting != 0);
}

/**
 * Compares the superblock that is in the buffer, as block 0 of the origin, with what the live checkpoint says of it. Before there
 * is one, it is what it will say.
 *
 * A write must leave the next one that it speaks of. Were it to leave the former one, a mount elsewhere might make the next one of it.
 *
 * @param goes whether it is to be written; else it was
 * @returns 1: the checkpoint speaks of it; 0: live_renew() first; -EOPNOTSUPP if it is of no filesystem that is known
 */
export function live_identity(goes: i64): i64 {
  const identity = superblock_identity();
  if (!identity) return -EOPNOTSUPP;
  if (!is_tied()) {
    if (is_xfs()) {
      if (begin_tie()) return -EOPNOTSUPP;
    } else {
      no_tie();
    }
    Live.identity = identity;
    Live.identity_next = identity;
  }
  if (is_xfs() != has_tie()) return -EOPNOTSUPP;
  if (identity != Live.identity_next && (goes || identity != Live.identity)) {
    Live.offered = identity;
    Live.is_offered = true;
    return 0;
  }
  Live.last = identity;
  return 1;
}

/**
 * Looks at a write to the log of an XFS, whose first and last sector are in the buffer, one behind the other.
 *
 * @param sector of the log
 * @param count of sectors
 * @returns 1: it may go, and is noted; 0: live_renew() first; -EOPNOTSUPP if no live checkpoint can speak of it
 */
export function live_log(sector: i64, count: i64): i64 {
  return log_write(sector, count, is_tied());
}

/** Is there a live checkpoint, or is one being written? */
function is_tied(): bool {
  return Regions.active || Regions.switched != 0;
}

/**
 * Lets the checkpoint speak of what was refused last: of the superblock as it is and as it was offered, and of the log.
 * live_encode() comes next. Returns 0.
 */
export function live_renew(): i64 {
  renew_tie();
  if (!Live.is_offered) return 0;
  Live.is_offered = false;
  Live.identity = Live.last;
  Live.identity_next = Live.offered;
  return 0;
}

/**
 * Makes a live checkpoint of the clean one, which the origin is about to be written after: with a new map, of which nothing is set.
 * The map is to be written next, all of it.
 *
 * @returns 0; -ENOSPC if its place or the file does not allow that; -EINVAL if there is a live one
 */
export function live_resume(): i64 {
  if (Regions.active || Regions.noting) return -EINVAL;
  if (Live.slot < 0) return -ENOSPC;
  end_tie();
  begin_map();
  Live.resuming = true;
  Regions.nr_dirty = 0;
  Live.nr_changed = Header.nr_changed;
  Regions.switched = map_blocks();
  return 0;
}

/** Writes the header block with what both kinds of checkpoint have into the buffer. */
export function encode_record(version: u32): void {
  header_encode(0);
  store<u64>(BUFFER, RECORD_MAGIC, RECORD_OFFSET_MAGIC);
  store<u32>(BUFFER, version, RECORD_OFFSET_VERSION);
  store<u32>(BUFFER, Device.mode, RECORD_OFFSET_MODE);
  store<u64>(BUFFER, Device.nr_sectors, RECORD_OFFSET_NR_SECTORS);
  store<u64>(BUFFER, Live.area_offset, RECORD_OFFSET_AREA_OFFSET);
  store<u64>(BUFFER, Live.nr_pieces, RECORD_OFFSET_NR_PIECES);
  store<u64>(BUFFER, Live.area_sum, RECORD_OFFSET_AREA_SUM);
  store<u64>(BUFFER, Live.extents, RECORD_OFFSET_EXTENTS);
}

/**
 * Writes the header block with the live checkpoint into the buffer.
 *
 * @returns bytes written, 4096
 */
export function live_encode(): i64 {
  encode_record(RECORD_VERSION_LIVE);
  store<u64>(BUFFER, Live.generation, LIVE_OFFSET_GENERATION);
  store<u64>(BUFFER, Live.map_offset, LIVE_OFFSET_MAP_OFFSET);
  store<u64>(BUFFER, <u64>1 << Regions.shift, LIVE_OFFSET_REGION_BLOCKS);
  store<u64>(BUFFER, Live.identity, LIVE_OFFSET_IDENTITY);
  store<u64>(BUFFER, Live.identity_next, LIVE_OFFSET_IDENTITY_NEXT);
  encode_tie();
  encode_next_place();
  encode_former();
  store<u64>(BUFFER, xxh64(BUFFER, BUFFER + LIVE_BYTES), RECORD_OFFSET_CHECKSUM);
  return COW_HEADER_SIZE;
}

/**
 * The header with the live checkpoint is on disk, durably: it is in force.
 *
 * @returns 0; -EINVAL if not all of its map was switched to
 */
export function live_commit(): i64 {
  if (Regions.switched != map_blocks()) return -EINVAL;
  Regions.active = true;
  Regions.noting = false;
  Regions.switched = 0;
  Live.resuming = false;
  return 0;
}

/** No live checkpoint is on disk any more, nor being made. Returns 0. */
export function live_drop(): i64 {
  Regions.active = false;
  Regions.noting = false;
  Regions.switched = 0;
  Live.resuming = false;
  Live.loading = false;
  Former.is_in_force = false;
  Slots.is_next = false;
  clear_pending();
  return 0;
}

/**
 * May this be the superblock of which a header says that it has the one identity, or the next?
 *
 * @param shows_mounts whether a mount elsewhere would have changed it; else the former may be what such a mount has left
 */
export function is_identity(identity: u64, shows_mounts: bool, former: u64, next: u64): bool {
  return identity != 0 && (identity == next || (identity == former && shows_mounts));
}

/**
 * Can the checkpoint not be loaded any more, by what the superblock in the buffer says, or the log, which was looked at last?
 *
 * @returns 1 or 0
 */
export function live_void(): i64 {
  if (!is_identity(superblock_identity(), true, Live.identity, Live.identity_next)) return 1;
  return is_xfs() && Log.nr_sectors != 0 && !is_end_tied(Log.nr_sectors, log_end());
}

/** Takes the fields of a live checkpoint from the header block in the buffer. Returns false if they cannot be right. */
export function live_load(): bool {
  const region_blocks = load<u64>(BUFFER, LIVE_OFFSET_REGION_BLOCKS);
  if (!are_region_blocks(region_blocks)) return false;
  Regions.shift = ctz<u64>(region_blocks);
  Live.generation = load<u64>(BUFFER, LIVE_OFFSET_GENERATION);
  Live.map_offset = load<u64>(BUFFER, LIVE_OFFSET_MAP_OFFSET);
  Live.identity = load<u64>(BUFFER, LIVE_OFFSET_IDENTITY);
  Live.identity_next = load<u64>(BUFFER, LIVE_OFFSET_IDENTITY_NEXT);
  load_tie();
  Live.is_offered = false;
  Live.loading = true;
  Live.nr_loaded = 0;
  Regions.nr_dirty = 0;
  return true;
}

/** Is the live checkpoint, of which all is loaded, that of the superblock that was looked at last? Then it is in force. */
export function live_accept(identity: u64, shows_mounts: bool): bool {
  if (!is_identity(identity, shows_mounts, Live.identity, Live.identity_next)) return false;
  if (Live.nr_loaded != map_blocks()) return false;
  take_record();
  if (!is_in_place()) return false;
  accept_tie();
  Live.last = identity;
  Live.nr_changed = Header.nr_changed;
  Live.loading = false;
  Regions.active = true;
  return true;
}
