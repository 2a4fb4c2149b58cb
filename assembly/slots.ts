// Where live checkpoints lie in the COW file (docs/FORMAT.md, A.11):
//
//   map 0, map 1     two dirty maps, in turn, each with room for the smallest regions
//   slot 0, slot 1   the pieces of two checkpoints, in turn
//
// In incremental mode that is the place of the index, which is not kept there. In snapshot mode it takes positions as copies do,
// from where the next copy would have gone when the first checkpoint was begun. While the next snapshot is made ready those of the
// present one lie in that snapshot's file, in its place (live-next.ts).

import { BLOCK_BYTES, COW_HEADER_SIZE, MAP_BLOCK_WORDS, MODE_INCREMENTAL } from './layout';
import { Device, chunks_of, map_bytes, round_up } from './memory';
import { room } from './commit';
import { Header } from './header';
import { area_bytes } from './record';

/** Of what room there is for copies, the place of checkpoints takes one part in so many at most. */
const ROOM_PARTS: u64 = 4;

export class Slots {
  /** Where they begin in snapshot mode; 0 before a place was taken. */
  static snapshot_base: u64 = 0;
  /** Where they begin in the next snapshot's file, and its size limit; 0 while they are in the own file. */
  static next_base: u64 = 0;
  static next_fsize: u64 = 0;
  /** Does the header name a checkpoint there, or will it? */
  static is_next: bool = false;
}

/** Bytes that a map takes, at most. */
function map_space(): u64 {
  return round_up(map_bytes(Device.nr_sectors), MAP_BLOCK_WORDS * 8) / (MAP_BLOCK_WORDS * 8) * BLOCK_BYTES;
}

/** Bytes that the pieces of a checkpoint take, at most. */
function slot_space(): u64 {
  return area_bytes(2 * chunks_of(Device.nr_blocks) + 1);
}

/** Bytes that all of them take. */
export function slots_bytes(): u64 {
  return 2 * (map_space() + slot_space());
}

function slots_base(): u64 {
  if (Slots.next_base) return Slots.next_base;
  return Device.mode == MODE_INCREMENTAL ? COW_HEADER_SIZE : Slots.snapshot_base;
}

/** Offset of map 0 or 1 in the file, in bytes. */
export function map_place(map: u64): u64 {
  return slots_base() + map * map_space();
}

/** Offset of slot 0 or 1 in the file, in bytes. */
export function slot_place(slot: u64): u64 {
  return map_place(2) + slot * slot_space();
}

/** Is there room for two checkpoints and maps in the file? A file is too short where its origin has grown, or has no section. */
export function has_slots(): bool {
  if (Device.mode != MODE_INCREMENTAL || Slots.next_base) return slots_base() != 0;
  const file = Header.fsize / BLOCK_BYTES * BLOCK_BYTES;
  return slot_place(2) <= min<u64>(Device.data_offset, file);
}

/** They lie from an offset on that a checkpoint of snapshot mode has, or nowhere. Returns false if that cannot be. */
export function set_slots(offset: u64): bool {
  const end = Header.fpos * BLOCK_BYTES;
  if (offset && (offset % BLOCK_BYTES || offset < Device.data_offset || offset > end || slots_bytes() > end - offset)) return false;
  Slots.snapshot_base = offset;
  return true;
}

/** Takes a place for them in snapshot mode, if there is none. Returns false if copies need the room. */
export function take_slots(): bool {
  if (has_slots()) return true;
  const blocks = slots_bytes() / BLOCK_BYTES;
  if (Device.mode == MODE_INCREMENTAL || blocks > room() / ROOM_PARTS) return false;
  Slots.snapshot_base = Header.fpos * BLOCK_BYTES;
  Header.fpos += blocks;
  return true;
}
