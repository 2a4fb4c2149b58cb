/**
 * Pages of the manual, as data. A tool's page is made from its commander definitions; its file `<tool>.ts` here
 * adds what those do not say. `npm run manual` writes the pages to docs/man/ and the completions to docs/completion/.
 *
 * In texts, `code` is what is typed or named literally, and <cow file> stands for something.
 */

export type Block =
  /** A paragraph. */
  | string
  /** What the next blocks are about, within a section. */
  | { readonly heading: string }
  | { readonly terms: ReadonlyArray<readonly [term: string, text: string]> }
  /** Lines of a shell session or of a file, shown as they are. */
  | { readonly example: readonly string[] }
  | { readonly columns: readonly string[]; readonly rows: ReadonlyArray<readonly string[]> };

export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** What is common to every page. */
interface Common {
  /** 1: a user's command, 3: functions of a library, 5: a file format, 8: an administrator's command. */
  readonly section: 1 | 3 | 5 | 8;
  readonly description: readonly Block[];
  readonly sections: readonly Section[];
  /** Other pages: `name(section)`. */
  readonly seeAlso: readonly string[];
}

/** Page of a tool. */
export interface ToolManual extends Common {
  /** By sub-command. */
  readonly commands?: Readonly<Record<string, readonly Block[]>>;
  /** Every exit status and when it is given. */
  readonly exits: ReadonlyArray<readonly [status: string, meaning: string]>;
}

/** Page of something else, which has a name and a line that says what it is. */
export interface TopicManual extends Common {
  readonly name: string;
  readonly summary: string;
  /** Lines of C: what there is to include and to call. */
  readonly synopsis?: readonly string[];
}
