/** The heat map with its title, its scales and a legend, as rectangles and texts that both kinds of pictures draw. */
import { BLOCK_BYTES } from '../../layout.js';
import { grouped, offsetText, offsetTicks } from '../../quantities.js';
import type { HeatMap } from './heat-map.js';
import { colourOf, type Rgb, UNCHANGED } from './palette.js';

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly colour: Rgb;
}

/** One line. */
export interface Label {
  readonly text: string;
  /** Where it begins, has its middle, or ends. */
  readonly x: number;
  /** Its base line. */
  readonly y: number;
  readonly anchor: 'start' | 'middle' | 'end';
  /** It reads upwards, or downwards; then `x` is the base line. */
  readonly turned?: 'up' | 'down';
}

export interface Drawing {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly rects: readonly Rect[];
  readonly labels: readonly Label[];
}

const [SIDE, LEFT, TOP] = [512, 32, 34];
const STRIP = { y: TOP + SIDE + 16, height: 20, columns: 256 };
const TICK = 5;
const TICK_TEXT_Y = STRIP.y + STRIP.height + 18;
const LEGEND = { y: TICK_TEXT_Y + 26, barX: LEFT + 104, steps: 32, width: 256, height: 12 };
const NOTE_Y = LEGEND.y + LEGEND.height + 42;
const [WIDTH, HEIGHT] = [SIDE + 2 * LEFT, NOTE_Y + 16];
const LINE: Rgb = [120, 120, 128];

/** Cells of one row; those of one colour next to each other are one rectangle. */
function* rowRects(map: HeatMap, y: number): Generator<Rect> {
  const cell = SIDE / map.side;
  for (let x = 0; x < map.side; ) {
    const colour = colourOf(map.share(x, y));
    let end = x + 1;
    while (end < map.side && `${colourOf(map.share(end, y))}` === `${colour}`) end++;
    if (colour !== UNCHANGED)
      yield { x: LEFT + x * cell, y: TOP + y * cell, width: (end - x) * cell, height: cell, colour };
    x = end;
  }
}

/** The curve passes the quarters of the square from the top left down, to the right, and up. */
function quarterLabels(bytes: number): Label[] {
  const range = (quarter: number): string =>
    `${offsetText((bytes * quarter) / 4)} to ${offsetText((bytes * (quarter + 1)) / 4)}`;
  const [upper, lower] = [TOP + SIDE / 4, TOP + (3 * SIDE) / 4];
  const left = { x: LEFT - 10, anchor: 'middle', turned: 'up' } as const;
  const right = { x: LEFT + SIDE + 10, anchor: 'middle', turned: 'down' } as const;
  return [
    { ...left, text: range(0), y: upper },
    { ...left, text: range(1), y: lower },
    { ...right, text: range(2), y: lower },
    { ...right, text: range(3), y: upper },
  ];
}

const stripRects = (map: HeatMap): Rect[] => {
  const shares = map.strip(STRIP.columns);
  const width = SIDE / shares.length;
  return shares
    .map((share, at) => ({ share, x: LEFT + at * width }))
    .filter(({ share }) => share > 0)
    .map(({ share, x }) => ({ x, y: STRIP.y, width, height: STRIP.height, colour: colourOf(share) }));
};

const axis = (bytes: number): { rects: Rect[]; labels: Label[] } => {
  const places = offsetTicks(bytes).map(({ offset, text }) => ({ share: offset / bytes, text }));
  const tickY = STRIP.y + STRIP.height;
  return {
    rects: places.map(({ share }) => ({
      x: LEFT + share * (SIDE - 1),
      y: tickY,
      width: 1,
      height: TICK,
      colour: LINE,
    })),
    labels: places.map(({ share, text }) => ({
      text,
      x: LEFT + share * SIDE,
      y: TICK_TEXT_Y,
      anchor: 'middle' as const,
    })),
  };
};

const legend = (): { rects: Rect[]; labels: Label[] } => {
  const { y, barX, steps, width, height } = LEGEND;
  const step = width / steps;
  // The bar is even in colours, as the square root in the palette is.
  const bar = Array.from({ length: steps }, (_, at) => {
    const share = Math.max(1e-9, (at / (steps - 1)) ** 2);
    return { x: barX + at * step, y, width: step, height, colour: colourOf(share) };
  });
  const ticks: ReadonlyArray<readonly [share: number, text: string, anchor: Label['anchor']]> = [
    [0, 'a block', 'start'],
    [0.25, '25 %', 'middle'],
    [1, 'all of a cell changed', 'middle'],
  ];
  const textY = y + height + 16;
  return {
    rects: [{ x: LEFT, y, width: height, height, colour: UNCHANGED }, ...bar],
    labels: [
      { text: 'unchanged', x: LEFT + height + 6, y: y + height - 2, anchor: 'start' },
      ...ticks.map(([share, text, anchor]) => ({ text, x: barX + width * Math.sqrt(share), y: textY, anchor })),
    ],
  };
};

/** What a cell is. */
const noteOf = ({ nrBlocks, side }: HeatMap): string => {
  const blocks = nrBlocks / side ** 2;
  const size = offsetText(blocks * BLOCK_BYTES);
  return `a cell is ${size}, ${grouped(Math.round(blocks))} blocks; the strip has the same by offset`;
};

/** Lays the picture out, in units of which the map has SIDE on a side. */
export const heatMapDrawing = (map: HeatMap, title: string): Drawing => {
  const bytes = map.nrBlocks * BLOCK_BYTES;
  const [scale, key] = [axis(bytes), legend()];
  return {
    ...{ title, width: WIDTH, height: HEIGHT },
    rects: [
      { x: LEFT, y: TOP, width: SIDE, height: SIDE, colour: UNCHANGED },
      { x: LEFT, y: STRIP.y, width: SIDE, height: STRIP.height, colour: UNCHANGED },
      ...Array.from({ length: map.side }, (_, y) => [...rowRects(map, y)]).flat(),
      ...stripRects(map),
      ...scale.rects,
      ...key.rects,
    ],
    labels: [
      { text: title, x: LEFT, y: TOP - 14, anchor: 'start' },
      ...quarterLabels(bytes),
      ...scale.labels,
      ...key.labels,
      { text: noteOf(map), x: LEFT, y: NOTE_Y, anchor: 'start' },
    ],
  };
};
