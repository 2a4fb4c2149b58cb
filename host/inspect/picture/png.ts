/** PNG pictures of true colour, without a library (PNG specification, sections 5 and 11). */
import { deflateSync } from 'node:zlib';
import type { Drawing, Label } from './drawing.js';
import { heatMapDrawing } from './drawing.js';
import { GLYPH_ROWS, textDots, textWidth } from './glyphs.js';
import type { HeatMap } from './heat-map.js';
import type { Rgb } from './palette.js';

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

/** Pixels of a unit: the glyphs' dots are so wide, and cells of the finest map are one pixel. */
const SCALE = 2;
const [PAPER, INK]: readonly [Rgb, Rgb] = [
  [255, 255, 255],
  [34, 34, 34],
];

/** A picture in memory. */
class Canvas {
  readonly width: number;
  readonly height: number;
  readonly pixels: Buffer;

  constructor(width: number, height: number) {
    [this.width, this.height] = [width, height];
    this.pixels = Buffer.alloc(width * height * 3, Buffer.from(PAPER));
  }

  /** In pixels, cut at the edges. */
  fill(x: number, y: number, width: number, height: number, colour: Rgb): void {
    const [left, right] = [Math.max(0, Math.round(x)), Math.min(this.width, Math.round(x + width))];
    const [top, bottom] = [Math.max(0, Math.round(y)), Math.min(this.height, Math.round(y + height))];
    if (left >= right) return;
    const row = Buffer.alloc((right - left) * 3, Buffer.from(colour));
    for (let line = top; line < bottom; line++) row.copy(this.pixels, (line * this.width + left) * 3);
  }

  /** Dots of a line of text. */
  label({ text, x, y, anchor, turned }: Label): void {
    const shift = { start: 0, middle: 0.5, end: 1 }[anchor] * textWidth(text);
    for (const dot of textDots(text)) {
      const [along, across] = [dot.x - shift, dot.y - GLYPH_ROWS];
      const [dotX, dotY] =
        turned === undefined
          ? [x + along, y + across]
          : turned === 'up'
            ? [x + across, y - along - 1]
            : [x - across - 1, y + along];
      this.fill(Math.round(dotX) * SCALE, Math.round(dotY) * SCALE, SCALE, SCALE, INK);
    }
  }
}

export const drawingPng = ({ title, width, height, rects, labels }: Drawing): Buffer => {
  const canvas = new Canvas(width * SCALE, height * SCALE);
  for (const rect of rects)
    canvas.fill(rect.x * SCALE, rect.y * SCALE, rect.width * SCALE, rect.height * SCALE, rect.colour);
  for (const label of labels) canvas.label(label);
  return encodePng(canvas.width, canvas.height, canvas.pixels, { Title: title, Software: 'datto-inspect' });
};

/** The heat map as a picture. */
export const heatMapPng = (map: HeatMap, title: string): Buffer => drawingPng(heatMapDrawing(map, title));
