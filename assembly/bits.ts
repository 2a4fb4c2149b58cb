// Bits in words of 64. Wasm takes shift counts of i64 modulo 64, so the number of a thing serves as that of its bit.

/** Bits of a word from that of `first` to that of `last`, both in it. */
@inline
export function bits_between(first: u64, last: u64): u64 {
  return (<u64>-1 << first) & (<u64>-1 >> (63 - last));
}

/** Last one of the word that holds `first`, or `last` if that comes first. */
@inline
export function last_in_word(first: u64, last: u64): u64 {
  return min<u64>(first | 63, last);
}
