/** Colours of the heat map: dark where nothing changed, and lighter with every change, for all eyes and in grey. */

export type Rgb = readonly [red: number, green: number, blue: number];

export const UNCHANGED: Rgb = [24, 26, 38];

/** From one changed block to all of a cell's. */
const STOPS: readonly Rgb[] = [
  [92, 33, 120],
  [158, 42, 110],
  [214, 69, 80],
  [246, 128, 48],
  [252, 192, 66],
  [252, 250, 180],
];

/**
 * Colour of a share of changed blocks.
 *
 * The square root spreads the small shares: one changed block in a thousand must look different from none and from ten.
 *
 * @param share from 0 to 1
 * @param stops colours from one changed block to all of a cell's
 */
export const colourOf = (share: number, stops = STOPS): Rgb => {
  if (share <= 0) return UNCHANGED;
  const place = Math.sqrt(Math.min(share, 1)) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [stops[low] ?? UNCHANGED, stops[low + 1] ?? UNCHANGED];
  const mix = (index: 0 | 1 | 2): number => Math.round(from[index] + (to[index] - from[index]) * (place - low));
  return [mix(0), mix(1), mix(2)];
};

export const hexOf = (rgb: Rgb): string => `#${rgb.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
