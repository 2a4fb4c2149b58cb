/** Numbers with units, as the configuration and the command lines of the tools have them. */

const SECONDS: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600, d: 86_400 };

/** What a time must be, in words. */
export const TIME_EXPECTED = 'a number and s, min, h or d, such as 26h';

/** A time in seconds; undefined if the text is none. */
export const secondsOf = (text: string): number | undefined => {
  const [, number, unit = ''] = /^(\d{1,9})(s|min|h|d)$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (SECONDS[unit] ?? 0);
};
