// What the core tells of itself.

import {
  EINVAL,
  STAT_AREA_BYTES,
  STAT_DATA_OFFSET,
  STAT_DIRTY_REGIONS,
  STAT_FINGERPRINT,
  STAT_FLAGS,
  STAT_LIVE,
  STAT_LOG_CYCLE,
  STAT_LOG_LAST,
  STAT_LOG_SECTORS,
  STAT_LOG_START,
  STAT_FPOS,
  STAT_FSIZE,
  STAT_HAS_SLOTS,
  STAT_MAP_BLOCKS,
  STAT_MASK_CHUNKS,
  STAT_MODE,
  STAT_NEEDED_BYTES,
  STAT_NEW_BLOCKS,
  STAT_NR_BLOCKS,
  STAT_NR_CHANGED,
  STAT_NR_DIRTY,
  STAT_NR_RESIDENT,
  STAT_NR_SECTIONS,
  STAT_NR_SLOTS,
  STAT_REGION_BLOCKS,
  STAT_ROOM,
  STAT_SEQID,
  STAT_SLOTS_BYTES,
  STAT_UUID_HIGH,
  STAT_UUID_LOW,
  STAT_VERSION,
  STAT_WOULD_LOAD,
} from './layout';
import { Area, Device, chunks_of } from './memory';
import { room } from './commit';
import { Header } from './header';
import { Sections } from './index-sections';
import { Live, needed_bytes } from './live';
import { is_log_spoken_of } from './live-log';
import { Record, area_bytes } from './record';
import { Regions, dirty_regions, map_blocks } from './regions';
import { has_slots, slots_bytes } from './slots';
import { Log } from './xfs-log';

/**
 * Returns one field of the core's state.
 *
 * @param field STAT_*
 * @returns its value; -EINVAL for an unknown field
 */
export function stat(field: i64): i64 {
  if (<u64>field > STAT_HAS_SLOTS) return -EINVAL;
  switch (<u32>field) {
    case STAT_NR_BLOCKS: return Device.nr_blocks;
    case STAT_NR_SECTIONS: return Device.nr_sections;
    case STAT_DATA_OFFSET: return Device.data_offset;
    case STAT_FPOS: return Header.fpos;
    case STAT_FSIZE: return Header.fsize;
    case STAT_SEQID: return Header.seqid;
    case STAT_VERSION: return Header.version;
    case STAT_NR_CHANGED: return Header.nr_changed;
    case STAT_FLAGS: return Header.flags;
    case STAT_MODE: return Device.mode;
    case STAT_NR_SLOTS: return Area.slots_in_use;
    case STAT_NR_RESIDENT: return Sections.nr_resident;
    case STAT_MASK_CHUNKS: return chunks_of(Device.nr_blocks);
    case STAT_NR_DIRTY: return Sections.nr_dirty;
    case STAT_ROOM: return room();
    case STAT_UUID_LOW: return Header.uuid_low;
    case STAT_UUID_HIGH: return Header.uuid_high;
    case STAT_LOG_START: return Log.start;
    case STAT_LOG_SECTORS: return Log.nr_sectors;
    case STAT_LOG_LAST: return Log.last;
    case STAT_LOG_CYCLE: return Log.cycle;
    case STAT_FINGERPRINT: return Record.filesystem;
    case STAT_MAP_BLOCKS: return map_blocks();
    case STAT_DIRTY_REGIONS: return dirty_regions();
    case STAT_REGION_BLOCKS: return <u64>1 << Regions.shift;
    case STAT_NEW_BLOCKS: return Header.nr_changed - Live.nr_changed;
    case STAT_AREA_BYTES: return Live.nr_pieces ? area_bytes(Live.nr_pieces) : 0;
    case STAT_LIVE: return Regions.active || Live.loading;
    case STAT_WOULD_LOAD: return Regions.active && is_log_spoken_of();
    case STAT_NEEDED_BYTES: return needed_bytes();
    case STAT_SLOTS_BYTES: return slots_bytes();
    case STAT_HAS_SLOTS: return has_slots();
    default: return -EINVAL;
  }
}
