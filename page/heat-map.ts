/** The heat map, the strip below it, and their legend. */
import * as Plot from '@observablehq/plot';
import type { PageData } from '../cli/inspect/report/page-data.js';
import { hilbertCell } from '../host/inspect/picture/hilbert.js';
import { offsetTicks } from '../host/quantities.js';
import { grouped, offsetText, shareText, sizeText } from './sizes.js';
import { shareColour } from './theme.js';
import { showTips } from './tip.js';

const WIDTH = 640;
const SIDES = 34;
const STRIP_COLUMNS = 256;

interface Part {
  readonly first: number;
  readonly end: number;
  readonly changed: number;
}

const shareOf = ({ first, end, changed }: Part): number => (end === first ? 0 : changed / (end - first));

const partOf = ({ firstBlocks, changed }: PageData, from: number, to: number): Part => ({
  first: firstBlocks[from] ?? 0,
  end: firstBlocks[to] ?? 0,
  changed: changed.slice(from, to).reduce((sum, blocks) => sum + blocks, 0),
});

const partText = ({ blockBytes }: PageData, part: Part): string[] => {
  const { first, end, changed } = part;
  return [
    `offset ${offsetText(first * blockBytes)} to ${offsetText(end * blockBytes)}`,
    `blocks ${grouped(first)} to ${grouped(end - 1)}`,
    `${shareText(changed, end - first)} changed: ${grouped(changed)} of ${grouped(end - first)} blocks`,
  ];
};

/** The lines about a cell's owners. */
const ownerTexts = (data: PageData): Map<number, string[]> =>
  new Map(
    data.cells.map(([step = 0, ...pairs]) => {
      const lines: string[] = [];
      for (let at = 0; at < pairs.length; at += 2)
        lines.push(`${data.names[pairs[at] ?? 0]}: ${sizeText(pairs[at + 1] ?? 0)}`);
      return [step, lines];
    }),
  );

/** In the dark, nothing else ends what did not change. */
const edge = (): Plot.Frame => Plot.frame({ strokeOpacity: 0.3, pointerEvents: 'none' });

const turned = (text: string, x: number, y: number, rotate: number): Plot.Text =>
  Plot.text([{ x, y, text }], { x: 'x', y: 'y', text: 'text', rotate, clip: false });

/** The curve passes the quarters of the square from the top left down, to the right, and up. */
const quarters = ({ nrBlocks, blockBytes }: PageData, side: number): Plot.Text[] => {
  const range = (quarter: number): string =>
    `${offsetText((nrBlocks * blockBytes * quarter) / 4)} to ${offsetText((nrBlocks * blockBytes * (quarter + 1)) / 4)}`;
  const out = (side * 16) / (WIDTH - 2 * SIDES);
  return [
    turned(range(0), -out, side / 4, -90),
    turned(range(1), -out, (3 * side) / 4, -90),
    turned(range(2), side + out, (3 * side) / 4, 90),
    turned(range(3), side + out, side / 4, 90),
  ];
};

export const drawMap = (data: PageData): Element => {
  const side = 2 ** data.order;
  const parts = data.changed.map((_, step) => partOf(data, step, step + 1));
  const cells = parts.map((part, step) => ({ ...hilbertCell(data.order, step), fill: shareColour(shareOf(part)) }));
  const owners = ownerTexts(data);
  const plot = Plot.plot({
    ...{
      width: WIDTH,
      height: WIDTH - 2 * SIDES + 8,
      marginLeft: SIDES,
      marginRight: SIDES,
      marginTop: 4,
      marginBottom: 4,
    },
    x: { axis: null, domain: [0, side] },
    y: { axis: null, domain: [side, 0] },
    marks: [
      Plot.rect(cells, {
        ...{ x1: 'x', x2: ({ x }) => x + 1, y1: 'y', y2: ({ y }) => y + 1, fill: 'fill', inset: 0 },
        ...{ shapeRendering: 'crispEdges', className: 'cells' },
      }),
      edge(),
      ...quarters(data, side),
    ],
  });
  const texts = (step: number): string => [...partText(data, parts[step]!), ...(owners.get(step) ?? [])].join('\n');
  showTips(plot.querySelectorAll<SVGElement>('g.cells rect'), texts);
  return plot;
};

export const drawStrip = (data: PageData): Element => {
  const steps = data.changed.length;
  const columns = Math.min(STRIP_COLUMNS, steps);
  const at = (column: number): number => Math.floor((column * steps) / columns);
  const parts = Array.from({ length: columns }, (_, column) => partOf(data, at(column), at(column + 1)));
  const ticks = new Map(offsetTicks(data.nrBlocks * data.blockBytes).map(({ offset, text }) => [offset, text]));
  const plot = Plot.plot({
    ...{ width: WIDTH, height: 72, marginLeft: SIDES, marginRight: SIDES, marginTop: 4, marginBottom: 40 },
    x: {
      ...{ domain: [0, data.nrBlocks * data.blockBytes], ticks: [...ticks.keys()], label: 'offset on the volume' },
      ...{ tickFormat: (offset: number) => ticks.get(offset) ?? '', labelAnchor: 'center', labelArrow: 'none' },
    },
    y: { axis: null },
    marks: [
      Plot.rectX(parts, {
        ...{ x1: ({ first }: Part) => first * data.blockBytes, x2: ({ end }: Part) => end * data.blockBytes },
        ...{
          fill: (part: Part) => shareColour(shareOf(part)),
          inset: 0,
          shapeRendering: 'crispEdges',
          className: 'columns',
        },
      }),
      edge(),
    ],
  });
  showTips(plot.querySelectorAll<SVGElement>('g.columns rect'), (row) => partText(data, parts[row]!).join('\n'));
  return plot;
};

const LEGEND_STEPS = 48;

/** As even in colours as the palette is: the axis is the square root of the share. */
export const drawLegend = (): Element => {
  const steps = Array.from({ length: LEGEND_STEPS }, (_, at) => ({
    from: at / LEGEND_STEPS,
    to: (at + 1) / LEGEND_STEPS,
  }));
  const shares = [0.01, 0.1, 0.25, 0.5, 1];
  const none = { from: -0.26, to: -0.14 };
  const middle = (none.from + none.to) / 2;
  return Plot.plot({
    ...{ width: WIDTH, height: 50, marginLeft: SIDES, marginRight: SIDES, marginTop: 4, marginBottom: 30 },
    x: {
      ...{ domain: [none.from, 1], ticks: [middle, 0, ...shares.map(Math.sqrt)], label: null },
      tickFormat: (place: number) =>
        place === middle ? 'unchanged' : place === 0 ? 'a block' : `${Math.round(place ** 2 * 100)} %`,
    },
    y: { axis: null },
    marks: [
      Plot.rectX([none, ...steps], {
        ...{ x1: 'from', x2: 'to', fill: ({ from, to }) => shareColour(from < 0 ? 0 : ((from + to) / 2) ** 2) },
        ...{ inset: 0, shapeRendering: 'crispEdges' },
      }),
    ],
  });
};
