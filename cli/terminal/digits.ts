/** Numbers on a command line: decimal digits (a leading zero does not make them octal); sizes may have a unit after them. */
import { unitsOf } from '../../host/config/units.js';
import { ERANGE } from '../../host/errors.js';

/** A number could not be read. `errno` is ERANGE if it is too large, else 0: nothing failed but the text. */
export class DigitsError extends Error {
  override readonly name = 'DigitsError';
  readonly errno: number;

  constructor(message: string, errno: number) {
    super(message);
    this.errno = errno;
  }
}

export const U32_MAX = 2n ** 32n - 1n;
/** Bound of what the driver takes as an unsigned long. */
export const ULONG_MAX = 2n ** 63n - 2n;
export const U64_MAX = 2n ** 64n - 1n;

/**
 * Reads a non-negative number.
 *
 * @param max largest value allowed
 * @throws DigitsError
 */
export const parseDigits = (text: string, max: bigint): bigint => {
  if (!/^[0-9]+$/.test(text)) throw new DigitsError(`not a number: ${text}`, 0);
  const value = BigInt(text);
  if (value > max) throw new DigitsError(`too large: ${text}`, ERANGE);
  return value;
};

/**
 * Reads a size in units: digits, or digits with K, M, G or T for KiB to TiB, which are rounded up to whole units.
 *
 * @param max largest value allowed, in units
 * @param unit bytes
 * @throws DigitsError
 */
export const parseSize = (text: string, max: bigint, unit: bigint): bigint => {
  const value = unitsOf(text, unit);
  if (value === undefined) throw new DigitsError(`not a size: ${text}`, 0);
  if (value > max) throw new DigitsError(`too large: ${text}`, ERANGE);
  return value;
};
