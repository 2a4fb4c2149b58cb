/** Violations of the format's rules: all are counted, the first are kept. */

/** The rules by name. */
export const RULES = {
  'file-size': 'the file is as long as header, index and data area need',
  magic: "the first four bytes are a COW file's",
  flags: 'only the flags of the format are set',
  fpos: 'fpos lies behind the index, by one for each block copied',
  fsize: 'fsize is the limit that the file was allocated with',
  seqid: 'snapshots are numbered from 1',
  uuid: 'a series has an id',
  version: 'the header is of version 0 or 1',
  counter: 'the counter of changed blocks equals the entries that are not zero',
  reserved: "the header's unused bytes are zero",
  record: 'a checkpoint is whole, and of this origin',
  'entry-marker': 'the marker 1 is of incremental mode only',
  'entry-position': 'a position lies in the data area, below fpos',
  'entry-in-file': 'a stored block lies inside the file',
  'entry-unique': 'no two blocks share a position',
  'entry-beyond-origin': "no entry behind the origin's end is set",
} as const;

export type Rule = keyof typeof RULES;

export interface Violation {
  readonly rule: Rule;
  /** Where in the file, in bytes. */
  readonly offset: number;
  readonly found: string;
  readonly expected: string;
}

export class Findings {
  readonly #limit: number;
  readonly #counts = new Map<Rule, number>();
  readonly kept: Violation[] = [];
  total = 0;

  /** @param limit how many to keep */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The texts are made only for what is kept: an index may break a rule millions of times. */
  add(rule: Rule, offset: number, texts: () => { readonly found: unknown; readonly expected: unknown }): void {
    this.total++;
    this.#counts.set(rule, (this.#counts.get(rule) ?? 0) + 1);
    if (this.kept.length >= this.#limit) return;
    const { found, expected } = texts();
    this.kept.push({ rule, offset, found: `${found}`, expected: `${expected}` });
  }

  /** How often each rule is broken; rules that are kept are left out. */
  counts(): Partial<Record<Rule, number>> {
    return Object.fromEntries(this.#counts);
  }
}
