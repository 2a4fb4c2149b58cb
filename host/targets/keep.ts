/** Which restore points are kept: `latest3,days7,weeks4,months12`. */
import { RefusalError } from '../errors.js';

const DAY_MS = 86_400_000;
const MONDAY = 1;
const WEEK_DAYS = 7;

const two = (value: number): string => `${value}`.padStart(2, '0');
const day = (time: Date): string => `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
/** The Monday of a week; at noon, so that a change of the clock does not move it. */
const week = (time: Date): string => {
  const noon = new Date(time.getFullYear(), time.getMonth(), time.getDate(), 12);
  return day(new Date(noon.getTime() - ((noon.getDay() - MONDAY + WEEK_DAYS) % WEEK_DAYS) * DAY_MS));
};

/** Names of periods by local time: two times are in the same period if these are the same. */
const PERIODS = {
  latest: (time: Date): string => `${time.getTime()}`,
  hours: (time: Date): string => `${day(time)} ${time.getHours()}`,
  days: day,
  weeks: week,
  months: (time: Date): string => day(time).slice(0, -3),
  years: (time: Date): string => `${time.getFullYear()}`,
} as const;
type Period = keyof typeof PERIODS;

/** How many periods of each kind have a point that is kept. */
export type KeepRules = ReadonlyMap<Period, number>;

/** What rules must be, in words. */
export const KEEP_EXPECTED = `some of ${Object.keys(PERIODS).join(', ')}, each with a number from 1 on, like latest3,days7,weeks4`;

const isPeriod = (word: string | undefined): word is Period => word !== undefined && Object.hasOwn(PERIODS, word);

/** Reads rules. Returns undefined if they are none. */
export const keepRulesOf = (text: string): KeepRules | undefined => {
  const rules = new Map<Period, number>();
  for (const part of text.split(',')) {
    const [, word, digits] = /^([a-z]+)([1-9]\d{0,5})$/.exec(part.trim()) ?? [];
    if (!isPeriod(word) || rules.has(word)) return undefined;
    rules.set(word, Number(digits));
  }
  return rules;
};

/**
 * Reads rules.
 *
 * @throws RefusalError CONFIG_WRONG
 */
export const requireKeepRules = (text: string): KeepRules => {
  const rules = keepRulesOf(text);
  if (rules) return rules;
  throw new RefusalError('CONFIG_WRONG', `cannot keep restore points by '${text}': expected ${KEEP_EXPECTED}`);
};

/**
 * Chooses the points that are kept: of each period the newest one, and always the last of all, also if a clock was set back.
 *
 * @param points in the order in which they were made
 * @returns points that are not kept, in the same order
 */
export const toRemove = <T extends { readonly time: Date }>(points: readonly T[], rules: KeepRules): T[] => {
  const newestFirst = [...points].reverse().sort((a, b) => b.time.getTime() - a.time.getTime());
  const kept = new Set<T>(points.slice(-1));
  for (const [period, count] of rules) {
    const seen = new Set<string>();
    for (const point of newestFirst) {
      const name = PERIODS[period](point.time);
      if (seen.has(name)) continue;
      if (seen.size === count) break;
      seen.add(name);
      kept.add(point);
    }
  }
  return points.filter((point) => !kept.has(point));
};
