// A checkpoint is made: what it is tied to, what is stored, and the header block that makes it valid.

import {
  BLOCK_BYTES,
  BLOCK_SECTORS,
  COW_HEADER_SIZE,
  EINVAL,
  ENOSPC,
  MASK_CHUNK_BYTES,
  MODE_SNAPSHOT,
  RECORD_OFFSET_CHECKSUM,
  RECORD_OFFSET_FILESYSTEM,
  RECORD_OFFSET_SLOTS_OFFSET,
  RECORD_OFFSET_TAIL_POSITION,
  RECORD_VERSION,
} from './layout';
import { Area, BUFFER, DIRECTORY, DIRECTORY_BYTES, Device, chunks_of } from './memory';
import { Header } from './header';
import { Sections } from './index-sections';
import { encode_record, next_area, take_record } from './live';
import { copy_chunk, is_empty_chunk } from './mask';
import {
  Record,
  area_bytes,
  count_pieces,
  fold,
  is_directory,
  list_piece,
  piece_bytes,
  piece_chunk,
  piece_table,
  rewind,
  sum_piece,
} from './record';
import { Slots, has_slots } from './slots';
import { xxh64 } from './xxh64';

export { record_next, record_offset } from './record';

/** Begins a record, to be made or to be checked. What proof_next() ended with stays part of it. Returns 0. */
export function record_begin(): i64 {
  Record.extents = 0;
  memory.fill(DIRECTORY, 0, DIRECTORY_BYTES);
  return 0;
}

/**
 * Ties the record to a piece of where the COW file lies: to all of them, in file order, contiguous ones joined.
 *
 * What is folded are blocks, or sectors where it is not of whole blocks: then the top bit of the count is set.
 *
 * @param offset first sector of it in the file
 * @param sector the same sector of the origin
 * @param count number of sectors
 * @returns 0
 */
export function record_extent(offset: i64, sector: i64, count: i64): i64 {
  const isOdd = (offset | sector | count) % <i64>BLOCK_SECTORS != 0;
  const unit: i64 = isOdd ? 1 : BLOCK_SECTORS;
  const length = (count / unit) | (isOdd ? i64.MIN_VALUE : 0);
  Record.extents = fold(fold(fold(Record.extents, offset / unit), sector / unit), length);
  return 0;
}

/** Does a chunk of M have a bit? */
function is_masked(chunk: u64): bool {
  if (is_empty_chunk(Area.mask, chunk)) return false;
  copy_chunk(Area.mask, chunk, BUFFER);
  for (let at = BUFFER; at < BUFFER + MASK_CHUNK_BYTES; at += 32) {
    if (load<u64>(at) | load<u64>(at, 8) | load<u64>(at, 16) | load<u64>(at, 24)) return true;
  }
  return false;
}

/**
 * Notes what must be stored of a chunk of 262144 blocks.
 *
 * @param chunk number of the chunk
 * @returns number of pieces, 0 to 2; -EINVAL past the end
 */
export function record_survey(chunk: i64): i64 {
  if (<u64>chunk >= chunks_of(Device.nr_blocks)) return -EINVAL;
  // A chunk has 64 sections: one word of the summary. An origin whose tail block is in no section has one bit more.
  const at = Area.summary + (<usize>chunk << 3);
  const changed = at < Area.sections && load<u64>(at) != 0;
  const masked = is_masked(chunk);
  if (changed) list_piece(2 * chunk);
  if (masked) list_piece(2 * chunk + 1);
  return i64(changed) + i64(masked);
}

/**
 * Finds room in the COW file for what was noted: in the slot that no header names (slots.ts); if there are none, in incremental mode
 * in the place of the index, which is not kept there, and in snapshot mode behind the copies.
 *
 * @returns bytes that are stored; -ENOSPC if there is no room
 */
export function record_plan(): i64 {
  const snapshot = Device.mode == MODE_SNAPSHOT;
  const from = has_slots() ? next_area() : snapshot ? Header.fpos * BLOCK_BYTES : <u64>COW_HEADER_SIZE;
  // Where the origin has grown in incremental mode, the file ends before its index does.
  const whole = Header.fsize / BLOCK_BYTES * BLOCK_BYTES;
  const end = Slots.next_base ? Slots.next_fsize : snapshot ? whole : min<u64>(Device.data_offset, whole);
  const nr_pieces = count_pieces();
  const bytes = area_bytes(nr_pieces);
  if (from + bytes > end) return -ENOSPC;
  Record.area_offset = from;
  Record.nr_pieces = nr_pieces;
  rewind();
  return bytes;
}

/**
 * Copies the piece at hand to the buffer.
 *
 * @returns its size in bytes
 */
export function record_export(): i64 {
  if (is_directory()) memory.copy(BUFFER, DIRECTORY, piece_bytes());
  else copy_chunk(piece_table(), piece_chunk(), BUFFER);
  sum_piece();
  return piece_bytes();
}

/**
 * Writes the header block with the record into the buffer. Every piece was handed out.
 *
 * @returns bytes written, 4096
 */
export function record_encode(): i64 {
  take_record();
  encode_record(RECORD_VERSION);
  store<u64>(BUFFER, Record.filesystem, RECORD_OFFSET_FILESYSTEM);
  store<u64>(BUFFER, Sections.tail_position, RECORD_OFFSET_TAIL_POSITION);
  store<u64>(BUFFER, Device.mode == MODE_SNAPSHOT ? Slots.snapshot_base : 0, RECORD_OFFSET_SLOTS_OFFSET);
  store<u64>(BUFFER, xxh64(BUFFER, BUFFER + COW_HEADER_SIZE), RECORD_OFFSET_CHECKSUM);
  return COW_HEADER_SIZE;
}
