// XXH64, for the hashes of the host's tools and the checksums of checkpoints.

// The five primes of XXH64 (xxHash specification, "XXH64 Algorithm Description").
const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME_3: u64 = 0x165667b19e3779f9;
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
const PRIME_5: u64 = 0x27d4eb2f165667c5;

const STRIPE_BYTES: usize = 32;

@inline
function round(lane: u64, input: u64): u64 {
  return rotl(lane + input * PRIME_2, 31) * PRIME_1;
}

@inline
function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4;
}

@inline
function avalanche(hash: u64): u64 {
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  return hash ^ (hash >> 32);
}

/** The last bytes, fewer than a stripe. */
@inline
function finish(hash: u64, at: usize, end: usize): u64 {
  for (; at + 8 <= end; at += 8) hash = rotl(hash ^ round(0, load<u64>(at)), 27) * PRIME_1 + PRIME_4;
  if (at + 4 <= end) {
    hash = rotl(hash ^ (<u64>load<u32>(at) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    at += 4;
  }
  for (; at < end; at++) hash = rotl(hash ^ (<u64>load<u8>(at) * PRIME_5), 11) * PRIME_1;
  return avalanche(hash);
}

/** XXH64 with seed 0 of the bytes from `at` to `end`. */
export function xxh64(at: usize, end: usize): u64 {
  const bytes: u64 = end - at;
  if (bytes < STRIPE_BYTES) return finish(PRIME_5 + bytes, at, end);
  let a: u64 = PRIME_1 + PRIME_2;
  let b: u64 = PRIME_2;
  let c: u64 = 0;
  let d: u64 = 0 - PRIME_1;
  // Two at a time: for what the loop itself costs.
  for (const last = end - 2 * STRIPE_BYTES; at <= last; at += 2 * STRIPE_BYTES) {
    a = round(round(a, load<u64>(at)), load<u64>(at, 32));
    b = round(round(b, load<u64>(at, 8)), load<u64>(at, 40));
    c = round(round(c, load<u64>(at, 16)), load<u64>(at, 48));
    d = round(round(d, load<u64>(at, 24)), load<u64>(at, 56));
  }
  if (at + STRIPE_BYTES <= end) {
    a = round(a, load<u64>(at));
    b = round(b, load<u64>(at, 8));
    c = round(c, load<u64>(at, 16));
    d = round(d, load<u64>(at, 24));
    at += STRIPE_BYTES;
  }
  let hash = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
  hash = merge(merge(merge(merge(hash, a), b), c), d);
  return finish(hash + bytes, at, end);
}

