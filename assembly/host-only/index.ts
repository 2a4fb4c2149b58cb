// What only the host's tools need, in a module of its own: the kernel's core has a fixed table of exports.
//
// Linear memory, laid out once:
//
//   address            bytes                  what
//   0                  4096                   never used, so that a zero address is a bug that shows
//   INPUT     4096     INPUT_BYTES            data to be hashed
//   SUMS      1052672  2048                   hashes of blocks out, u64 each

import { xxh64 } from '../xxh64';

const INPUT: usize = 4096;
const INPUT_BYTES: usize = 1048576;
const SUMS: usize = INPUT + INPUT_BYTES;
const BLOCK_BYTES: usize = 4096;

/** Where the data goes. */
export function input_address(): usize {
  return INPUT;
}

/** Bytes that fit there. */
export function input_bytes(): usize {
  return INPUT_BYTES;
}

/** Where the hashes of hash_blocks() are. */
export function sums_address(): usize {
  return SUMS;
}

/**
 * Hashes blocks of 4096 bytes each.
 *
 * @param count blocks at the input's address, at most INPUT_BYTES / 4096
 */
export function hash_blocks(count: u32): void {
  for (let block: usize = 0; block < <usize>count; block++) {
    const at = INPUT + block * BLOCK_BYTES;
    store<u64>(SUMS + block * 8, xxh64(at, at + BLOCK_BYTES));
  }
}

/**
 * Hashes bytes as one.
 *
 * @param bytes how many at the input's address, at most INPUT_BYTES
 * @returns their XXH64 with seed 0
 */
export function hash_bytes(bytes: u32): u64 {
  return xxh64(INPUT, INPUT + <usize>bytes);
}
