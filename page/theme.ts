/** Colours of plots, in light and in dark. */
import { colourOf, hexOf, type Rgb, UNCHANGED } from '../host/inspect/picture/palette.js';

const dark = window.matchMedia('(prefers-color-scheme: dark)');

export const onTheme = (draw: () => void): void => dark.addEventListener('change', draw);

/** On white, more is darker; on black, more is lighter, as in pictures. */
const LIGHT: readonly Rgb[] = [
  [251, 208, 107],
  [246, 129, 48],
  [214, 69, 80],
  [158, 42, 110],
  [92, 33, 120],
  [42, 17, 80],
];
const LIGHT_UNCHANGED = '#e8eaf0';

/** Colour of a share of changed blocks, from 0 to 1. */
export const shareColour = (share: number): string => {
  if (dark.matches) return share <= 0 ? hexOf(UNCHANGED) : hexOf(colourOf(share));
  return share <= 0 ? LIGHT_UNCHANGED : hexOf(colourOf(share, LIGHT));
};

/** Even hues for folders; undefined for what is no file. */
export const areaColour = (number: number | undefined): string => {
  if (number === undefined) return dark.matches ? '#3a3d48' : '#dcdfe6';
  const hue = (215 + number * 137.5) % 360;
  return dark.matches ? `hsl(${hue} 38% 30%)` : `hsl(${hue} 60% 82%)`;
};

export const barColour = (): string => (dark.matches ? '#7aa2f7' : '#2f6fd6');
