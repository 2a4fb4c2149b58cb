/** Numbers with units, as the configuration and the command lines of the tools have them. */

const SECONDS: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600, d: 86_400 };

/** What a time must be, in words. */
export const TIME_EXPECTED = 'a number and s, min, h or d, such as 26h';

/** A time in seconds; undefined if the text is none. */
export const secondsOf = (text: string): number | undefined => {
  const [, number, unit = ''] = /^(\d{1,9})(s|min|h|d)$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (SECONDS[unit] ?? 0);
};

const FACTORS: Readonly<Record<string, bigint>> = { K: 2n ** 10n, M: 2n ** 20n, G: 2n ** 30n, T: 2n ** 40n };

/** What a size may be, in words that follow "expected digits". */
export const SUFFIX_EXPECTED = 'or digits with K, M, G or T, such as 4G or 4GiB';

/**
 * A size in bytes: digits, and K, M, G, T or KiB, MiB, GiB, TiB after them.
 *
 * @param plain bytes of one, where there are digits only
 * @returns undefined if the text is none
 */
export const bytesOf = (text: string, plain: bigint): bigint | undefined => {
  const [, number, letter] = /^([0-9]+)(?:([KMGT])(?:iB)?)?$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  return BigInt(number) * (letter === undefined ? plain : (FACTORS[letter] ?? 0n));
};

const MIB = 2 ** 20;

/** What a rate must be, in words. */
export const RATE_EXPECTED = `a number of MiB above 0, ${SUFFIX_EXPECTED}`;

/** MiB per second: a number of them, which may be a fraction, or a size. Undefined if the text is none. */
export const rateOf = (text: string): number | undefined => {
  const bytes = bytesOf(text, BigInt(MIB));
  const rate = bytes === undefined ? (/^[0-9.]+$/.test(text) ? Number(text) : NaN) : Number(bytes) / MIB;
  return rate > 0 && Number.isFinite(rate) ? rate : undefined;
};

/** A size in units, rounded up to a whole one; digits alone are units. Undefined if the text is none. */
export const unitsOf = (text: string, unit: bigint): bigint | undefined => {
  const bytes = bytesOf(text, unit);
  return bytes === undefined ? undefined : (bytes + unit - 1n) / unit;
};
