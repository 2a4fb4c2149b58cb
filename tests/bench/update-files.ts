/** The files of the update bench: a snapshot, an image of the one before, and a COW file for each case. */
import { randomFillSync } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomNumbers } from '../../host/copy/compare.js';
import { makeCowFile, UUID } from '../host/cow-maker.js';

const BLOCK = 4096;
const MIB = 1048576;

export type Case = 'scattered' | 'runs' | 'whole';

/** Blocks of each case, ascending. */
export const changedBlocks = (which: Case, nrBlocks: number): number[] => {
  const random = randomNumbers(1);
  if (which === 'whole') return Array.from({ length: nrBlocks }, (_, block) => block);
  if (which === 'scattered') {
    const chosen = new Set<number>();
    while (chosen.size < Math.min(20000, nrBlocks / 8)) chosen.add(random(nrBlocks));
    return [...chosen].sort((a, b) => a - b);
  }
  // Runs of 1 to 31 blocks, 64 KiB in the mean, with nine times as much between them.
  const blocks: number[] = [];
  for (let block = random(287); block < nrBlocks; block += 1 + random(287)) {
    for (const end = Math.min(nrBlocks, block + 1 + random(31)); block < end; block++) blocks.push(block);
  }
  return blocks;
};

/** Writes a file of bytes that do not repeat and are not zeros. */
const writeRandom = (path: string, bytes: number): void => {
  const fd = openSync(path, 'w');
  const piece = randomFillSync(Buffer.alloc(MIB));
  for (let offset = 0; offset < bytes; offset += MIB) {
    piece.writeUInt32LE(offset / MIB);
    writeSync(fd, piece, 0, MIB, offset);
  }
  fsyncSync(fd);
  closeSync(fd);
};

/** What the info ioctl answers: an active snapshot, number 2 of the series. */
const infoOfSnapshot = (): Buffer => {
  const info = Buffer.alloc(8272);
  info.writeUInt32LE(7, 0);
  info.writeBigUInt64LE(3n, 8);
  info.writeBigUInt64LE(2n, 40);
  UUID.copy(info, 48);
  info.write('/dev/nonexistent', 4160);
  return info;
};

/** Makes the files: snap, image, info, and cow.<case>. */
export const makeFiles = (folder: string, bytes: number, cases: readonly Case[]): void => {
  writeRandom(join(folder, 'snap'), bytes);
  writeRandom(join(folder, 'image'), bytes);
  writeFileSync(join(folder, 'info'), infoOfSnapshot());
  for (const which of cases) {
    const blocks = changedBlocks(which, bytes / BLOCK);
    makeCowFile(join(folder, `cow.${which}`), { nrSectors: bytes / 512, entries: blocks.map((block) => [block, 1n]) });
  }
};
