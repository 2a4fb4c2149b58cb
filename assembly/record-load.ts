// A checkpoint is checked and loaded into a core that was made for it.

import {
  COW_FLAG_CLEAN,
  COW_FLAG_INDEX_ONLY,
  COW_HEADER_SIZE,
  COW_MAGIC,
  EINVAL,
  EXPECT_ANY,
  EXPECT_UNCLEAN_OK,
  HEADER_OFFSET_FLAGS,
  HEADER_OFFSET_MAGIC,
  LIVE_BYTES,
  LIVE_OFFSET_IDENTITY,
  LIVE_OFFSET_IDENTITY_NEXT,
  MASK_CHUNK_BYTES,
  MODE_INCREMENTAL,
  MODE_SNAPSHOT,
  RECORD_MAGIC,
  RECORD_OFFSET_AREA_OFFSET,
  RECORD_OFFSET_AREA_SUM,
  RECORD_OFFSET_CHECKSUM,
  RECORD_OFFSET_EXTENTS,
  RECORD_OFFSET_FILESYSTEM,
  RECORD_OFFSET_MAGIC,
  RECORD_OFFSET_MODE,
  RECORD_OFFSET_NR_PIECES,
  RECORD_OFFSET_NR_SECTORS,
  RECORD_OFFSET_SLOTS_OFFSET,
  RECORD_OFFSET_TAIL_POSITION,
  RECORD_OFFSET_VERSION,
  RECORD_VERSION,
  RECORD_VERSION_FIRST_BLOCKS,
  RECORD_VERSION_LIVE,
  REFUSAL_BAD_MAGIC,
  REFUSAL_CONTINUED,
  REFUSAL_CRASHED,
  REFUSAL_DAMAGED,
  REFUSAL_FOREIGN,
  REFUSAL_MOVED,
  REFUSAL_NOT_CLEAN,
  REFUSAL_OUTDATED,
  REFUSAL_RESIZED,
  REFUSAL_WRONG_MODE,
  STATUS_ROOM,
} from './layout';
import { BUFFER, DIRECTORY, Device } from './memory';
import { header_check } from './header';
import { Sections, trust_sections } from './index-sections';
import { is_identity, live_accept, live_drop, live_load, take_record } from './live';
import { chunk_ready, replace_chunk } from './mask';
import { names_next_file } from './next-file';
import { Superblock, is_log_tied } from './proof';
import { Record, count_pieces, fold, is_directory, piece_bytes, piece_chunk, piece_table, rewind } from './record';
import { set_slots } from './slots';
import { summarize_chunk } from './summary';
import { xxh64 } from './xxh64';

/** What the record's own checksum says of the pieces. */
let expected_sum: u64 = 0;

/** Is it a live checkpoint? */
let live = false;

/** Where it says that live ones lie, in snapshot mode. */
let slots_offset: u64 = 0;

/** Returns the version of the whole record in the header block in the buffer; 0 if there is none. */
function version_of_record(): u32 {
  if (load<u64>(BUFFER, RECORD_OFFSET_MAGIC) != RECORD_MAGIC) return 0;
  const checksum = load<u64>(BUFFER, RECORD_OFFSET_CHECKSUM);
  const version = load<u32>(BUFFER, RECORD_OFFSET_VERSION);
  const bytes: u32 = version == RECORD_VERSION_LIVE ? LIVE_BYTES : COW_HEADER_SIZE;
  store<u64>(BUFFER, 0, RECORD_OFFSET_CHECKSUM);
  return xxh64(BUFFER, BUFFER + bytes) == checksum ? version : 0;
}

/** Is the superblock that was looked at what the live checkpoint in the buffer says of it? */
function is_superblock(): bool {
  const former = load<u64>(BUFFER, LIVE_OFFSET_IDENTITY);
  const next = load<u64>(BUFFER, LIVE_OFFSET_IDENTITY_NEXT);
  return is_identity(Superblock.identity, Superblock.shows_mounts, former, next);
}

/**
 * Checks the header block in the buffer and the record in it, and makes its header the live one. What the record is tied
 * to is what record_extent() took since record_begin().
 *
 * @returns 0: the pieces come next; a REFUSAL_* code, and nothing changed but the buffer
 */
export function record_check(): i64 {
  if (load<u32>(BUFFER, HEADER_OFFSET_MAGIC) != COW_MAGIC) return REFUSAL_BAD_MAGIC;
  if (names_next_file()) return REFUSAL_CONTINUED;
  if (load<u32>(BUFFER, HEADER_OFFSET_FLAGS) & COW_FLAG_CLEAN) return REFUSAL_NOT_CLEAN;
  const version = version_of_record();
  if (version == RECORD_VERSION_FIRST_BLOCKS) return REFUSAL_OUTDATED;
  if (version != RECORD_VERSION && version != RECORD_VERSION_LIVE) return REFUSAL_NOT_CLEAN;
  live = version == RECORD_VERSION_LIVE;
  const incremental = (load<u32>(BUFFER, HEADER_OFFSET_FLAGS) & COW_FLAG_INDEX_ONLY) != 0;
  const mode = load<u32>(BUFFER, RECORD_OFFSET_MODE);
  if (mode != (incremental ? MODE_INCREMENTAL : MODE_SNAPSHOT)) return REFUSAL_DAMAGED;
  if (live && Device.mode == MODE_SNAPSHOT) return REFUSAL_CRASHED;
  if (!live && mode != Device.mode) return REFUSAL_WRONG_MODE;
  if (load<u64>(BUFFER, RECORD_OFFSET_NR_SECTORS) != Device.nr_sectors) return REFUSAL_RESIZED;
  if (load<u64>(BUFFER, RECORD_OFFSET_EXTENTS) != Record.extents) return REFUSAL_MOVED;
  if (live ? !is_superblock() : load<u64>(BUFFER, RECORD_OFFSET_FILESYSTEM) != Record.filesystem) {
    return REFUSAL_FOREIGN;
  }
  live_drop();
  if (live && !live_load()) return REFUSAL_DAMAGED;

  Record.area_offset = load<u64>(BUFFER, RECORD_OFFSET_AREA_OFFSET);
  Record.nr_pieces = load<u64>(BUFFER, RECORD_OFFSET_NR_PIECES);
  Record.tail_position = load<u64>(BUFFER, RECORD_OFFSET_TAIL_POSITION);
  expected_sum = load<u64>(BUFFER, RECORD_OFFSET_AREA_SUM);
  slots_offset = live || mode != MODE_SNAPSHOT ? 0 : load<u64>(BUFFER, RECORD_OFFSET_SLOTS_OFFSET);
  rewind();
  return header_check(EXPECT_ANY | EXPECT_UNCLEAN_OK);
}

/**
 * Takes the piece at hand, which is in the buffer.
 *
 * @returns 0; REFUSAL_DAMAGED if it is more than the record lists; STATUS_ROOM, and nothing of the core changed: make room and
 *   ask again
 */
export function record_import(): i64 {
  const bytes = piece_bytes();
  if (Record.nr_handed > Record.nr_pieces) return REFUSAL_DAMAGED;
  const sum = fold(Record.area_sum, xxh64(BUFFER, BUFFER + bytes));
  if (is_directory()) {
    memory.copy(DIRECTORY, BUFFER, bytes);
    Record.area_sum = sum;
    return count_pieces() == Record.nr_pieces ? 0 : REFUSAL_DAMAGED;
  }
  // An origin of less than one chunk has shorter pieces.
  memory.fill(BUFFER + bytes, 0, MASK_CHUNK_BYTES - <u32>bytes);
  if (!chunk_ready()) return STATUS_ROOM;
  const sections = replace_chunk(piece_table(), piece_chunk(), BUFFER);
  Record.area_sum = sum;
  if (!(Record.piece & 1)) {
    summarize_chunk(piece_chunk(), sections);
    trust_sections(piece_chunk(), sections);
  }
  return 0;
}

/**
 * Makes what was loaded the state of this core, if all of it was and is what was stored.
 *
 * @returns 0; REFUSAL_DAMAGED; REFUSAL_FOREIGN if it is a live one that does not speak of the log that was looked at last; -EINVAL if
 *   sections came to memory meanwhile
 */
export function record_accept(): i64 {
  if (Record.nr_handed != Record.nr_pieces || Record.area_sum != expected_sum) return REFUSAL_DAMAGED;
  if (Sections.nr_resident) return -EINVAL;
  Sections.all_on_file = false;
  Sections.tail_position = Record.tail_position;
  if (live && !is_log_tied()) return REFUSAL_FOREIGN;
  if (!live && !set_slots(slots_offset)) return REFUSAL_DAMAGED;
  if (!live) take_record();
  else if (!live_accept(Superblock.identity, Superblock.shows_mounts)) return REFUSAL_DAMAGED;
  return 0;
}
