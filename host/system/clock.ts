/** Time that something takes, by a clock that nobody sets, and time that passes. */

/** Seconds since performance.now() was `began`, to the microsecond. */
export const secondsSince = (began: number): number => Math.round((performance.now() - began) * 1000) / 1e6;

/** Does nothing for so long. */
export const pause = (milliseconds: number): void =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
