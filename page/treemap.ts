/** Files and folders as areas. */
import * as Plot from '@observablehq/plot';
import { type HierarchyRectangularNode, hierarchy, treemap } from 'd3-hierarchy';
import type { TreeNode } from '../host/report/files.js';
import { grouped, shareText, sizeText } from './sizes.js';
import { areaColour } from './theme.js';
import { showTips } from './tip.js';

const [WIDTH, HEIGHT] = [1040, 520];
const FONT = 11;
const HEAD = 17;
const PAD = 5;
/** Folders within each other that have a head with their name. */
const HEADS = 3;

type Area = HierarchyRectangularNode<TreeNode>;

const childrenOf = (node: TreeNode): readonly TreeNode[] | undefined =>
  'children' in node ? node.children : undefined;

const measure = (
  (context) =>
  (text: string): number => {
    if (!context) return text.length * FONT * 0.6;
    context.font = `${FONT}px system-ui, sans-serif`;
    return context.measureText(text).width;
  }
)(document.createElement('canvas').getContext('2d'));

/** A text that is cut to a width; empty if not even three signs fit. */
const cut = (text: string, width: number): string => {
  if (measure(text) <= width) return text;
  const signs = [...text];
  while (signs.length > 0 && measure(`${signs.join('')}…`) > width) signs.pop();
  return signs.length < 3 ? '' : `${signs.join('')}…`;
};

/** Is the area one of files, below the volume's root? */
const isOfFiles = (area: Area): boolean => area.ancestors().at(-2)?.data.name === '/';

const pathOf = (area: Area): string => {
  const names = area
    .ancestors()
    .slice(0, -1)
    .reverse()
    .map(({ data }) => data.name);
  return isOfFiles(area) ? `/${names.slice(1).join('/')}` : names.join(': ');
};

/** Number of the folder below the root that the area is in; all of one folder have one colour. */
const colourNumbers = (root: Area): ((area: Area) => number | undefined) => {
  const files = root.children?.find(({ data }) => data.name === '/');
  const numbers = new Map((files?.children ?? []).map((child, number) => [child, number]));
  return (area) => {
    const top = area.ancestors().at(-3);
    return top && numbers.get(top);
  };
};

interface Words {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

const hasHead = (area: Area): boolean =>
  area.children !== undefined &&
  area.depth > 0 &&
  area.depth <= HEADS &&
  area.x1 - area.x0 > 50 &&
  area.y1 - area.y0 > 30;

/** The name at the top of an area, and its size below if there is room. */
const wordsOf = (area: Area): Words[] => {
  const [width, height] = [area.x1 - area.x0 - 2 * PAD, area.y1 - area.y0];
  const [x, y] = [area.x0 + PAD, area.y0 + 12];
  const size = sizeText(area.value ?? 0);
  if (area.children) {
    const name = area.depth === 1 && area.data.name === '/' ? 'files' : area.data.name;
    return hasHead(area) ? [{ x, y, text: cut(`${name}  ${size}`, width) }] : [];
  }
  if (height < 15) return [];
  const lines = [{ x, y, text: cut(area.data.name, width) }];
  return height < 30 ? lines : [...lines, { x, y: y + 14, text: cut(size, width) }];
};

const layout = (tree: TreeNode): Area => {
  const root = hierarchy(tree, childrenOf)
    .sum((node) => ('bytes' in node ? node.bytes : 0))
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  return treemap<TreeNode>()
    .size([WIDTH, HEIGHT])
    .round(true)
    .paddingInner(2)
    .paddingOuter((node) => (node.depth === 0 || !node.children ? 0 : 2))
    .paddingTop((node) => (node.depth > 0 && node.depth <= HEADS && node.children ? HEAD : 0))(root);
};

export const drawTree = (tree: TreeNode): Element => {
  const root = layout(tree);
  const areas = root.descendants().filter(({ depth, x0, x1, y0, y1 }) => depth > 0 && x1 > x0 && y1 > y0);
  const numberOf = colourNumbers(root);
  const plot = Plot.plot({
    ...{ width: WIDTH, height: HEIGHT, margin: 0 },
    x: { axis: null, domain: [0, WIDTH], range: [0, WIDTH] },
    y: { axis: null, domain: [0, HEIGHT], range: [0, HEIGHT] },
    marks: [
      Plot.rect(areas, {
        ...{ x1: 'x0', x2: 'x1', y1: 'y0', y2: 'y1', rx: 2, className: 'areas' },
        ...{
          fill: (area: Area) => areaColour(numberOf(area)),
          fillOpacity: (area: Area) => (area.children ? 0.45 : 1),
        },
      }),
      Plot.text(areas.flatMap(wordsOf), {
        ...{
          x: 'x',
          y: 'y',
          text: 'text',
          textAnchor: 'start',
          lineAnchor: 'bottom',
          fontSize: FONT,
          pointerEvents: 'none',
        },
      }),
    ],
  });
  showTips(plot.querySelectorAll<SVGElement>('g.areas rect'), (row) => {
    const area = areas[row]!;
    const bytes = area.value ?? 0;
    const lines = [pathOf(area), `${sizeText(bytes)}, ${shareText(bytes, root.value ?? 0)} of all changes`];
    return [...lines, ...(area.children ? [`${grouped(area.leaves().length)} parts`] : [])].join('\n');
  });
  return plot;
};
