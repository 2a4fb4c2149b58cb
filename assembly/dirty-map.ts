// The dirty map on disk (docs/FORMAT.md, A.11).
//
// A sector has MAP_SECTOR_WORDS words, the bits of as many regions times 64, and then a checksum, in which the map's generation
// and the sector's number are. Within a generation bits are only set. So a block of which a power cut has torn some sectors is
// right as far as it must be; one that is of another generation, or somebody else's, is found out.

import {
  BLOCK_BYTES,
  BLOCK_SECTORS,
  EINVAL,
  MAP_BLOCKS_MAX,
  MAP_BLOCK_WORDS,
  MAP_SECTOR_WORDS,
  MASK_CHUNK_BLOCKS,
  REFUSAL_DAMAGED,
  SECTOR_BYTES,
} from './layout';
import { Area, BUFFER, CHANGED, Device, FLUSH, LEAVES_PER_CHUNK, LEAF_BYTES, ONES, ZEROS, chunks_of } from './memory';
import { count_changed, mark_blocks } from './bitmap';
import { Header } from './header';
import { chunk_at } from './mask';
import { fold } from './record';
import { Regions, is_pending, map_blocks, map_words, nr_regions, set_pending } from './regions';
import { Live } from './live';
import { xxh64 } from './xxh64';

/** Words of the map that one call of map_recover() passes over, at most. */
const WORDS_AT_ONCE: u64 = 512;
const SECTOR_DATA: usize = <usize>MAP_SECTOR_WORDS * 8;

/** Bytes of the words of a map that lie in its blocks from `block` on, `count` of them; the last has fewer. */
@inline
function bytes_of(block: u64, count: u64): usize {
  const from = block * MAP_BLOCK_WORDS;
  return <usize>(min<u64>((block + count) * MAP_BLOCK_WORDS, map_words()) - from) << 3;
}

/** Address of the words of a block in a form of the map. */
@inline
function words_at(form: usize, block: u64): usize {
  return form + (<usize>(block * MAP_BLOCK_WORDS) << 3);
}

@inline
function is_range(block: u64, count: u64): bool {
  return count != 0 && count <= MAP_BLOCKS_MAX && block < map_blocks() && count <= map_blocks() - block;
}

function sum_of_sector(at: usize, sector: u64): u64 {
  return fold(fold(fold(0, Live.generation), sector), xxh64(at, at + SECTOR_DATA));
}

/**
 * Returns the next block of the map that is to be written.
 *
 * @param from first block to look at
 * @returns its number; that of the map's blocks if there is none, or none can be written now
 */
export function map_next(from: i64): i64 {
  const end = map_blocks();
  if (!Regions.nr_pending || Regions.switched || !Regions.active) return end;
  for (let block = <u64>from; block < end; block++) {
    if (is_pending(block)) return block;
  }
  return end;
}

/** Returns where a block of the map lies in the COW file, in bytes. */
export function map_offset(block: i64): i64 {
  if (<u64>block >= map_blocks()) return -EINVAL;
  return Live.map_offset + block * BLOCK_BYTES;
}

/**
 * Hands out blocks of the map for writing.
 *
 * @param block the first
 * @param count how many, MAP_BLOCKS_MAX at most
 * @returns their bytes, in the buffer; -EINVAL
 */
export function map_export(block: i64, count: i64): i64 {
  if (!is_range(block, count)) return -EINVAL;
  // A new map has what both maps have; the rest of what is wanted follows once it is in force.
  const form = Regions.switched ? Area.durable : Area.wanted;
  const bytes = bytes_of(block, count);
  if (Live.resuming) {
    memory.fill(words_at(Area.durable, block), 0, bytes);
    memory.fill(words_at(Area.wanted, block), 0, bytes);
  }
  memory.copy(FLUSH, words_at(form, block), bytes);
  memory.fill(BUFFER, 0, <u32>count * BLOCK_BYTES);
  const first = <u64>block * BLOCK_SECTORS;
  for (let sector: u64 = 0; sector < <u64>count * BLOCK_SECTORS; sector++) {
    const from = <usize>sector * SECTOR_DATA;
    const to = BUFFER + <usize>sector * SECTOR_BYTES;
    if (from < bytes) memory.copy(to, FLUSH + from, min<usize>(SECTOR_DATA, bytes - from));
    store<u64>(to, sum_of_sector(to, first + sector), SECTOR_DATA);
  }
  return <u64>count * BLOCK_BYTES;
}

/** Are all regions of a block of the map durable that are wanted? */
function is_settled(block: u64): bool {
  const bytes = bytes_of(block, 1);
  const wanted = words_at(Area.wanted, block);
  const durable = words_at(Area.durable, block);
  for (let at: usize = 0; at < bytes; at += 8) {
    if (load<u64>(wanted + at) != load<u64>(durable + at)) return false;
  }
  return true;
}

/**
 * Reports that what map_export() handed out last is on disk, durably.
 *
 * @param block as map_export()
 * @param count as map_export()
 * @returns 0; -EINVAL
 */
export function map_written(block: i64, count: i64): i64 {
  if (!is_range(block, count) || Regions.switched || !Regions.active) return -EINVAL;
  const bytes = bytes_of(block, count);
  const durable = words_at(Area.durable, block);
  for (let at: usize = 0; at < bytes; at += 8) {
    store<u64>(durable + at, load<u64>(durable + at) | load<u64>(FLUSH + at));
  }
  for (let end = <u64>block + count; <u64>block < end; block++) set_pending(block, !is_settled(block));
  return 0;
}

/**
 * Takes a block of the map of the checkpoint that is being loaded, which is in the buffer.
 *
 * @param block its number: all from 0 on, in their order
 * @returns 0; REFUSAL_DAMAGED; -EINVAL for another one
 */
export function map_import(block: i64): i64 {
  if (!Live.loading || block != Live.nr_loaded || !is_range(block, 1)) return -EINVAL;
  for (let sector: u64 = 0; sector < BLOCK_SECTORS; sector++) {
    const at = BUFFER + <usize>sector * SECTOR_BYTES;
    const sum = sum_of_sector(at, <u64>block * BLOCK_SECTORS + sector);
    if (load<u64>(at, SECTOR_DATA) != sum) return REFUSAL_DAMAGED;
  }
  const bytes = bytes_of(block, 1);
  const wanted = words_at(Area.wanted, block);
  for (let sector: usize = 0; sector * SECTOR_DATA < bytes; sector++) {
    const from = sector * SECTOR_DATA;
    memory.copy(wanted + from, BUFFER + sector * SECTOR_BYTES, min<usize>(SECTOR_DATA, bytes - from));
  }
  memory.copy(words_at(Area.durable, block), wanted, bytes);
  Live.nr_loaded++;
  for (let at: usize = 0; at < bytes; at += 8) Regions.nr_dirty += popcnt<u64>(load<u64>(wanted + at));
  return 0;
}

/**
 * Marks the blocks of the next region that the map has: any of them may have been written to.
 *
 * @param from first region to look at
 * @returns where to go on; the number of regions at the end; STATUS_ROOM: some may be marked, make room and ask again
 */
export function map_recover(from: i64): i64 {
  const end = nr_regions();
  let region = <u64>from;
  const stop = min<u64>(end, region + 64 * WORDS_AT_ONCE);
  while (region < stop) {
    const bits = load<u64>(Area.durable + (<usize>(region >> 6) << 3)) >> region;
    if (!bits) {
      region = (region | 63) + 1;
      continue;
    }
    region += ctz<u64>(bits);
    if (region >= end) break;
    const first = region << Regions.shift;
    const last = min<u64>(first + (<u64>1 << Regions.shift), Device.nr_blocks) - 1;
    const marked = mark_blocks(first, last, false);
    return marked < 0 ? marked : region + 1;
  }
  return min<u64>(region, end);
}

/**
 * Counts the blocks that a loaded checkpoint lists, which are more than its header says: those of a chunk. Before map_recover().
 *
 * @param chunk number of the chunk of 262144 blocks, each once, from 0 on
 * @returns blocks of it; -EINVAL past the end
 */
export function map_recount(chunk: i64): i64 {
  if (<u64>chunk >= chunks_of(Device.nr_blocks)) return -EINVAL;
  const table = chunk_at(CHANGED, chunk);
  let nr: u64 = 0;
  for (let leaf: usize = 0; leaf < <usize>LEAVES_PER_CHUNK; leaf++) {
    const from: usize = load<u32>(table + 4 * leaf);
    if (from == ZEROS) continue;
    if (from == ONES) {
      nr += LEAF_BYTES * 8;
      continue;
    }
    for (let at = from; at < from + LEAF_BYTES; at += 32) {
      nr += popcnt<u64>(load<u64>(at)) + popcnt<u64>(load<u64>(at, 8)) + popcnt<u64>(load<u64>(at, 16));
      nr += popcnt<u64>(load<u64>(at, 24));
    }
  }
  if (!chunk) Header.nr_changed = 0;
  count_changed(nr);
  // The header's counter may have writes in it that waited, and never went.
  Live.nr_changed = Header.nr_changed;
  return nr;
}
