/** The heat map for a terminal: two rows of cells in each line of text. */
import type { HeatMap } from './heat-map.js';
import { colourOf } from './palette.js';

const SHADES = [' ', '░', '▒', '▓', '█'];
const RESET = '\u001b[0m';

/** Largest order that fits a terminal; the side is as many columns and half as many lines. */
export const orderFor = (columns: number, rows: number): number => {
  let order = 3;
  while (order < 8 && 2 ** (order + 1) <= columns && 2 ** order <= rows - 4) order++;
  return order;
};

const colours = (map: HeatMap, x: number, y: number): string => {
  const upper = colourOf(map.share(x, y)).join(';');
  const lower = y + 1 < map.side ? colourOf(map.share(x, y + 1)).join(';') : upper;
  return `\u001b[38;2;${upper}m\u001b[48;2;${lower}m`;
};

/** A row of colour codes where they change only. */
const colouredLine = (map: HeatMap, y: number): string => {
  let [line, current] = ['', ''];
  for (let x = 0; x < map.side; x++) {
    const code = colours(map, x, y);
    line += code === current ? '▀' : `${code}▀`;
    current = code;
  }
  return `${line}${RESET}\n`;
};

/** A shade for two cells; the lightest if anything changed at all. */
const shade = (share: number): string =>
  SHADES[share <= 0 ? 0 : 1 + Math.min(3, Math.floor(Math.sqrt(share) * 4))] ?? ' ';

const plainLine = (map: HeatMap, y: number): string => {
  let line = '│';
  for (let x = 0; x < map.side; x++) {
    const rows = y + 1 < map.side ? 2 : 1;
    line += shade((map.share(x, y) + (rows === 2 ? map.share(x, y + 1) : 0)) / rows);
  }
  return `${line}│\n`;
};

/**
 * The map as lines of text.
 *
 * @param colour colours of 24 bits; without, shades in a frame
 */
export const heatMapText = (map: HeatMap, colour: boolean): string => {
  const lines: string[] = [];
  for (let y = 0; y < map.side; y += 2) lines.push(colour ? colouredLine(map, y) : plainLine(map, y));
  if (colour) return lines.join('');
  const edge = '─'.repeat(map.side);
  return `┌${edge}┐\n${lines.join('')}└${edge}┘\n`;
};
