// What the header block says of the snapshot before, while a live checkpoint of that is in force in the next snapshot's file
// (live-next.ts). After a power cut it is a file of incremental mode: that of the snapshot before.

import {
  BLOCK_BYTES,
  COW_FLAG_INDEX_ONLY,
  HEADER_OFFSET_FLAGS,
  HEADER_OFFSET_FPOS,
  HEADER_OFFSET_FSIZE,
  HEADER_OFFSET_NR_CHANGED_BLOCKS,
  HEADER_OFFSET_SEQID,
  HEADER_OFFSET_VERSION,
  MODE_INCREMENTAL,
  RECORD_OFFSET_MODE,
} from './layout';
import { BUFFER } from './memory';
import { Header } from './header';
import { Slots, slots_bytes } from './slots';

/** In the core of the next snapshot: what the header of the one before has. */
export class Former {
  static is_in_force: bool = false;
  static seqid: u64 = 0;
  static version: u64 = 0;
  static nr_changed: u64 = 0;
}

/** Takes it from the header block in the buffer. */
export function take_former(): void {
  Former.seqid = load<u64>(BUFFER, HEADER_OFFSET_SEQID);
  Former.version = load<u64>(BUFFER, HEADER_OFFSET_VERSION);
  Former.nr_changed = load<u64>(BUFFER, HEADER_OFFSET_NR_CHANGED_BLOCKS);
  Former.is_in_force = true;
}

/** Writes it into the header block in the buffer, if there is any. */
export function encode_former(): void {
  if (!Former.is_in_force) return;
  store<u32>(BUFFER, load<u32>(BUFFER, HEADER_OFFSET_FLAGS) | COW_FLAG_INDEX_ONLY, HEADER_OFFSET_FLAGS);
  store<u64>(BUFFER, (Slots.snapshot_base + slots_bytes()) / BLOCK_BYTES, HEADER_OFFSET_FPOS);
  store<u64>(BUFFER, Former.seqid, HEADER_OFFSET_SEQID);
  store<u64>(BUFFER, Former.version, HEADER_OFFSET_VERSION);
  store<u64>(BUFFER, Former.nr_changed, HEADER_OFFSET_NR_CHANGED_BLOCKS);
  store<u32>(BUFFER, MODE_INCREMENTAL, RECORD_OFFSET_MODE);
}

/** In the core of the snapshot before: writes into the header block in the buffer how far the next file is in use. */
export function encode_next_place(): void {
  if (!Slots.is_next) return;
  const end = (Slots.next_base + slots_bytes()) / BLOCK_BYTES;
  store<u64>(BUFFER, max<u64>(Header.fpos, end), HEADER_OFFSET_FPOS);
  store<u64>(BUFFER, Slots.next_fsize, HEADER_OFFSET_FSIZE);
}
