// The header of the COW file: live fields, and the 64 bytes in which they are stored (docs/FORMAT.md, A.2 to A.4).

import {
  BLOCK_BYTES,
  COW_FLAG_CLEAN,
  COW_FLAG_INDEX_ONLY,
  COW_FLAG_VMALLOC_UPPER,
  COW_HEADER_SIZE,
  COW_MAGIC,
  COW_VERSION_CHANGED_BLOCKS,
  EINVAL,
  EXPECT_ANY,
  EXPECT_UNCLEAN_OK,
  HEADER_OFFSET_FLAGS,
  HEADER_OFFSET_FPOS,
  HEADER_OFFSET_FSIZE,
  HEADER_OFFSET_MAGIC,
  HEADER_OFFSET_NR_CHANGED_BLOCKS,
  HEADER_OFFSET_SEQID,
  HEADER_OFFSET_UUID,
  HEADER_OFFSET_VERSION,
  MODE_INCREMENTAL,
  MODE_SNAPSHOT,
  REFUSAL_BAD_MAGIC,
  REFUSAL_NOT_CLEAN,
  REFUSAL_WRONG_MODE,
} from './layout';
import { BUFFER, Device } from './memory';
import { drop_sections, trust_file_sections } from './index-sections';

/** The live header. Bits 3 to 31 of `flags` are nobody's here: kept and written back. */
export class Header {
  static flags: u32 = 0;
  /** Next free position, in blocks. */
  static fpos: u64 = 0;
  /** Size limit of the COW file, in bytes. */
  static fsize: u64 = 0;
  static seqid: u64 = 0;
  /** The uuid's bytes 0 to 7 and 8 to 15, as they lie in memory. */
  static uuid_low: u64 = 0;
  static uuid_high: u64 = 0;
  static version: u64 = 1;
  /** Blocks that changed since the file was created; not kept in version 0. */
  static nr_changed: u64 = 0;
}

@inline
function mode_flag(): u32 {
  return Device.mode == MODE_INCREMENTAL ? COW_FLAG_INDEX_ONLY : 0;
}

/**
 * Makes a new live header: first position, version 1, no block changed; the uuid is in the buffer.
 *
 * @param fsize size limit of the COW file, in bytes
 * @param seqid number of the snapshot in its series
 * @returns 0
 */
export function header_create(fsize: i64, seqid: i64): i64 {
  Header.flags = mode_flag();
  Header.fpos = Device.data_offset / BLOCK_BYTES;
  Header.fsize = fsize;
  Header.seqid = seqid;
  Header.uuid_low = load<u64>(BUFFER);
  Header.uuid_high = load<u64>(BUFFER, 8);
  Header.version = COW_VERSION_CHANGED_BLOCKS;
  Header.nr_changed = 0;
  return 0;
}

/**
 * Writes the live header into the buffer, as the COW file's first block.
 *
 * @param clean 1: the file is complete with this header; 0: it is in use
 * @returns bytes written, 4096
 */
export function header_encode(clean: i64): i64 {
  const foreign = Header.flags & ~(COW_FLAG_CLEAN | COW_FLAG_INDEX_ONLY | COW_FLAG_VMALLOC_UPPER);
  Header.flags = foreign | mode_flag() | (clean ? COW_FLAG_CLEAN : 0);
  memory.fill(BUFFER, 0, COW_HEADER_SIZE);
  store<u32>(BUFFER, COW_MAGIC, HEADER_OFFSET_MAGIC);
  store<u32>(BUFFER, Header.flags, HEADER_OFFSET_FLAGS);
  store<u64>(BUFFER, Header.fpos, HEADER_OFFSET_FPOS);
  store<u64>(BUFFER, Header.fsize, HEADER_OFFSET_FSIZE);
  store<u64>(BUFFER, Header.seqid, HEADER_OFFSET_SEQID);
  store<u64>(BUFFER, Header.uuid_low, HEADER_OFFSET_UUID);
  store<u64>(BUFFER, Header.uuid_high, HEADER_OFFSET_UUID + 8);
  store<u64>(BUFFER, Header.version, HEADER_OFFSET_VERSION);
  store<u64>(BUFFER, Header.nr_changed, HEADER_OFFSET_NR_CHANGED_BLOCKS);
  return COW_HEADER_SIZE;
}

/**
 * Checks the header in the buffer and makes it the live one; its index is then taken to be in the file, whole.
 *
 * @param expect a mode or EXPECT_ANY, plus EXPECT_UNCLEAN_OK to accept a file that was not closed
 * @returns 0; a REFUSAL_* code, and nothing changed; -EINVAL for a bad `expect`
 */
export function header_check(expect: i64): i64 {
  const mode = expect & ~(<i64>EXPECT_UNCLEAN_OK);
  if (<u64>mode > EXPECT_ANY) return -EINVAL;

  const flags = load<u32>(BUFFER, HEADER_OFFSET_FLAGS);
  if (load<u32>(BUFFER, HEADER_OFFSET_MAGIC) != COW_MAGIC) return REFUSAL_BAD_MAGIC;
  if (!(expect & EXPECT_UNCLEAN_OK) && !(flags & COW_FLAG_CLEAN)) return REFUSAL_NOT_CLEAN;
  const stored: u32 = flags & COW_FLAG_INDEX_ONLY ? MODE_INCREMENTAL : MODE_SNAPSHOT;
  if (mode != EXPECT_ANY && mode != stored) return REFUSAL_WRONG_MODE;

  Header.flags = flags;
  Header.fpos = load<u64>(BUFFER, HEADER_OFFSET_FPOS);
  Header.fsize = load<u64>(BUFFER, HEADER_OFFSET_FSIZE);
  Header.seqid = load<u64>(BUFFER, HEADER_OFFSET_SEQID);
  Header.uuid_low = load<u64>(BUFFER, HEADER_OFFSET_UUID);
  Header.uuid_high = load<u64>(BUFFER, HEADER_OFFSET_UUID + 8);
  Header.version = load<u64>(BUFFER, HEADER_OFFSET_VERSION);
  Header.nr_changed = load<u64>(BUFFER, HEADER_OFFSET_NR_CHANGED_BLOCKS);
  trust_file_sections();
  return 0;
}

/**
 * Sets the size limit of the COW file.
 *
 * @param bytes the limit
 * @returns 0
 */
export function set_fsize(bytes: i64): i64 {
  Header.fsize = bytes;
  return 0;
}

/**
 * Turns the snapshot into an incremental: the index is dropped, the change bitmap and fpos are kept.
 *
 * @param fsize size limit of the truncated COW file, in bytes
 * @returns 0; -EINVAL if the mode is incremental already
 */
export function to_incremental(fsize: i64): i64 {
  if (Device.mode == MODE_INCREMENTAL) return -EINVAL;
  drop_sections();
  Device.mode = MODE_INCREMENTAL;
  Header.flags |= COW_FLAG_INDEX_ONLY;
  Header.fsize = fsize;
  return 0;
}
