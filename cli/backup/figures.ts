/** The figures of a backup, as text and as keys of JSON. */
import type { Copied } from '../../host/backup/figures.js';
import { figuresOf } from '../../host/backup/figures.js';
import { MIB_BYTES } from '../../host/layout.js';

const HOUR = 3600;

/** One digit after the point below 10, none above. */
const short = (value: number): string => value.toFixed(value < 9.95 ? 1 : 0);

/** Seconds, or minutes and seconds, or hours and minutes. */
export const secondsText = (seconds: number): string => {
  if (seconds < 99.5) return `${short(seconds)} s`;
  const whole = Math.round(seconds);
  return whole < HOUR
    ? `${Math.floor(whole / 60)} min ${whole % 60} s`
    : `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / 60)} min`;
};

/** `30 MiB/s` and `0.3 % of the volume`, as far as they are known. */
export const figureTexts = (copied: Copied): string[] => {
  const { bytesPerSecond, copiedRatio } = figuresOf(copied);
  return [
    ...(bytesPerSecond === undefined ? [] : [`${short(bytesPerSecond / MIB_BYTES)} MiB/s`]),
    ...(copiedRatio === undefined ? [] : [`${short(copiedRatio * 100)} % of the volume`]),
  ];
};

/** The last line of a backup. */
export const summaryLine = (copied: Copied & { readonly seconds: number }): string => {
  const { copiedBlocks } = figuresOf(copied);
  const blocks = `${copiedBlocks} ${copiedBlocks === 1 ? 'block' : 'blocks'} copied`;
  const copying = copied.copySeconds === undefined ? blocks : `${blocks} in ${secondsText(copied.copySeconds)}`;
  return `${[copying, ...figureTexts(copied)].join(', ')}; the run took ${secondsText(copied.seconds)}`;
};

/** Keys of JSON; null is what is not known. */
export const figuresJson = (copied: Copied): Readonly<Record<string, number | null>> => {
  const { copiedBlocks, bytesPerSecond, copiedRatio } = figuresOf(copied);
  return {
    copied_blocks: copiedBlocks,
    copy_seconds: copied.copySeconds ?? null,
    copied_bytes_per_second: bytesPerSecond === undefined ? null : Math.round(bytesPerSecond),
    copied_ratio: copiedRatio ?? null,
  };
};
