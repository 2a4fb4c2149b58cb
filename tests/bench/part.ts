/** What a part of the bench that runs in a virtual machine measures, and what is computed from its figures. */
import { median } from './figures.js';

/** One line of the guest's output. */
export interface Figure {
  readonly round: number;
  readonly state: string;
  readonly kind: string;
  readonly [field: string]: number | string;
}

/** A number that each figure has. */
export interface Field {
  readonly name: string;
  readonly title: string;
  readonly digits: number;
  /** a column beside it shows its ratio to the baseline */
  readonly withRatio?: boolean;
}

/** What a ratio should be: that of some states to another one of the same round. */
export interface Aim {
  readonly field: string;
  readonly states: readonly string[];
  /** without it, the same state */
  readonly to?: string;
  /** without it, the same kind */
  readonly toKind?: string;
  /** without any, all */
  readonly kinds?: readonly string[];
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** What its chart shows: a bar for each state, as the number itself or as a ratio to the baseline. */
export interface ChartField {
  readonly field: string;
  readonly title: string;
  readonly as: 'number' | 'ratio';
}

export interface Part {
  readonly name: string;
  readonly title: string;
  /** titles by name, in the order of the tables; the first state is the baseline */
  readonly states: Readonly<Record<string, string>>;
  /** there is a table for each */
  readonly kinds: Readonly<Record<string, string>>;
  readonly fields: readonly Field[];
  readonly aims: readonly Aim[];
  readonly chart: readonly ChartField[];
}

export const baselineOf = (part: Part): string => Object.keys(part.states)[0]!;

/** The figures of a run. */
export class Results {
  readonly #figures: readonly Figure[];

  constructor(figures: readonly Figure[]) {
    this.#figures = figures;
  }

  /** Median over the rounds; undefined where nothing was measured. */
  median(state: string, kind: string, field: string): number | undefined {
    const values = this.#of(state, kind).map((figure) => Number(figure[field]));
    return values.length > 0 ? median(values) : undefined;
  }

  /** Median over the rounds of (this state / another one, in the same round); undefined where the pair was not measured. */
  ratio(state: string, kind: string, field: string, to: string, toKind = kind): number | undefined {
    const ratios = this.#of(state, kind).flatMap((figure) => {
      const base = this.#of(to, toKind).find(({ round }) => round === figure.round);
      return base === undefined ? [] : [Number(figure[field]) / Number(base[field])];
    });
    return ratios.length > 0 ? median(ratios) : undefined;
  }

  #of(state: string, kind: string): readonly Figure[] {
    return this.#figures.filter((figure) => figure.state === state && figure.kind === kind);
  }
}

/** The aims that a state of a kind has. */
export const aimsOf = (part: Part, state: string, kind: string): readonly Aim[] =>
  part.aims.filter((aim) => aim.states.includes(state) && (aim.kinds?.includes(kind) ?? true));

/** Returns whether a ratio is what it should be. */
export const isReached = (ratio: number, { atLeast = -Infinity, atMost = Infinity }: Aim): boolean =>
  ratio >= atLeast && ratio <= atMost;

function aimText(part: Part, results: Results, aim: Aim, state: string, kind: string): string {
  const { to = state, toKind = kind } = aim;
  const ratio = results.ratio(state, kind, aim.field, to, toKind);
  const word = ratio === undefined ? 'not measured' : isReached(ratio, aim) ? 'reached' : 'MISSED';
  const field = part.fields.filter(({ withRatio }) => withRatio).length > 1 ? `${aim.field} ` : '';
  const limit = aim.atLeast === undefined ? `at most ${aim.atMost}` : `at least ${aim.atLeast}`;
  if (to === baselineOf(part) && toKind === kind) return `${word} (aim: ${field}${limit})`;
  // The tables have no column for this ratio.
  const is = ratio === undefined ? '' : `, is ${ratio.toFixed(2)}`;
  return `${word} (aim: ${field}${limit} of ${toKind === kind ? part.states[to] : part.kinds[toKind]}${is})`;
}

/** The table of a kind, a line for each state that was measured, the headings first; empty where none was. */
export function tableOf(part: Part, results: Results, kind: string): string[] {
  const baseline = baselineOf(part);
  const headings = ['', ...part.fields.flatMap(({ title, withRatio }) => (withRatio ? [title, 'ratio'] : [title])), ''];
  const rows = Object.entries(part.states).flatMap(([state, title]) => {
    if (results.median(state, kind, part.fields[0]!.name) === undefined) return [];
    const cells = part.fields.flatMap(({ name, digits, withRatio }) => [
      results.median(state, kind, name)!.toFixed(digits),
      ...(withRatio ? [results.ratio(state, kind, name, baseline)?.toFixed(2) ?? ''] : []),
    ]);
    const aims = aimsOf(part, state, kind).map((aim) => aimText(part, results, aim, state, kind));
    return [[title, ...cells, aims.join('; ')]];
  });
  if (rows.length === 0) return [];
  const table = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === row.length - 1 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** Prints the tables of a run. */
export function printPart(part: Part, results: Results): void {
  for (const [kind, title] of Object.entries(part.kinds)) {
    const lines = tableOf(part, results, kind);
    if (lines.length > 0) console.log(`\n${title}\n${lines.map((line) => `  ${line}`).join('\n')}`);
  }
}
