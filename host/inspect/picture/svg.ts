/** Drawings as SVG. */
import type { Drawing, Label, Rect } from './drawing.js';
import { heatMapDrawing } from './drawing.js';
import type { HeatMap } from './heat-map.js';
import { escapeMarkup } from './markup.js';
import { hexOf } from './palette.js';

const rectMarkup = ({ x, y, width, height, colour }: Rect): string =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${hexOf(colour)}"/>\n`;

const DEGREES = { up: -90, down: 90 } as const;

const labelMarkup = ({ text, x, y, anchor, turned }: Label): string => {
  const turn = turned === undefined ? '' : ` transform="rotate(${DEGREES[turned]} ${x} ${y})"`;
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${turn}>${escapeMarkup(text)}</text>\n`;
};

/** A complete document. */
export const drawingSvg = ({ title, width, height, rects, labels }: Drawing): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>${escapeMarkup(title)}</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<g shape-rendering="crispEdges">
${rects.map(rectMarkup).join('')}</g>
<g font-family="sans-serif" font-size="12" fill="#222222">
${labels.map(labelMarkup).join('')}</g>
</svg>
`;

/** The heat map as a complete document. */
export const heatMapSvg = (map: HeatMap, title: string): string => drawingSvg(heatMapDrawing(map, title));
