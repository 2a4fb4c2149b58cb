/** A volume cut into chunks, each a file of its own. chunkview shows them. */
import type { BlockRun } from '../../cow/runs.js';
import { BLOCK_BYTES } from '../../layout.js';

/** Size of a chunk: docs/TARGETS.md has the measurement. */
export const CHUNK_BYTES = 1048576;

/** What a chunked volume is: sizes in bytes. */
export interface Geometry {
  readonly volumeBytes: number;
  readonly chunkBytes: number;
}

export const chunkCount = ({ volumeBytes, chunkBytes }: Geometry): number => Math.ceil(volumeBytes / chunkBytes);

/** Size of a chunk; the last one ends with the volume. */
export const bytesOfChunk = ({ volumeBytes, chunkBytes }: Geometry, chunk: number): number =>
  Math.min(chunkBytes, volumeBytes - chunk * chunkBytes);

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

/** Path of a chunk in the view: names ascend as offsets do. */
export const pathOfChunk = (chunk: number): string =>
  `${hex(Math.floor(chunk / 65536), 4)}/${hex(Math.floor(chunk / 256) % 256, 2)}/${hex(chunk % 256, 2)}`;

/**
 * Chunks that runs of blocks touch; blocks beyond the end of the volume are in none.
 *
 * @param runs in any order
 * @returns ascending numbers
 */
export const chunksOf = (runs: Iterable<BlockRun>, geometry: Geometry): number[] => {
  const count = chunkCount(geometry);
  const touched = new Set<number>();
  for (const run of runs) {
    const first = Math.floor((run.start * BLOCK_BYTES) / geometry.chunkBytes);
    const last = Math.floor(((run.start + run.count) * BLOCK_BYTES - 1) / geometry.chunkBytes);
    for (let chunk = first; chunk <= Math.min(last, count - 1); chunk++) touched.add(chunk);
  }
  return [...touched].sort((a, b) => a - b);
};
