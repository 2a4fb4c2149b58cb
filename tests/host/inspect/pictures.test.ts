import { inflateSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { heatMapText, orderFor } from '../../../host/inspect/picture/half-blocks.js';
import { HeatMap } from '../../../host/inspect/picture/heat-map.js';
import { hilbertCell } from '../../../host/inspect/picture/hilbert.js';
import { colourOf, UNCHANGED } from '../../../host/inspect/picture/palette.js';
import { encodePng, heatMapPng } from '../../../host/inspect/picture/png.js';
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

test('heatMapPng() enlarges cells to squares of pixels', () => {
  const map = new HeatMap([{ start: 0, count: 16384 }], 65536, 4);
  const chunks = chunksOf(heatMapPng(map, 'quarter'));
  assert.is(chunks.get('IHDR')?.readUInt32BE(0), 512);
  const lines = inflateSync(chunks.get('IDAT') ?? '');
  const pixel = (x: number, y: number): number[] => [...lines.subarray(y * 1537 + 1 + x * 3, y * 1537 + 4 + x * 3)];
  for (let y = 0; y < 512; y += 37) {
    for (let x = 0; x < 512; x += 37) assert.equal(pixel(x, y), [...colourOf(map.share(x >> 5, y >> 5))]);
  }
});

test('heatMapSvg() is well-formed whatever the title is, and draws what changed only', () => {
  const map = new HeatMap([{ start: 0, count: 256 }], 65536, 4);
  const svg = heatMapSvg(map, '<&">\u0000');
  assert.match(svg, /<title>&lt;&amp;&quot;&gt;\ufffd<\/title>/);
  assert.is(svg.match(/<rect x="0" y="0" width="32" height="32" fill="#fcfab4"\/>/g)?.length, 1);
  assert.ok(heatMapSvg(new HeatMap([], 65536, 7), '').length < 6000);
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
