/** What the metadata of an image say about its restore points. */
import { RefusalError } from '../../errors.js';
import { fromSummedJson, isCount, toSummedJson } from '../../system/summed-json.js';
import { factsFields, factsFrom } from '../point-facts.js';
import type { Point, PointFacts } from '../target.js';
import { pointName } from '../target.js';

/** Marks an image as one of restore points. */
export const FORMAT_KEY = 'datto.format';
export const FORMAT_VALUE = '1';
/** The point that is being written: while this is there, the image's head is a mixture. */
export const WRITING_KEY = 'datto.writing';
const POINT_PREFIX = 'datto.point.';
const SNAPSHOT_PREFIX = 'datto-';

export const pointKey = (name: string): string => `${POINT_PREFIX}${name}`;
export const snapshotName = (name: string): string => `${SNAPSHOT_PREFIX}${name}`;
/** The name of the point that a key is of. */
export const pointOfKey = (key: string): string | undefined =>
  key.startsWith(POINT_PREFIX) ? key.slice(POINT_PREFIX.length) : undefined;

export interface Writing extends PointFacts {
  /** Only what changed is written: no later run goes on with it. */
  readonly isIncremental: boolean;
  /** All before this offset is on disk. */
  readonly cursor: number;
}

const FORMAT = 'dattobd restore point';
const VERSION = 1;

export const toText = (writing: Writing): string => {
  const { isIncremental, cursor } = writing;
  return toSummedJson(FORMAT, VERSION, { ...factsFields(writing), isIncremental, cursor });
};

/** @throws RefusalError STATE_UNREADABLE */
export const fromText = (image: string, key: string, text: string): Writing => {
  try {
    const { fields, ...facts } = factsFrom(fromSummedJson(FORMAT, VERSION, text));
    const { isIncremental, cursor } = fields;
    if (!isCount(cursor)) throw new SyntaxError('no cursor');
    if (typeof isIncremental !== 'boolean') throw new SyntaxError('no kind');
    return { ...facts, isIncremental, cursor };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const remedy = `its snapshots are complete all the same; hint: rbd image-meta get ${image} ${key}`;
    throw new RefusalError(
      'STATE_UNREADABLE',
      `cannot use ${key} of ${image}: it is damaged (${error.message}); ${remedy}`,
    );
  }
};

export const pointOf = ({ isIncremental, cursor: _cursor, ...facts }: Writing): Point => ({
  ...facts,
  name: pointName(facts),
  kind: isIncremental ? 'incremental' : 'whole',
});
