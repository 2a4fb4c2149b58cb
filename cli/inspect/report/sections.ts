/** The sections of a page: figures, tables, and places for plots. */
import { BLOCK_BYTES } from '../../../host/layout.js';
import { grouped, humanBytes, offsetText, percentText } from '../../../host/quantities.js';
import type { FileReport, Named } from '../../../host/report/files.js';
import type { Report } from '../../../host/report/report.js';
import type { Verification } from '../../../host/report/verification.js';
import type { Markup } from './markup.js';
import { closedTable, element, joined, plot, table } from './markup.js';
import { pointLabel } from './page-data.js';

const size = (bytes: number): string => humanBytes(BigInt(Math.round(bytes)));
const share = (part: number, whole: number): string => percentText(whole === 0 ? 0 : (part / whole) * 100);
const number = (title: string) => ({ title, isNumber: true });

const section = (title: string, ...content: ReadonlyArray<Markup>): Markup =>
  element('section', '', element('h2', '', title), joined(content));
const paragraph = (text: string): Markup => element('p', '', text);

const figure = (name: string, value: string, more: string): Markup =>
  element('div', '', element('dt', '', name), element('dd', '', value), element('dd', 'class="more"', more));

/** The main figures. */
export const summary = ({ changed, nrBlocks, map, points }: Report): Markup => {
  const mean = changed.runs === 0 ? 0 : changed.bytes / changed.runs;
  const touched = map.changed.filter((blocks) => blocks > 0).length;
  const from = points.length === 1 ? 'one COW file' : `${grouped(points.length)} COW files`;
  return element(
    'dl',
    'class="figures"',
    figure('Changed', size(changed.bytes), `${grouped(changed.blocks)} blocks, by ${from}`),
    figure('Of the volume', share(changed.blocks, nrBlocks), `which has ${size(nrBlocks * BLOCK_BYTES)}`),
    figure('Runs', grouped(changed.runs), `mean ${size(mean)}, longest ${size(changed.longest * BLOCK_BYTES)}`),
    figure('Cells touched', grouped(touched), `of ${grouped(map.changed.length)} in the map below`),
  );
};

/** What a reader must know of the figures. */
export const notes = ({ owners, cowBlocks, assumed, points }: Report, allowUnclean: boolean): Markup => {
  const lines: string[] = [];
  if ('why' in owners) {
    lines.push(`Names of files are not known: ${owners.why}.`);
    lines.push('The figures include the blocks of COW files on the volume, which are recognized with --image only.');
  } else if (owners.cowFiles.length === 0) {
    lines.push('No COW file was found on the volume by its name; none is left out of the figures.');
  } else {
    const names = owners.cowFiles.map(({ name }) => name).join(', ');
    const blocks = `${grouped(cowBlocks)} blocks, ${size(cowBlocks * BLOCK_BYTES)}`;
    lines.push(`The COW files themselves are left out of all figures: ${names} (${blocks}).`);
  }
  if (points.length > 1) lines.push('Blocks that changed in several points count once, except in the growth.');
  if (assumed !== undefined) lines.push(`Assumed: ${assumed}.`);
  if (allowUnclean) lines.push('Files that were not closed cleanly were allowed: changes may be missing.');
  return element('ul', 'class="notes"', ...lines.map((line) => element('li', '', line)));
};

export const where = ({ regions, nrRegions, map, nrBlocks, owners }: Report): Markup => {
  const cells = map.side ** 2;
  const cell = offsetText((nrBlocks / cells) * BLOCK_BYTES);
  const known = 'files' in owners;
  const rows = regions.map(({ offset, bytes, changedBytes, names }) => [
    offsetText(offset),
    size(bytes),
    size(changedBytes),
    share(changedBytes, bytes),
    ...(known ? [names.join(', ')] : []),
  ]);
  const columns = ['offset', 'length', 'changed', 'share'].map(number);
  const caption = `regions by what changed, ${rows.length} of ${grouped(nrRegions)}`;
  return section(
    'Where it changed',
    paragraph(
      `The volume as ${grouped(cells)} cells of ${cell}. Neighbours on the volume are neighbours in the square, ` +
        'from the top left down, to the right and up; the strip below has the same by offset.',
    ),
    plot('map', 'Heat map of the volume: share of each cell that changed'),
    plot('strip', 'Share that changed, by offset'),
    plot('legend', 'Legend: colours of the shares'),
    closedTable(caption, [...columns, ...(known ? [{ title: 'main files' }] : [])], rows),
  );
};

const namedRows = (named: readonly Named[], whole: number): string[][] =>
  named.map(({ name, bytes }) => [size(bytes), share(bytes, whole), name]);

const fileTables = ({ files, others, folders, metadata, freeBytes }: FileReport, whole: number): Markup => {
  const columns = [number('changed'), number('share'), { title: 'name' }];
  const rest: Named[] = [
    ...(others.count > 0 ? [{ name: `${grouped(others.count)} smaller files`, bytes: others.bytes }] : []),
    ...metadata.map(({ name, bytes }) => ({ name: `metadata: ${name}`, bytes })),
    ...(freeBytes > 0 ? [{ name: 'free by now', bytes: freeBytes }] : []),
  ];
  return joined([
    closedTable(`the largest changed files, ${grouped(files.length)}`, columns, namedRows(files, whole)),
    closedTable('folders, with all below them', columns, namedRows(folders, whole)),
    closedTable('what else changed', columns, namedRows(rest, whole)),
  ]);
};

export const whose = ({ owners, changed }: Report): Markup => {
  if ('why' in owners) return section('Files and folders', paragraph(`They are not known: ${owners.why}.`));
  const { files, filesystem } = owners;
  return section(
    'Files and folders',
    paragraph(`By the ${filesystem} filesystem of the image. Areas are changed bytes, not sizes of files.`),
    ...(changed.blocks === 0 ? [] : [plot('tree', 'Treemap of changed files and folders')]),
    fileTables(files, changed.bytes),
  );
};

export const runLengths = ({ changed }: Report): Markup => {
  const rows = changed.histogram.map(({ from, to, runs, blocks }) => [
    from === to ? grouped(from) : `${grouped(from)} to ${grouped(to)}`,
    grouped(runs),
    grouped(blocks),
    size(blocks * BLOCK_BYTES),
  ]);
  const columns = ['blocks of a run', 'runs', 'blocks', 'size'].map(number);
  return section(
    'Lengths of runs',
    paragraph('A run is a row of changed blocks without a gap: few long ones are read faster than many short ones.'),
    ...(rows.length === 0 ? [] : [plot('runs', 'Histogram of the lengths of runs')]),
    closedTable('lengths of runs', columns, rows),
  );
};

export const growth = ({ points, series, nrBlocks }: Report): Markup => {
  const rows = points.map((point) => [
    pointLabel(point),
    grouped(point.changedBlocks),
    size(point.changedBlocks * BLOCK_BYTES),
    share(point.changedBlocks, nrBlocks),
    point.incremental ? 'incremental' : 'snapshot',
    size(point.fileBytes),
    point.path,
  ]);
  const columns = [
    { title: 'snapshots' },
    ...['changed blocks', 'size', 'of the volume'].map(number),
    { title: 'mode' },
    number('COW file'),
    { title: 'path' },
  ];
  const several = points.length > 1;
  return section(
    several ? 'Growth from point to point' : 'The COW file',
    ...(several ? [plot('growth', 'Changed data of each point')] : []),
    table(`COW files of series ${series}`, columns, rows),
  );
};

const VERDICTS = { good: '✓ good', bad: '✗ not good', unknown: '? not known' } as const;

export const verification = (result: Verification | undefined): Markup => {
  if (!result) {
    return section('Verification', paragraph('No result of a verification was given (--verification).'));
  }
  const { kind, verdict, summary: words, facts } = result;
  return section(
    'Verification',
    element('p', `class="verdict ${verdict}"`, element('strong', '', VERDICTS[verdict]), ` ${words}`),
    table(`result of ${kind}`, [{ title: 'what' }, { title: 'value' }], facts),
  );
};
