/** Pieces of a page. Every text is escaped where it becomes markup. */
import { escapeMarkup } from '../../../host/inspect/picture/markup.js';
import { oneLine } from '../../terminal/printable.js';

/** Markup, as opposed to text. */
export interface Markup {
  readonly markup: string;
}

export const text = (value: string): Markup => ({ markup: escapeMarkup(oneLine(value)) });
export const joined = (parts: readonly Markup[]): Markup => ({ markup: parts.map(({ markup }) => markup).join('\n') });

/** An element with texts or markup in it. Names and attributes are the program's own. */
export const element = (name: string, attributes: string, ...content: ReadonlyArray<string | Markup>): Markup => {
  const inside = content.map((part) => (typeof part === 'string' ? text(part) : part));
  const open = attributes === '' ? name : `${name} ${attributes}`;
  return { markup: `<${open}>${inside.map(({ markup }) => markup).join('')}</${name}>` };
};

export interface Column {
  readonly title: string;
  /** Numbers, which end at the same place. */
  readonly isNumber?: boolean;
}

/** A table that the keyboard can scroll. */
export const table = (caption: string, columns: readonly Column[], rows: ReadonlyArray<readonly string[]>): Markup => {
  const kind = ({ isNumber }: Column): string => (isNumber === true ? 'class="number"' : '');
  const head = columns.map((column) => element('th', `scope="col" ${kind(column)}`.trim(), column.title));
  const body = rows.map((row) => element('tr', '', ...row.map((cell, at) => element('td', kind(columns[at]!), cell))));
  const parts = [
    element('caption', '', caption),
    element('thead', '', element('tr', '', ...head)),
    element('tbody', '', joined(body)),
  ];
  return element(
    'div',
    `class="scroll" role="region" tabindex="0" aria-label="${text(caption).markup}"`,
    element('table', '', ...parts),
  );
};

/** A table that is closed at first. */
export const closedTable = (...[caption, columns, rows]: Parameters<typeof table>): Markup =>
  element('details', '', element('summary', '', `Table: ${caption}`), table(caption, columns, rows));

/** A plot that the script of the page draws. */
export const plot = (id: string, label: string): Markup =>
  element('figure', `id="${id}" class="plot" aria-label="${text(label).markup}"`);
