/**
 * A block map as bmaptool reads it: XML, format 2.0.
 *
 * The file carries a checksum of itself, made while the checksum's own digits are zeros. Ranges carry checksums of
 * the image's content if there is an image.
 */

import { createHash } from 'node:crypto';
import type { BlockRun } from '../cow/runs.js';
import { PIECE_BYTES } from '../cow/runs.js';
import { BLOCK_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';

const ZERO_CHECKSUM = '0'.repeat(64);

/** Checksum of a run of an image; a partial last block ends with the image. */
const runChecksum = (image: OpenFile, imageBytes: number, { start, count }: BlockRun): string => {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(PIECE_BYTES);
  const end = Math.min((start + count) * BLOCK_BYTES, imageBytes);
  for (let at = start * BLOCK_BYTES; at < end; at += PIECE_BYTES) {
    const piece = buffer.subarray(0, Math.min(PIECE_BYTES, end - at));
    image.readFull(piece, at);
    hash.update(piece);
  }
  return hash.digest('hex');
};

const rangeLine = ({ start, count }: BlockRun, checksum: string | undefined): string => {
  const attribute = checksum === undefined ? '' : ` chksum="${checksum}"`;
  const blocks = count === 1 ? `${start}` : `${start}-${start + count - 1}`;
  return `        <Range${attribute}> ${blocks} </Range>\n`;
};

/**
 * Makes a block map.
 *
 * @param runs the blocks to be copied, ascending
 * @param imageBytes size of the image
 * @param image the image that is to be copied from, for checksums of its content; undefined for a map without them
 */
export const makeBmap = (runs: Iterable<BlockRun>, imageBytes: number, image: OpenFile | undefined): string => {
  const ranges: string[] = [];
  let mapped = 0;
  for (const run of runs) {
    mapped += run.count;
    ranges.push(rangeLine(run, image && runChecksum(image, imageBytes, run)));
  }
  const blocks = Math.ceil(imageBytes / BLOCK_BYTES);
  const text = [
    '<?xml version="1.0" ?>\n',
    `<!-- The ${mapped} blocks of ${blocks} that changed since the last snapshot. -->\n`,
    '<bmap version="2.0">\n',
    `    <ImageSize> ${imageBytes} </ImageSize>\n`,
    `    <BlockSize> ${BLOCK_BYTES} </BlockSize>\n`,
    `    <BlocksCount> ${blocks} </BlocksCount>\n`,
    `    <MappedBlocksCount> ${mapped} </MappedBlocksCount>\n`,
    '    <ChecksumType> sha256 </ChecksumType>\n',
    `    <BmapFileChecksum> ${ZERO_CHECKSUM} </BmapFileChecksum>\n`,
    '    <BlockMap>\n',
    ...ranges,
    '    </BlockMap>\n',
    '</bmap>\n',
  ].join('');
  return text.replace(ZERO_CHECKSUM, createHash('sha256').update(text).digest('hex'));
};
