/** A volume with files of which some blocks changed, and its COW files, for reports. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeIncremental, randomFrom } from '../host/inspect/golden.js';

const BLOCK = 4096;

export interface VolumeFile {
  readonly path: string;
  readonly blocks: number;
  /** Share of its blocks that changed, from 0 to 1, for each COW file. */
  readonly changed: readonly number[];
}

const debugfs = (image: string, command: string): string =>
  execFileSync('debugfs', ['-R', command, image], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

/** Inodes by the names in a folder. A name with a slash or a line end does not fit in here. */
const inodesIn = (image: string, folder: string): Map<string, number> =>
  new Map(
    [...debugfs(image, `ls -p "${folder}"`).matchAll(/^\/(\d+)\/\d+\/\d+\/\d+\/(.*)\/\d*\/$/gm)].map(
      ([, inode, name = '']) => [name, Number(inode)],
    ),
  );

/** Blocks of a file, in its order. */
const blocksOf = (image: string, path: string): number[] => {
  const inode = inodesIn(image, dirname(path)).get(path.slice(path.lastIndexOf('/') + 1));
  if (inode === undefined) throw new Error(`${image} has no ${path}`);
  return debugfs(image, `blocks <${inode}>`).trim().split(/\s+/).map(Number);
};

/**
 * Makes an ext4 image, and one COW file for each share of the files' changes.
 *
 * @param cows paths; the file of snapshot 1 is the first
 * @returns by COW file, the changed blocks
 */
export const makeVolume = (
  image: string,
  bytes: number,
  files: readonly VolumeFile[],
  cows: readonly string[],
): number[][] => {
  const tree = `${image}.tree`;
  for (const { path, blocks } of files) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), Buffer.alloc(blocks * BLOCK, path));
  }
  writeFileSync(image, '');
  truncateSync(image, bytes);
  execFileSync('mkfs.ext4', ['-q', '-F', '-b', `${BLOCK}`, '-d', tree, image]);
  rmSync(tree, { recursive: true });
  const random = randomFrom(7);
  const own = files.map((file) => ({ ...file, at: blocksOf(image, file.path) }));
  return cows.map((cow, number) => {
    // Superblock, bitmaps and inodes change each time.
    const changed = Array.from({ length: 150 }, (_, block) => block);
    for (const { at, changed: shares } of own) {
      const share = shares[number] ?? 0;
      for (const block of at) if (random(1e6) < share * 1e6) changed.push(block);
    }
    makeIncremental(cow, { nrSectors: bytes / 512, changed, seqid: BigInt(number + 1) });
    return changed;
  });
};
