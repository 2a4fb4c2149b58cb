/** PNG pictures of true colour, without a library (PNG specification, sections 5 and 11). */
import { deflateSync } from 'node:zlib';
import type { HeatMap } from './heat-map.js';
import { colourOf } from './palette.js';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
  return rest >>> 0;
});

const crc32 = (bytes: Uint8Array): number => {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
};

const chunk = (type: string, data: Buffer): Buffer => {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  data.copy(bytes, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
};

/**
 * Encodes a picture.
 *
 * @param pixels red, green and blue of each pixel, row by row
 * @param texts keywords of one to 79 Latin-1 characters, and what is kept under them
 */
export const encodePng = (
  width: number,
  height: number,
  pixels: Buffer,
  texts: Readonly<Record<string, string>> = {},
): Buffer => {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits per part, true colour; deflate, the standard filters, not interlaced.
  header.set([8, 2, 0, 0, 0], 8);
  const row = width * 3;
  const lines = Buffer.alloc((row + 1) * height);
  for (let y = 0; y < height; y++) pixels.copy(lines, y * (row + 1) + 1, y * row, (y + 1) * row);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    ...Object.entries(texts).map(([key, text]) => chunk('tEXt', Buffer.from(`${key}\0${text}`, 'latin1'))),
    chunk('IDAT', deflateSync(lines, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
};

/** Least side of the picture, in pixels. */
const SIDE_MIN = 512;

/** The heat map as a picture; each cell is a square of pixels. */
export const heatMapPng = (map: HeatMap, title: string): Buffer => {
  const scale = Math.max(1, Math.ceil(SIDE_MIN / map.side));
  const side = map.side * scale;
  const pixels = Buffer.alloc(side * side * 3);
  for (let y = 0; y < map.side; y++) {
    const start = y * scale * side * 3;
    for (let x = 0; x < map.side; x++) {
      const colour = Buffer.from(colourOf(map.share(x, y)));
      pixels.fill(colour, start + x * scale * 3, start + (x + 1) * scale * 3);
    }
    for (let line = 1; line < scale; line++) pixels.copyWithin(start + line * side * 3, start, start + side * 3);
  }
  return encodePng(side, side, pixels, { Title: title, Software: 'datto-inspect' });
};
