/** How the tables of numbers are written. */

/** A number with a name, in the order in which it is listed. `doc` says what it means, with its unit. */
export interface Named {
  readonly name: string;
  readonly value: number;
  readonly doc: string;
}

/** Numbers from 0 on. */
export const numbered = (...rows: ReadonlyArray<readonly [name: string, doc: string]>): Named[] =>
  rows.map(([name, doc], value) => ({ name, value, doc }));
