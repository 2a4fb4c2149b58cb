// The checkpoint: what must be known to go on tracking after the module, or the machine, was gone (docs/CORE.md).
//
//   header block   the header as of a file in use, then the record (RECORD_FIELDS)
//   area           pieces, one behind the other: the directory (4096 bytes for each begun 16 TiB), then chunks
//
// Directory: the bits of its first half are set for the chunks of C that are stored, those of the second which of M. Chunks that are all
// zero are not. The chunks come in the order C 0, M 0, C 1, M 1, …; that of an origin of less than one chunk is cut to whole blocks.

import { BLOCK_BYTES, MASK_CHUNK_BYTES } from './layout';
import { Area, BUFFER, CHANGED, DIRECTORY, Device, chunks_of, round_up } from './memory';
import { xxh64 } from './xxh64';

/** Number of the directory among the pieces: it comes before chunk 0 of C. */
const DIRECTORY_PIECE: u64 = <u64>-1;

/** The record that is being made or loaded. */
export class Record {
  static extents: u64 = 0;
  /** What a mount elsewhere would change (proof.ts). */
  static filesystem: u64 = 0;
  static area_offset: u64 = 0;
  static nr_pieces: u64 = 0;
  static tail_position: u64 = 0;
  /** Checksum of the pieces up to the one at hand. */
  static area_sum: u64 = 0;
  /** Pieces handed out so far. */
  static nr_handed: u64 = 0;
  /** The piece at hand: 2 * chunk, + 1 for M. */
  static piece: u64 = 0;
  /** Its offset in the file, in bytes. */
  static offset: u64 = 0;
}

/** Adds a number to a checksum; the order counts. */
@inline
export function fold(sum: u64, value: u64): u64 {
  return (rotl(sum, 27) ^ value) * 0x9e3779b185ebca87 + 0x85ebca77c2b2ae63;
}

/** Bytes of one stored chunk. */
@inline
function chunk_bytes(): u64 {
  return min<u64>(round_up((Device.nr_blocks + 7) / 8, BLOCK_BYTES), MASK_CHUNK_BYTES);
}

/** Bytes of the directory: two bits for each chunk, in whole blocks. */
@inline
function directory_bytes(): u64 {
  return round_up(chunks_of(Device.nr_blocks), 4 * BLOCK_BYTES) / 4;
}

@inline
function directory_at(piece: u64): usize {
  return DIRECTORY + <usize>((((piece & 1) * 4 * directory_bytes() + (piece >> 1)) >> 6) << 3);
}

/** Notes that a chunk is stored. `piece`: 2 * chunk, + 1 for M. */
export function list_piece(piece: u64): void {
  const at = directory_at(piece);
  store<u64>(at, load<u64>(at) | (<u64>1 << (piece >> 1)));
}

@inline
function is_listed(piece: u64): bool {
  return ((load<u64>(directory_at(piece)) >> (piece >> 1)) & 1) != 0;
}

/** Number of pieces, the directory among them. */
export function count_pieces(): u64 {
  let nr: u64 = 1;
  for (let at = DIRECTORY; at < DIRECTORY + <usize>directory_bytes(); at += 8) nr += popcnt<u64>(load<u64>(at));
  return nr;
}

/** Bytes that a number of pieces takes. */
@inline
export function area_bytes(nr_pieces: u64): u64 {
  return directory_bytes() + (nr_pieces - 1) * chunk_bytes();
}

@inline
export function is_directory(): bool {
  return Record.piece == DIRECTORY_PIECE;
}

/** The bitmap of which the piece at hand is a chunk. */
@inline
export function piece_table(): usize {
  return Record.piece & 1 ? Area.mask : CHANGED;
}

/** The chunk that the piece at hand is. */
@inline
export function piece_chunk(): u64 {
  return Record.piece >> 1;
}

/** Bytes of the piece at hand. */
@inline
export function piece_bytes(): usize {
  return <usize>(is_directory() ? directory_bytes() : chunk_bytes());
}

/** Adds the piece at hand, which is in the buffer, to the checksum. */
export function sum_piece(): void {
  Record.area_sum = fold(Record.area_sum, xxh64(BUFFER, BUFFER + piece_bytes()));
}

/** Goes back to before the first piece. */
export function rewind(): void {
  Record.nr_handed = 0;
  Record.area_sum = 0;
}

/** First piece from `piece` on that is stored; 2 * chunks or more if there is none. */
function next_listed(piece: u64): u64 {
  const end = chunks_of(Device.nr_blocks);
  const half = <usize>directory_bytes() / 2;
  let chunk = piece >> 1;
  if (piece & 1) {
    if (chunk < end && is_listed(piece)) return piece;
    chunk++;
  }
  while (chunk < end) {
    const at = DIRECTORY + (<usize>(chunk >> 6) << 3);
    const bits = (load<u64>(at) | load<u64>(at + half)) >> chunk;
    if (bits) {
      piece = 2 * (chunk + ctz<u64>(bits));
      return is_listed(piece) ? piece : piece + 1;
    }
    chunk = (chunk | 63) + 1;
  }
  return 2 * end;
}

/**
 * Goes on to the next piece.
 *
 * @returns its size in bytes; 0 if there is none
 */
export function record_next(): i64 {
  if (!Record.nr_handed) {
    Record.piece = DIRECTORY_PIECE;
    Record.offset = Record.area_offset;
  } else {
    Record.offset += piece_bytes();
    Record.piece = next_listed(Record.piece + 1);
    if (Record.piece >= 2 * chunks_of(Device.nr_blocks)) return 0;
  }
  Record.nr_handed++;
  return piece_bytes();
}

/** Returns where the piece at hand lies in the COW file, in bytes. */
export function record_offset(): i64 {
  return Record.offset;
}
