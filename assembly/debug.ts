// Exports of the debug build only.

/** Traps: reads past the end of linear memory. It shows that a trap harms one device only. */
export function debug_out_of_bounds(): i64 {
  return load<i64>(<usize>0xfffffff8);
}
