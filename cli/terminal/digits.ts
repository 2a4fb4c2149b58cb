/** Numbers on a command line: decimal digits and nothing else (a leading zero does not make them octal). */
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
