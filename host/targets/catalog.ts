/** The catalog of a folder of restore points: which are complete, and what is in progress. */
import { RefusalError } from '../errors.js';
import { readOwn, replaceFile } from '../system/safe-files.js';
import { fromSummedJson, isCount, isRecord, toSummedJson } from '../system/summed-json.js';
import { factsFields, factsFrom } from './point-facts.js';
import type { Point, PointFacts } from './target.js';
import { pointName } from './target.js';

export interface StoredPoint extends Point {
  /** Name of the point from which this one holds the changes. */
  readonly base?: string;
  /** Time of the last change of its file by us, in nanoseconds. */
  readonly mtime: bigint;
}

/** A whole point that is being written. */
export interface Writing extends PointFacts {
  /** All before this offset is on disk. */
  readonly cursor: number;
  /** Length of its sums up to there. */
  readonly sumsBytes: number;
}

/** The content of a removed point goes to the one that was based on it. */
export interface Merging {
  readonly removed: string;
  readonly heir: string;
}

export interface Catalog {
  /** The oldest first; a base comes before what is based on it. */
  readonly points: readonly StoredPoint[];
  readonly writing?: Writing;
  readonly merging?: Merging;
}

const FORMAT = 'dattobd restore points';
const VERSION = 1;
const DIGITS = /^\d{1,20}$/;
const NAME = /^[0-9a-f]{8}-\d+$/;

const nameFrom = (value: unknown): string => {
  if (typeof value !== 'string' || !NAME.test(value)) throw new SyntaxError('no name of a point');
  return value;
};

const pointFrom = (value: unknown): StoredPoint => {
  const { fields, ...facts } = factsFrom(value);
  const base = fields.base === undefined ? undefined : nameFrom(fields.base);
  const kind = base === undefined ? 'whole' : 'incremental';
  if (typeof fields.mtime !== 'string' || !DIGITS.test(fields.mtime)) throw new SyntaxError('no mtime');
  const mtime = BigInt(fields.mtime);
  return { ...facts, name: pointName(facts), kind, mtime, ...(base === undefined ? {} : { base }) };
};

const writingFrom = (value: unknown): Writing => {
  const { fields, ...facts } = factsFrom(value);
  const { cursor, sumsBytes } = fields;
  if (!isCount(cursor) || !isCount(sumsBytes)) throw new SyntaxError('no cursor');
  return { ...facts, cursor, sumsBytes };
};

const mergingFrom = (value: unknown): Merging => {
  if (!isRecord(value)) throw new SyntaxError('no merging');
  return { removed: nameFrom(value.removed), heir: nameFrom(value.heir) };
};

const fromJson = (text: string): Catalog => {
  const { points, writing, merging } = fromSummedJson(FORMAT, VERSION, text);
  if (!Array.isArray(points)) throw new SyntaxError('no points');
  const read = points.map(pointFrom);
  const known = new Set<string>();
  for (const { name, base } of read) {
    if (known.has(name) || (base !== undefined && !known.has(base))) throw new SyntaxError(`no order at ${name}`);
    known.add(name);
  }
  return {
    points: read,
    ...(writing === undefined ? {} : { writing: writingFrom(writing) }),
    ...(merging === undefined ? {} : { merging: mergingFrom(merging) }),
  };
};

/**
 * Reads a catalog.
 *
 * @returns undefined if there is none
 * @throws RefusalError STATE_UNREADABLE, FILE_UNSAFE; SystemError
 */
export const readCatalog = (path: string): Catalog | undefined => {
  const text = readOwn(path);
  if (text === undefined) return undefined;
  try {
    return fromJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const remedy = 'restore it from a copy; each point is a qcow2 file beside it all the same';
    throw new RefusalError('STATE_UNREADABLE', `cannot use ${path}: it is damaged (${error.message}); ${remedy}`);
  }
};

/** Replaces a catalog. It is on disk when this returns. */
export const writeCatalog = (path: string, { points, writing, merging }: Catalog): void =>
  replaceFile(
    path,
    toSummedJson(FORMAT, VERSION, {
      points: points.map((point) => ({
        ...{ ...factsFields(point), mtime: point.mtime },
        ...(point.base === undefined ? {} : { base: point.base }),
      })),
      ...(writing
        ? { writing: { ...factsFields(writing), cursor: writing.cursor, sumsBytes: writing.sumsBytes } }
        : {}),
      ...(merging ? { merging } : {}),
    }),
  );
