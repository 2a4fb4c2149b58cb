/**
 * Inodes of blocks of an ext4 image.
 *
 * icheck compares every block of the filesystem with every block of its list. So it gets a sample first: it finds the large
 * inodes, and their extents cover most of the other blocks.
 */
import { runCommand, runCommands } from './debugfs.js';

/** Blocks of a sample. */
const SAMPLE = 512;
/** Extents of a large file, about. */
const EXTENTS = 1000;
/** Another round follows if one found the inodes of so many times the sample. */
const WORTHWHILE = 4;

/** Blocks, ascending, and the inode of each that is known; 0 is none. */
class Found {
  readonly blocks: readonly number[];
  readonly inodes: Uint32Array;

  constructor(blocks: readonly number[]) {
    this.blocks = blocks;
    this.inodes = new Uint32Array(blocks.length);
  }

  /** First index whose block is not below `wanted`. */
  indexFrom(wanted: number): number {
    let [low, high] = [0, this.blocks.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.blocks[middle] ?? Infinity) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Gives an inode to those of the blocks from `start` to `end`. */
  note(start: number, end: number, inode: number): void {
    for (let at = this.indexFrom(start); (this.blocks[at] ?? Infinity) <= end; at++) this.inodes[at] = inode;
  }
}

const icheck = (image: string, blocks: Iterable<number>, found: Found): Set<number> => {
  const inodes = new Set<number>();
  for (const line of runCommand(image, 'icheck', blocks)) {
    const match = /^(\d+)\t(\d+)$/.exec(line);
    if (!match) continue;
    const [block, inode] = [Number(match[1]), Number(match[2])];
    found.note(block, block, inode);
    inodes.add(inode);
  }
  return inodes;
};

/** Gives inodes to the blocks in their extents. For inodes without extents, nothing is printed. */
const byExtents = (image: string, wanted: ReadonlySet<number>, found: Found): void => {
  let inode = 0;
  const commands = [...wanted].map((number) => ({ command: `ex -l <${number}>`, lines: EXTENTS }));
  for (const line of runCommands(image, commands)) {
    const command = /ex -l <(\d+)>/.exec(line);
    if (command) inode = Number(command[1]);
    // Depth, number, logical blocks, physical blocks.
    const extent = /^ *\d+\/ *\d+ +\d+\/ *\d+ +\d+ - +\d+ +(\d+) - +(\d+) /.exec(line);
    if (extent) found.note(Number(extent[1]), Number(extent[2]), inode);
  }
};

/**
 * Finds the inodes of blocks.
 *
 * @param blocks blocks above 0, ascending
 * @returns the inode of each block; 0 if it has none
 */
export const inodesOfBlocks = (image: string, blocks: readonly number[]): Uint32Array => {
  const found = new Found(blocks);
  const tried = new Uint8Array(blocks.length);
  /** Indexes of blocks without a known inode. */
  let open: number[] = blocks.map((_, index) => index);
  const blocksOf = (indexes: readonly number[]): number[] => indexes.map((index) => blocks[index] ?? 0);
  while (open.length > WORTHWHILE * SAMPLE) {
    const step = Math.ceil(open.length / SAMPLE);
    const sample = open.filter((_, index) => index % step === 0);
    for (const index of sample) tried[index] = 1;
    byExtents(image, icheck(image, blocksOf(sample), found), found);
    const left = open.filter((index) => found.inodes[index] === 0 && tried[index] === 0);
    const worthwhile = open.length - left.length >= WORTHWHILE * SAMPLE;
    open = left;
    if (!worthwhile) break;
  }
  icheck(image, blocksOf(open), found);
  return found.inodes;
};
