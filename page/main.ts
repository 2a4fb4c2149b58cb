/** Draws the plots of a page, from the data in it; the figures and tables are there without. */
import type { PageData } from '../cli/inspect/report/page-data.js';
import { drawGrowth, drawRuns } from './bars.js';
import { drawLegend, drawMap, drawStrip } from './heat-map.js';
import { onTheme } from './theme.js';
import { drawTree } from './treemap.js';

const data = JSON.parse(document.getElementById('data')?.textContent ?? '') as PageData;
const { tree } = data;

const PLOTS: Readonly<Record<string, () => Element | Element[]>> = {
  map: () => drawMap(data),
  strip: () => drawStrip(data),
  legend: drawLegend,
  runs: () => drawRuns(data),
  growth: () => drawGrowth(data),
  ...(tree ? { tree: () => drawTree(tree) } : {}),
};

const draw = (): void => {
  for (const [id, plot] of Object.entries(PLOTS)) document.getElementById(id)?.replaceChildren(...[plot()].flat());
};

draw();
onTheme(draw);
