/** Reads an opened restore point, and finds what cannot be read. */
import { randomInt } from 'node:crypto';
import { sampleUnlisted } from '../../copy/compare.js';
import { EIO, errnoOf } from '../../errors.js';
import { BLOCK_BYTES } from '../../layout.js';
import { OpenFile } from '../../system/files.js';
import type { PointDamage } from '../target.js';
import type { Geometry } from './chunk.js';
import { bytesOfChunk, chunkCount } from './chunk.js';

/**
 * Reads chunks of a point.
 *
 * @param path of the opened point
 * @param sample number of chunks, spread over the volume; undefined: all
 * @param onDamage called for each chunk that cannot be read
 * @returns blocks that cannot be read
 * @throws SystemError, but for EIO
 */
export const readPoint = (
  path: string,
  geometry: Geometry,
  sample: number | undefined,
  onDamage: (damage: PointDamage) => void,
  onProgress: (doneBytes: number) => void,
): number => {
  const count = chunkCount(geometry);
  const chosen = sampleUnlisted([], 0, count, Math.min(sample ?? count, count), (below) => randomInt(below));
  const file = OpenFile.open(path, 'r');
  try {
    let [damaged, done] = [0, 0];
    for (const { start: chunk } of chosen) {
      if (!canRead(file, geometry, chunk)) {
        const damage = blocksOf(geometry, chunk);
        damaged += damage.count;
        onDamage(damage);
      }
      onProgress((done += bytesOfChunk(geometry, chunk)));
    }
    return damaged;
  } finally {
    file.close();
  }
};

const blocksOf = (geometry: Geometry, chunk: number): PointDamage => ({
  start: (chunk * geometry.chunkBytes) / BLOCK_BYTES,
  count: Math.ceil(bytesOfChunk(geometry, chunk) / BLOCK_BYTES),
});

const canRead = (file: OpenFile, geometry: Geometry, chunk: number): boolean => {
  try {
    file.readFull(Buffer.alloc(bytesOfChunk(geometry, chunk)), chunk * geometry.chunkBytes);
    return true;
  } catch (error) {
    if (errnoOf(error) === EIO) return false;
    throw error;
  }
};
