/** Time that something takes, by a clock that nobody sets. */

/** Seconds since performance.now() was `began`, to the microsecond. */
export const secondsSince = (began: number): number => Math.round((performance.now() - began) * 1000) / 1e6;
