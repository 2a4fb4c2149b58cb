/**
 * What a stored snapshot is: `key=value` each. They are the tags of a restic snapshot, the comment of a borg archive, and the lines of
 * the file datto-facts beside the chunks.
 */
import type { Point, PointFacts } from '../target.js';
import { pointName } from '../target.js';
import type { Geometry } from './chunk.js';

/** Marks snapshots of this format. */
export const MARK = 'datto-chunks=1';

export interface ChunkFacts extends PointFacts {
  /** Which volume, of all that the repository has. */
  readonly volume: string;
  /** Random, 32 hex digits: the times of its chunks have it too. */
  readonly run: string;
  /** The time of what changed, nanoseconds since 1970. It ascends from run to run, whatever the clock does. */
  readonly stamp: bigint;
  readonly chunkBytes: number;
  readonly isIncremental: boolean;
}

/** A restore point and what its target knows of it. */
export interface ChunkPoint extends Point {
  readonly facts: ChunkFacts;
}

export const geometryOf = ({ bytes, chunkBytes }: ChunkFacts): Geometry => ({ volumeBytes: bytes, chunkBytes });

export const volumeField = (volume: string): string => `volume=${volume}`;

export const toFields = (facts: ChunkFacts): string[] => [
  MARK,
  volumeField(facts.volume),
  `series=${facts.series}`,
  `sequence=${facts.sequence}`,
  `bytes=${facts.bytes}`,
  `chunk-bytes=${facts.chunkBytes}`,
  `time=${facts.time.toISOString()}`,
  `run=${facts.run}`,
  `stamp=${facts.stamp}`,
  `kind=${facts.isIncremental ? 'incremental' : 'full'}`,
];

const FORMS = {
  volume: /^[\w.-]{1,100}$/,
  series: /^[0-9a-f]{32}$/,
  sequence: /^\d{1,20}$/,
  bytes: /^[1-9]\d{0,15}$/,
  'chunk-bytes': /^[1-9]\d{0,9}$/,
  time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  run: /^[0-9a-f]{32}$/,
  stamp: /^\d{1,20}$/,
  kind: /^(?:full|incremental)$/,
} as const;

/** What a snapshot's fields say; undefined if it is none of this format. */
export const fromFields = (fields: readonly string[]): ChunkFacts | undefined => {
  if (!fields.includes(MARK)) return undefined;
  const found = new Map(fields.map((field) => field.split('=', 2) as [string, string]));
  const has = (key: keyof typeof FORMS): boolean => FORMS[key].test(found.get(key) ?? '');
  if (!(Object.keys(FORMS) as Array<keyof typeof FORMS>).every(has)) return undefined;
  const get = (key: keyof typeof FORMS): string => found.get(key) ?? '';
  return {
    ...{ volume: get('volume'), series: get('series'), sequence: BigInt(get('sequence')), bytes: Number(get('bytes')) },
    ...{ chunkBytes: Number(get('chunk-bytes')), time: new Date(get('time')), run: get('run') },
    ...{ stamp: BigInt(get('stamp')), isIncremental: get('kind') === 'incremental' },
  };
};

export const isVolumeName = (text: string): boolean => FORMS.volume.test(text);

export const pointOf = (facts: ChunkFacts): ChunkPoint => ({
  ...{ series: facts.series, sequence: facts.sequence, time: facts.time, bytes: facts.bytes },
  name: pointName(facts),
  kind: facts.isIncremental ? 'incremental' : 'whole',
  facts,
});
