// The live checkpoint on its way to the next snapshot (docs/CORE.md, "Live checkpoints"): the present core makes one in the next
// snapshot's file, whose core keeps it true from the switch on, until it has one of its own.

import {
  BLOCK_BYTES,
  COW_FLAG_CLEAN,
  COW_MAGIC,
  EINVAL,
  ENOSPC,
  HEADER_OFFSET_FLAGS,
  HEADER_OFFSET_MAGIC,
  HEADER_OFFSET_SEQID,
  HEADER_OFFSET_UUID,
  LIVE_OFFSET_GENERATION,
  LIVE_OFFSET_REGION_BLOCKS,
  LIVE_OFFSET_MAP_OFFSET,
  MODE_INCREMENTAL,
  MODE_SNAPSHOT,
  RECORD_OFFSET_AREA_OFFSET,
  RECORD_OFFSET_AREA_SUM,
  RECORD_OFFSET_EXTENTS,
  RECORD_OFFSET_MAGIC,
  RECORD_OFFSET_MODE,
  RECORD_OFFSET_NR_PIECES,
  RECORD_OFFSET_NR_SECTORS,
  RECORD_OFFSET_VERSION,
  RECORD_MAGIC,
  RECORD_VERSION_LIVE,
} from './layout';
import { BUFFER, Device } from './memory';
import { Former, take_former } from './former';
import { Header } from './header';
import { Live, live_drop, live_load } from './live';
import { take_over_tie } from './live-log';
import { Regions, map_blocks } from './regions';
import { Slots, map_place, slot_place, slots_bytes, take_slots } from './slots';

/**
 * Takes a place for live checkpoints in the file of this snapshot, before anything is copied.
 *
 * @returns its offset, in bytes; -ENOSPC if copies need the room; -EINVAL in incremental mode
 */
export function slots_take(): i64 {
  if (Device.mode != MODE_SNAPSHOT) return -EINVAL;
  return take_slots() ? Slots.snapshot_base : -ENOSPC;
}

/**
 * In incremental mode: live checkpoints that are begun from now on lie in the next snapshot's file.
 *
 * @param offset what slots_take() has returned there; 0: in the own file again
 * @param fsize size limit of that file, in bytes
 * @returns 0; -EINVAL in snapshot mode, for a place that is not in the file, while one is being switched to, or on the way back if
 *   one is in force there
 */
export function live_move(offset: i64, fsize: i64): i64 {
  if (Device.mode != MODE_INCREMENTAL || Regions.switched) return -EINVAL;
  if (!offset && Slots.is_next) return -EINVAL;
  const base = <u64>offset;
  if (base && (base % BLOCK_BYTES || base < Device.data_offset || base > <u64>fsize || slots_bytes() > <u64>fsize - base)) {
    return -EINVAL;
  }
  Slots.next_base = base;
  Slots.next_fsize = base ? fsize : 0;
  return 0;
}

/** Is there the header block of a live checkpoint in the buffer that the core of the snapshot before has made in this one's file? */
function is_inheritable(): bool {
  if (Device.mode != MODE_SNAPSHOT || Regions.active || Regions.noting || Regions.switched) return false;
  if (load<u64>(BUFFER, RECORD_OFFSET_MAGIC) != RECORD_MAGIC) return false;
  if (load<u32>(BUFFER, RECORD_OFFSET_VERSION) != RECORD_VERSION_LIVE) return false;
  if (load<u32>(BUFFER, RECORD_OFFSET_MODE) != MODE_INCREMENTAL) return false;
  if (load<u64>(BUFFER, RECORD_OFFSET_NR_SECTORS) != Device.nr_sectors || !Slots.snapshot_base) return false;
  if (Regions.keeps && load<u64>(BUFFER, LIVE_OFFSET_REGION_BLOCKS) != <u64>1 << Regions.shift) return false;
  const area = load<u64>(BUFFER, RECORD_OFFSET_AREA_OFFSET);
  const map = load<u64>(BUFFER, LIVE_OFFSET_MAP_OFFSET);
  return (area == slot_place(0) || area == slot_place(1)) && (map == map_place(0) || map == map_place(1));
}

/**
 * Begins to take over the live checkpoint whose header block is in the buffer, as live_encode() of the core of the snapshot before
 * has written it. Its map is imported next.
 *
 * @returns 0; -EINVAL if it is none that can be
 */
export function live_inherit(): i64 {
  if (!is_inheritable()) return -EINVAL;
  live_drop();
  return live_load() ? 0 : -EINVAL;
}

/**
 * Takes it over: from now on this core keeps it true. The same header block is in the buffer, or a later one of the same checkpoint,
 * and all of its map was imported. live_rest() and live_identity() for what is on disk come before and after.
 *
 * @returns 0; -EINVAL if it is another checkpoint, or not all of its map was imported
 */
export function live_take_over(): i64 {
  if (!Live.loading || Live.nr_loaded != map_blocks() || !is_inheritable()) return -EINVAL;
  if (load<u64>(BUFFER, LIVE_OFFSET_GENERATION) != Live.generation) return -EINVAL;
  const nr_dirty = Regions.nr_dirty;
  if (!live_load()) return -EINVAL;
  Regions.nr_dirty = nr_dirty;
  Live.loading = false;
  Live.area_offset = load<u64>(BUFFER, RECORD_OFFSET_AREA_OFFSET);
  Live.nr_pieces = load<u64>(BUFFER, RECORD_OFFSET_NR_PIECES);
  Live.area_sum = load<u64>(BUFFER, RECORD_OFFSET_AREA_SUM);
  Live.extents = load<u64>(BUFFER, RECORD_OFFSET_EXTENTS);
  Live.slot = Live.area_offset == slot_place(0) ? 0 : 1;
  Live.nr_changed = 0;
  take_former();
  take_over_tie();
  Regions.active = true;
  return 0;
}

/**
 * The file of the snapshot before is closed. A checkpoint of that one, if it is in force still, counts as one of this snapshot from
 * now on: it lists more. So no number is given to two snapshots after a power cut.
 *
 * @returns 1: live_encode() comes next, and the header must be on disk before anybody sees this snapshot; 0: there is none
 */
export function live_former_closed(): i64 {
  if (!Former.is_in_force) return 0;
  Former.seqid = Header.seqid;
  return 1;
}

/**
 * A reload went on from the file whose header block is in the buffer. If that was closed, and the live header is of the same snapshot,
 * the power went before it could say so: it is of the next one.
 *
 * @returns 0
 */
export function header_follow(): i64 {
  if (load<u32>(BUFFER, HEADER_OFFSET_MAGIC) != COW_MAGIC || !(load<u32>(BUFFER, HEADER_OFFSET_FLAGS) & COW_FLAG_CLEAN)) return 0;
  const low = load<u64>(BUFFER, HEADER_OFFSET_UUID);
  const high = load<u64>(BUFFER, HEADER_OFFSET_UUID + 8);
  if (low != Header.uuid_low || high != Header.uuid_high) return 0;
  if (load<u64>(BUFFER, HEADER_OFFSET_SEQID) == Header.seqid) Header.seqid++;
  return 0;
}
