/** A volume cut into chunks, each a file of its own. chunkview shows them. */
import type { BlockRun } from '../../cow/runs.js';
import { BLOCK_BYTES } from '../../layout.js';

const KIB = 1024;
const TIB = KIB ** 4;

/** Size of the chunks of a volume, in bytes: small ones follow scattered changes, many take the engine's memory and time. */
export const chunkBytesFor = (volumeBytes: number): number =>
  KIB * (volumeBytes <= TIB ? 256 : volumeBytes <= 4 * TIB ? 512 : 1024);

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
 * Chunks of the volume that runs of blocks touch.
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
