/** COW files of both modes as a driver closes them, with the origin and the snapshot that they are of. */
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { dataOffset } from '../cow-maker.js';

const BLOCK = 4096;
/** A random id of version 4, as drivers make them. */
export const SERIES = Buffer.from('59f6e5eca78e40df90f8d4c98373e791', 'hex');

/** A generator of numbers that gives the same ones for the same seed. */
export const randomFrom = (seed: number): ((below: number) => number) => {
  let state = (seed % 2147483646) + 1;
  return (below) => (state = (state * 48271) % 2147483647) % below;
};

export interface Golden {
  readonly nrSectors: number;
  /** Blocks that changed, in the order in which they did. */
  readonly changed: readonly number[];
  readonly seqid?: bigint;
  readonly flags?: number;
  /** Snapshot mode: how many blocks there is room for besides those that changed. */
  readonly spare?: number;
  readonly version?: bigint;
}

const header = (golden: Golden, flags: number, fpos: number, fsize: number): Buffer => {
  const bytes = Buffer.alloc(64);
  const version = golden.version ?? 1n;
  bytes.writeUInt32LE(4776, 0);
  bytes.writeUInt32LE(golden.flags ?? flags, 4);
  bytes.writeBigUInt64LE(BigInt(fpos), 8);
  bytes.writeBigUInt64LE(BigInt(fsize), 16);
  bytes.writeBigUInt64LE(golden.seqid ?? 1n, 24);
  SERIES.copy(bytes, 32);
  bytes.writeBigUInt64LE(version, 48);
  bytes.writeBigUInt64LE(version === 0n ? 0n : BigInt(golden.changed.length), 56);
  return bytes;
};

const writeEntry = (fd: number, block: number, value: number): void => {
  const entry = Buffer.alloc(8);
  entry.writeBigUInt64LE(BigInt(value));
  writeSync(fd, entry, 0, 8, BLOCK + 8 * block);
};

/**
 * An incremental: the first half of the blocks were copied before the mode changed, and keep their positions.
 */
export const makeIncremental = (path: string, golden: Golden): void => {
  const index = dataOffset(golden.nrSectors);
  const copied = Math.floor(golden.changed.length / 2);
  const fd = openSync(path, 'w');
  writeSync(fd, header(golden, 3, index / BLOCK + copied, index), 0, 64, 0);
  golden.changed.forEach((block, at) => writeEntry(fd, block, at < copied ? index / BLOCK + at : 1));
  ftruncateSync(fd, index);
  closeSync(fd);
};

/** A snapshot: the old content of each block that changed lies in the file, one after the other. */
export const makeSnapshot = (path: string, golden: Golden, oldContent: (block: number) => Buffer): void => {
  const index = dataOffset(golden.nrSectors);
  const first = index / BLOCK;
  const fsize = index + (golden.changed.length + (golden.spare ?? 3)) * BLOCK;
  const fd = openSync(path, 'w');
  writeSync(fd, header(golden, 1, first + golden.changed.length, fsize), 0, 64, 0);
  ftruncateSync(fd, fsize);
  golden.changed.forEach((block, at) => {
    writeEntry(fd, block, first + at);
    const content = oldContent(block);
    writeSync(fd, content, 0, content.length, (first + at) * BLOCK);
  });
  closeSync(fd);
};

export interface Scene {
  readonly snapshot: Buffer;
  /** The origin when the file was closed. */
  readonly base: Buffer;
}

/**
 * Writes an origin's image at `basePath` and a snapshot-mode file at `cowPath`.
 *
 * Content is random but for each fourth block, which is zeros.
 */
export const makeScene = (basePath: string, cowPath: string, golden: Golden, seed: number): Scene => {
  const random = randomFrom(seed);
  const snapshot = Buffer.alloc(golden.nrSectors * 512);
  for (let at = 0; at < snapshot.length; at += BLOCK) {
    if (random(4) !== 0) snapshot.fill(`${random(1e9)}`, at, Math.min(at + BLOCK, snapshot.length));
  }
  const base = Buffer.from(snapshot);
  for (const block of golden.changed) {
    const end = Math.min((block + 1) * BLOCK, base.length);
    base.fill(random(3) === 0 ? 0 : `${random(1e9)}`, block * BLOCK, end);
  }
  const old = (block: number): Buffer => {
    const content = Buffer.alloc(BLOCK);
    snapshot.copy(content, 0, block * BLOCK, (block + 1) * BLOCK);
    return content;
  };
  makeSnapshot(cowPath, golden, old);
  // Zeros become holes.
  const fd = openSync(basePath, 'w');
  for (let at = 0; at < base.length; at += BLOCK) {
    const block = base.subarray(at, at + BLOCK);
    if (block.some((byte) => byte !== 0)) writeSync(fd, block, 0, block.length, at);
  }
  ftruncateSync(fd, base.length);
  closeSync(fd);
  return { snapshot, base };
};

/** As many different blocks as asked for, some next to each other. */
export const randomBlocks = (nr: number, nrBlocks: number, seed: number): number[] => {
  const random = randomFrom(seed);
  const blocks = new Set<number>();
  while (blocks.size < Math.min(nr, nrBlocks)) {
    const start = random(nrBlocks);
    for (let block = start; block < Math.min(nrBlocks, start + 1 + random(9)) && blocks.size < nr; block++) {
      blocks.add(block);
    }
  }
  return [...blocks];
};

// As a program: the golden files of both modes, for trying the tools by hand.
if (process.argv[1]?.endsWith('golden.ts')) {
  const [, , folder = '.'] = process.argv;
  const golden = { nrSectors: 524288, changed: randomBlocks(3000, 65536, 1) };
  makeIncremental(`${folder}/incremental.datto`, { ...golden, seqid: 2n });
  const { snapshot } = makeScene(`${folder}/base.img`, `${folder}/snapshot.datto`, golden, 1);
  writeFileSync(`${folder}/snapshot.img`, snapshot);
}
