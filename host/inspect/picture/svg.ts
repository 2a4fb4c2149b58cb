/** The heat map as SVG: the square, its title and a legend. */
import type { HeatMap } from './heat-map.js';
import { colourOf, hexOf, UNCHANGED } from './palette.js';

const SIDE = 512;
const MARGIN = 24;
const LEGEND_Y = SIDE + MARGIN + 34;
const HEIGHT = LEGEND_Y + 52;
const BAR_STEPS = 32;
const BAR_WIDTH = 256;

const escapeXml = (text: string): string =>
  text
    .replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign] ?? sign)
    // Control characters are not allowed in XML, not even escaped.
    .replace(/[\u0000-\u001f\u007f\ufffe\uffff]/g, '\ufffd');

/** One row's cells of one colour next to each other are one rectangle. */
const rowRects = (map: HeatMap, y: number): string => {
  const cell = SIDE / map.side;
  let rects = '';
  for (let x = 0; x < map.side; ) {
    const colour = hexOf(colourOf(map.share(x, y)));
    let end = x + 1;
    while (end < map.side && hexOf(colourOf(map.share(end, y))) === colour) end++;
    if (colour !== hexOf(UNCHANGED)) {
      const place = `x="${x * cell}" y="${y * cell}" width="${(end - x) * cell}" height="${cell}"`;
      rects += `<rect ${place} fill="${colour}"/>\n`;
    }
    x = end;
  }
  return rects;
};

const legend = (): string => {
  const step = BAR_WIDTH / BAR_STEPS;
  let parts = `<rect x="0" y="0" width="14" height="14" fill="${hexOf(UNCHANGED)}"/>\n`;
  parts += '<text x="20" y="12">unchanged</text>\n';
  for (let index = 0; index < BAR_STEPS; index++) {
    // The bar is even in colours, as the square root in the palette is.
    const share = Math.max(1e-9, (index / (BAR_STEPS - 1)) ** 2);
    parts += `<rect x="${120 + index * step}" y="0" width="${step}" height="14" fill="${hexOf(colourOf(share))}"/>\n`;
  }
  const ticks: ReadonlyArray<readonly [share: number, text: string, anchor: string]> = [
    [0, 'a block', 'start'],
    [0.25, '25 %', 'middle'],
    [1, 'all of a cell changed', 'middle'],
  ];
  for (const [share, text, anchor] of ticks) {
    parts += `<text x="${120 + BAR_WIDTH * Math.sqrt(share)}" y="30" text-anchor="${anchor}">${text}</text>\n`;
  }
  return parts;
};

/** The heat map as a complete document. */
export const heatMapSvg = (map: HeatMap, title: string): string => {
  const width = SIDE + 2 * MARGIN;
  const rows = Array.from({ length: map.side }, (_, y) => rowRects(map, y)).join('');
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" viewBox="0 0 ${width} ${HEIGHT}">
<title>${escapeXml(title)}</title>
<rect width="${width}" height="${HEIGHT}" fill="#ffffff"/>
<g font-family="sans-serif" font-size="12" fill="#222222">
<text x="${MARGIN}" y="${MARGIN + 4}">${escapeXml(title)}</text>
<g transform="translate(${MARGIN} ${LEGEND_Y})">
${legend()}</g>
</g>
<g transform="translate(${MARGIN} ${MARGIN + 14})" shape-rendering="crispEdges">
<rect width="${SIDE}" height="${SIDE}" fill="${hexOf(UNCHANGED)}"/>
${rows}</g>
</svg>
`;
};
