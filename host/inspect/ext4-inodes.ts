/**
 * Inodes of blocks of an ext4 image.
 *
 * icheck looks every block that it is asked for up for every block of the filesystem. So it is asked for a sample
 * first; the extents of the inodes that turn up, which are the large ones, answer for most of the other blocks.
 */
import { ask, askAll } from './debugfs.js';

/** Blocks of a sample. */
const SAMPLE = 512;
/** A round goes on to the next one if it answered as many times the sample. */
const WORTHWHILE = 4;

const icheck = (image: string, blocks: Iterable<number>, inodes: Map<number, number>): Set<number> => {
  const found = new Set<number>();
  for (const line of ask(image, 'icheck', blocks)) {
    const match = /^(\d+)\t(\d+)$/.exec(line);
    if (!match) continue;
    inodes.set(Number(match[1]), Number(match[2]));
    found.add(Number(match[2]));
  }
  return found;
};

/** First index of an ascending list whose value is not below `wanted`. */
const lowerBound = (values: readonly number[], wanted: number): number => {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? Infinity) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Gives inodes to those of the blocks that lie in their extents. Inodes without extents answer nothing. */
const byExtents = (
  image: string,
  wanted: ReadonlySet<number>,
  blocks: readonly number[],
  inodes: Map<number, number>,
): void => {
  let inode = 0;
  const commands = [...wanted].map((number) => `ex -l <${number}>`);
  for (const line of askAll(image, commands)) {
    const command = /ex -l <(\d+)>/.exec(line);
    if (command) inode = Number(command[1]);
    // Depth, number, logical blocks, physical blocks.
    const extent = /^ *\d+\/ *\d+ +\d+\/ *\d+ +\d+ - +\d+ +(\d+) - +(\d+) /.exec(line);
    if (!extent) continue;
    const [start, end] = [Number(extent[1]), Number(extent[2])];
    for (let at = lowerBound(blocks, start); (blocks[at] ?? Infinity) <= end; at++) inodes.set(blocks[at] ?? 0, inode);
  }
};

/**
 * Finds the inodes of blocks.
 *
 * @param blocks blocks above 0, in any order
 * @returns the inode of each block that has one
 */
export const inodesOfBlocks = (image: string, blocks: readonly number[]): ReadonlyMap<number, number> => {
  const inodes = new Map<number, number>();
  const asked = new Set<number>();
  let open = [...blocks].sort((a, b) => a - b);
  while (open.length > WORTHWHILE * SAMPLE) {
    const step = Math.ceil(open.length / SAMPLE);
    const sample = open.filter((_, index) => index % step === 0);
    sample.forEach((block) => asked.add(block));
    byExtents(image, icheck(image, sample, inodes), open, inodes);
    const left = open.filter((block) => !inodes.has(block) && !asked.has(block));
    const worthwhile = open.length - left.length >= WORTHWHILE * SAMPLE;
    open = left;
    if (!worthwhile) break;
  }
  icheck(image, open, inodes);
  return inodes;
};
