/** What the messages between a target and datto-receive say. Their data are blocks. */
import { type RefusalCode, RefusalError, SystemError } from '../../errors.js';
import { isCount, isRecord } from '../../system/summed-json.js';
import { factsFields, factsFrom } from '../point-facts.js';
import type { Point, PointDamage, PointFacts } from '../target.js';
import { pointName } from '../target.js';
import type { Header } from './channel.js';

/** Both sides have the same one. */
export const PROTOCOL = 1;

/** Changes made by these come after the folder's lock. */
export const CHANGES = new Set(['tidy', 'begin', 'remove']);
/** They have no reply: each later call for the same point reports their failure, but for those that give it up. */
export const UNANSWERED = new Set(['write', 'zero']);
/** They give a point up. */
export const ENDS = new Set(['close', 'discard']);

export const snapshotFields = (facts: PointFacts): Header => ({
  ...factsFields(facts),
  sequence: facts.sequence.toString(),
});

export const pointFields = (point: Point): Header => ({ ...snapshotFields(point), kind: point.kind });

/** Throws a SyntaxError if it is none. */
export const pointFrom = (value: unknown): Point => {
  const { fields, ...facts } = factsFrom(value);
  const { kind } = fields;
  if (kind !== 'whole' && kind !== 'incremental') throw new SyntaxError('no kind');
  return { ...facts, name: pointName(facts), kind };
};

/** Throws a SyntaxError if it is none. */
export const countFrom = (value: unknown): number => {
  if (!isCount(value)) throw new SyntaxError('no count');
  return value;
};

export const textFrom = (value: unknown): string => {
  if (typeof value !== 'string') throw new SyntaxError('no text');
  return value;
};

export const textsFrom = (value: unknown): string[] => {
  if (!Array.isArray(value)) throw new SyntaxError('no texts');
  return value.map(textFrom);
};

export const damageFrom = (value: unknown): PointDamage => {
  if (!isRecord(value)) throw new SyntaxError('no damage');
  return { start: countFrom(value.start), count: countFrom(value.count) };
};

/** An error as it is sent. Throws what is neither a refusal nor of a system call. */
export const errorFields = (error: unknown): Header => {
  if (error instanceof RefusalError) return { code: error.code, message: error.message };
  if (!(error instanceof SystemError)) throw error;
  return { errno: error.errno, call: error.call, subject: error.subject };
};

/** The same error, of another machine. */
export const errorFrom = (value: unknown, host: string): Error => {
  if (!isRecord(value)) throw new SyntaxError('no error');
  if (value.code !== undefined)
    return new RefusalError(textFrom(value.code) as RefusalCode, `${textFrom(value.message)} (on ${host})`);
  return new SystemError(countFrom(value.errno), textFrom(value.call), `${textFrom(value.subject)} on ${host}`);
};
