/** What is known of a restore point, as fields of a record. */
import { isCount, isRecord } from '../system/summed-json.js';
import type { PointFacts } from './target.js';

const ID = /^[0-9a-f]{32}$/;
const DIGITS = /^\d{1,20}$/;

type Fields = Readonly<Record<string, unknown>>;

const filesystemFrom = (value: unknown): { filesystem?: string } => {
  if (value === undefined) return {};
  if (typeof value !== 'string' || !ID.test(value)) throw new SyntaxError('no filesystem');
  return { filesystem: value };
};

/** Throws a SyntaxError if one is missing. */
export const factsFrom = (value: unknown): PointFacts & { readonly fields: Fields } => {
  if (!isRecord(value)) throw new SyntaxError('no point');
  const { series, sequence, time, bytes, filesystem } = value;
  const date = new Date(typeof time === 'string' ? time : NaN);
  if (typeof series !== 'string' || !ID.test(series)) throw new SyntaxError('no series');
  if (typeof sequence !== 'string' || !DIGITS.test(sequence)) throw new SyntaxError('no sequence');
  if (Number.isNaN(date.getTime())) throw new SyntaxError('no time');
  if (!isCount(bytes) || bytes === 0) throw new SyntaxError('no bytes');
  return { series, sequence: BigInt(sequence), time: date, bytes, ...filesystemFrom(filesystem), fields: value };
};

export const factsFields = ({ series, sequence, time, bytes, filesystem }: PointFacts): Fields => ({
  ...{ series, sequence, time: time.toISOString(), bytes },
  ...(filesystem === undefined ? {} : { filesystem }),
});
