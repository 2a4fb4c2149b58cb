// Where a COW file in incremental mode has its two dirty maps and the pieces of its two checkpoints, computed here from the
// documents (docs/FORMAT.md, A.11).

const BLOCK = 4096n;
const HEADER = 4096n;
const CHUNK_BLOCKS = 262144n;
const REGION_BLOCKS_MIN = 256n;
/** A sector of the map has 63 words and a checksum. */
const MAP_BLOCK_REGIONS = 8n * 63n * 64n;

const ceilDiv = (value: bigint, unit: bigint): bigint => (value + unit - 1n) / unit;

export const blocksOf = (nrSectors: bigint): bigint => ceilDiv(nrSectors, 8n);
export const chunksOf = (nrSectors: bigint): bigint => ceilDiv(blocksOf(nrSectors), CHUNK_BLOCKS);

/** Bytes of header and index. */
export const dataOffset = (nrSectors: bigint): bigint => HEADER + ceilDiv(nrSectors / 8n, 4096n) * 32768n;

/** Blocks of a dirty map with regions of so many blocks. */
export const mapBlocks = (nrSectors: bigint, regionBlocks = REGION_BLOCKS_MIN): bigint =>
  ceilDiv(ceilDiv(blocksOf(nrSectors), regionBlocks), MAP_BLOCK_REGIONS);

export const mapOffset = (nrSectors: bigint, map: bigint): bigint => HEADER + map * mapBlocks(nrSectors) * BLOCK;

/** Bytes of the directory, which comes first, and of each chunk. */
export const directoryBytes = (nrSectors: bigint): bigint => ceilDiv(chunksOf(nrSectors), 4n * BLOCK) * BLOCK;
export const chunkBytes = (nrSectors: bigint): bigint => {
  const bytes = ceilDiv(blocksOf(nrSectors), 8n * BLOCK) * BLOCK;
  return bytes < 32768n ? bytes : 32768n;
};

/** Bytes of all pieces that there can be. */
export const slotBytes = (nrSectors: bigint): bigint =>
  directoryBytes(nrSectors) + 2n * chunksOf(nrSectors) * chunkBytes(nrSectors);

export const slotOffset = (nrSectors: bigint, slot: bigint): bigint =>
  mapOffset(nrSectors, 2n) + slot * slotBytes(nrSectors);
