/** Quantities as people read them. Works in browsers, too. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** A number in the largest unit of which there is at least one. */
const scaled = (bytes: number): readonly [value: number, unit: string] => {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit + 1 < UNITS.length) {
    value /= 1024;
    unit++;
  }
  return [value, UNITS[unit] ?? ''];
};

/** A size in its largest unit of at least one. */
export const humanBytes = (bytes: bigint): string => {
  const [value, unit] = scaled(Number(bytes));
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${unit}`;
};

/** An offset, with up to three digits of a fraction: eighths of a unit are exact. */
export const offsetText = (bytes: number): string => {
  const [value, unit] = scaled(bytes);
  return bytes === 0 ? '0' : `${Number(value.toFixed(3))} ${unit}`;
};

/** A whole number with separators of thousands. */
export const grouped = (value: number | bigint): string => `${value}`.replace(/\B(?=(\d{3})+$)/g, ',');

/** A share in percent; a small one with more digits: a block in a thousand still counts. */
export const percentText = (percent: number): string => `${percent.toFixed(percent < 1 ? 3 : 1)} %`;

export interface Tick {
  /** In bytes. */
  readonly offset: number;
  readonly text: string;
}

/** Even offsets for an axis from 0 to `bytes`, five to nine of them. */
export const offsetTicks = (bytes: number): Tick[] => {
  const step = 2 ** Math.ceil(Math.log2(bytes / 8));
  return Array.from({ length: Math.floor(bytes / step) + 1 }, (_, at) => ({
    offset: at * step,
    text: offsetText(at * step),
  }));
};
