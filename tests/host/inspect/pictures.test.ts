import { inflateSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Label, Rect } from '../../../host/inspect/picture/drawing.js';
import { heatMapDrawing } from '../../../host/inspect/picture/drawing.js';
import { textDots, textWidth } from '../../../host/inspect/picture/glyphs.js';
import { heatMapText, orderFor } from '../../../host/inspect/picture/half-blocks.js';
import { HeatMap } from '../../../host/inspect/picture/heat-map.js';
import { hilbertCell } from '../../../host/inspect/picture/hilbert.js';
import { colourOf, UNCHANGED } from '../../../host/inspect/picture/palette.js';
import { drawingPng, encodePng, heatMapPng } from '../../../host/inspect/picture/png.js';
import { heatMapSvg } from '../../../host/inspect/picture/svg.js';

test('hilbertCell() visits each cell once, and always goes on to a neighbour', () => {
  for (let order = 0; order <= 5; order++) {
    const seen = new Set<number>();
    let last = hilbertCell(order, 0);
    for (let step = 0; step < 4 ** order; step++) {
      const cell = hilbertCell(order, step);
      seen.add(cell.y * 2 ** order + cell.x);
      assert.is(Math.abs(cell.x - last.x) + Math.abs(cell.y - last.y), step === 0 ? 0 : 1);
      last = cell;
    }
    assert.is(seen.size, 4 ** order);
  }
});

/** Sum of all cells' changed blocks, if cells are of `blocks` blocks each. */
const total = (map: HeatMap, blocks: number): number => {
  let sum = 0;
  for (let y = 0; y < map.side; y++) for (let x = 0; x < map.side; x++) sum += map.share(x, y) * blocks;
  return sum;
};

test('HeatMap puts each changed block into one cell', () => {
  const runs = [
    { start: 0, count: 1 },
    { start: 1000, count: 5000 },
    { start: 65535, count: 1 },
  ];
  const map = new HeatMap(runs, 65536, 4);
  assert.is(map.side, 16);
  assert.is(map.changedBlocks, 5002);
  assert.is(total(map, 256), 5002);
  const first = hilbertCell(4, 0);
  assert.is(map.share(first.x, first.y), 1 / 256);
});

test('HeatMap does with origins of any size, the smallest and the largest', () => {
  assert.is(new HeatMap([{ start: 0, count: 1 }], 1, 7).share(0, 0), 1);
  assert.is(new HeatMap([], 3, 7).side, 1);
  const odd = new HeatMap([{ start: 0, count: 4097 }], 4097, 6);
  for (let y = 0; y < odd.side; y++) for (let x = 0; x < odd.side; x++) assert.is(odd.share(x, y), 1);
  const large = new HeatMap([{ start: 2 ** 32 - 1, count: 1 }], 2 ** 32, 10);
  const last = hilbertCell(10, 4 ** 10 - 1);
  assert.is(large.share(last.x, last.y), 1 / 4096);
});

test('colourOf() tells one changed block from none, and gets lighter', () => {
  assert.equal(colourOf(0), UNCHANGED);
  const light = (share: number): number => colourOf(share).reduce((sum, part) => sum + part, 0);
  const shares = [0, 1e-9, 0.001, 0.01, 0.1, 0.3, 0.6, 1];
  shares.forEach((share, at) => assert.ok(at === 0 || light(share) > light(shares[at - 1] ?? 0), `${share}`));
});

/** Chunks of a PNG, read without the code under test. */
const chunksOf = (png: Buffer): Map<string, Buffer> => {
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    chunks.set(png.toString('latin1', at + 4, at + 8), png.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return chunks;
};

test('encodePng() writes what the specification asks for', () => {
  const png = encodePng(2, 1, Buffer.from([255, 0, 0, 0, 255, 0]), { Title: 'x' });
  assert.is(png.toString('latin1', 0, 8), '\u0089PNG\r\n\u001a\n');
  const chunks = chunksOf(png);
  assert.equal([...chunks.keys()], ['IHDR', 'tEXt', 'IDAT', 'IEND']);
  assert.is(chunks.get('IHDR')?.toString('hex'), '00000002000000010802000000');
  assert.equal([...inflateSync(chunks.get('IDAT') ?? '')], [0, 255, 0, 0, 0, 255, 0]);
  // The well-known checksum of an empty IEND.
  assert.is(png.toString('hex', png.length - 4), 'ae426082');
});

/** A PNG's pixels, read without the code under test. */
const pixelsOf = (png: Buffer): ((x: number, y: number) => number[]) => {
  const chunks = chunksOf(png);
  const width = chunks.get('IHDR')?.readUInt32BE(0) ?? 0;
  const lines = inflateSync(chunks.get('IDAT') ?? '');
  return (x, y) => [...lines.subarray(y * (width * 3 + 1) + 1 + x * 3, y * (width * 3 + 1) + 4 + x * 3)];
};

/** Where the map is in the picture, in units of two pixels: the first rectangle. */
const placeOf = (map: HeatMap): Rect => heatMapDrawing(map, '').rects[0]!;

test('heatMapPng() enlarges cells to squares of pixels', () => {
  const map = new HeatMap([{ start: 0, count: 16384 }], 65536, 4);
  const pixel = pixelsOf(heatMapPng(map, 'quarter'));
  const place = placeOf(map);
  for (let y = 0; y < 1024; y += 37)
    for (let x = 0; x < 1024; x += 37)
      assert.equal(pixel(2 * place.x + x, 2 * place.y + y), [...colourOf(map.share(x >> 6, y >> 6))]);
});

test('a picture has a title, the offsets of the quarters, an axis of offsets, and a legend, inside its edges', () => {
  const map = new HeatMap([{ start: 100, count: 5 }], 5242880, 7);
  const { width, height, labels, rects } = heatMapDrawing(map, 'a title');
  const texts = labels.map(({ text }) => text);
  for (const text of ['a title', '0 to 5 GiB', '15 GiB to 20 GiB', '4 GiB', '16 GiB', 'unchanged', 'a block', '25 %'])
    assert.ok(texts.includes(text), text);
  assert.match(texts.at(-1) ?? '', /^a cell is 1\.25 MiB, 320 blocks;/);
  for (const { text, x, anchor, turned } of labels) {
    if (turned !== undefined) continue;
    const left = x - { start: 0, middle: 0.5, end: 1 }[anchor] * textWidth(text);
    assert.ok(left >= 0 && left + textWidth(text) <= width, text);
  }
  for (const { x, y, width: w, height: h } of rects) assert.ok(x >= 0 && y >= 0 && x + w <= width && y + h <= height);
  assert.is(rects.filter(({ colour }) => colour === UNCHANGED).length, 3);
});

test('every sign of the texts of a picture has a glyph of its own', () => {
  const map = new HeatMap([{ start: 100, count: 5 }], 2 ** 34, 7);
  const signs = heatMapDrawing(map, 'snapshot 1: 2,345 of 678,900 blocks changed, 0.123 %').labels.map(
    ({ text }) => text,
  );
  const dotsOf = (sign: string): string => JSON.stringify([...textDots(sign)]);
  const drawn = new Map([...new Set([...signs.join('')])].map((sign) => [dotsOf(sign), sign]));
  assert.is(drawn.size, new Set(signs.join('')).size);
  assert.not(drawn.has(dotsOf('\u0000')));
});

test('drawingPng() puts the dots of a text where its label says, turned or not', () => {
  const label = { text: 'T', x: 20, y: 20 };
  const inkAt = (turned: 'up' | 'down' | undefined): string[] => {
    const one: Label = { ...label, anchor: 'start', ...(turned === undefined ? {} : { turned }) };
    const pixel = pixelsOf(drawingPng({ title: '', width: 40, height: 40, rects: [], labels: [one] }));
    const found: string[] = [];
    for (let y = 0; y < 40; y++)
      for (let x = 0; x < 40; x++) if (pixel(2 * x, 2 * y)[0] === 34) found.push(`${x} ${y}`);
    return found;
  };
  const bar = [0, 1, 2, 3, 4];
  const stem = [1, 2, 3, 4, 5, 6];
  const sorted = (places: number[][]): string[] =>
    places.sort(([x = 0, y = 0], [ox = 0, oy = 0]) => y - oy || x - ox).map((place) => place.join(' '));
  assert.equal(inkAt(undefined), sorted([...bar.map((at) => [20 + at, 13]), ...stem.map((at) => [22, 13 + at])]));
  assert.equal(inkAt('up'), sorted([...bar.map((at) => [13, 19 - at]), ...stem.map((at) => [13 + at, 17])]));
  assert.equal(inkAt('down'), sorted([...bar.map((at) => [26, 20 + at]), ...stem.map((at) => [26 - at, 22])]));
});

test('heatMapSvg() is well-formed whatever the title is, and draws what changed only', () => {
  const map = new HeatMap([{ start: 0, count: 256 }], 65536, 4);
  const svg = heatMapSvg(map, '<&">\u0000');
  assert.match(svg, /<title>&lt;&amp;&quot;&gt;\ufffd<\/title>/);
  const { x, y } = placeOf(map);
  const cell = `<rect x="${x}" y="${y}" width="32" height="32" fill="#fcfab4"/>`;
  assert.is(svg.split(cell).length, 2);
  assert.ok(heatMapSvg(new HeatMap([], 65536, 7), '').length < 8000);
});

test('HeatMap.strip() has the shares by offset, and parts() cuts runs where cells end', () => {
  const map = new HeatMap([{ start: 0, count: 16384 }], 65536, 6);
  assert.equal(map.strip(8), [1, 1, 0, 0, 0, 0, 0, 0]);
  assert.is(map.strip(100000).length, 4096);
  assert.equal(
    [...map.parts({ start: 15.25, count: 17 })],
    [
      { step: 0, count: 0.75 },
      { step: 1, count: 16 },
      { step: 2, count: 0.25 },
    ],
  );
});

test('heatMapText() has half as many lines as the map has rows', () => {
  const map = new HeatMap([{ start: 0, count: 16384 }], 65536, 3);
  const coloured = heatMapText(map, true).split('\n');
  assert.is(coloured.length, 5);
  assert.is(coloured[0]?.replace(/\u001b\[[0-9;]*m/g, ''), '▀▀▀▀▀▀▀▀');
  const plain = heatMapText(map, false);
  assert.not(plain.includes('\u001b'));
  assert.equal(plain.split('\n').slice(0, 4), ['┌────────┐', '│████    │', '│████    │', '│        │']);
  assert.ok(heatMapText(new HeatMap([{ start: 9, count: 1 }], 2 ** 32, 3), false).includes('░'));
  assert.is(heatMapText(new HeatMap([{ start: 0, count: 1 }], 1, 3), true).split('\n').length, 2);
});

test('orderFor() fits the terminal', () => {
  assert.is(orderFor(80, 24), 5);
  assert.is(orderFor(64, 36), 6);
  assert.is(orderFor(200, 80), 7);
  assert.is(orderFor(10, 5), 3);
});

test.run();
