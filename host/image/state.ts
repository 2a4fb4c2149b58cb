/**
 * The state of an image: a small file beside it, replaced atomically, that names the snapshot that the image is, or the
 * two between which it is (docs/UPDATE-IMG.md).
 */
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { RefusalError, withErrno } from '../errors.js';
import { readOwn, replaceFile } from '../system/safe-files.js';
import { fromSummedJson, isCount, isRecord, toSummedJson } from '../system/summed-json.js';
import type { DeviceIdentity } from './device-identity.js';
import { identityFrom, identityInWords } from './device-identity.js';
import { followOwnLinks } from './open-image.js';

/** How the previous image is kept. */
export interface Previous {
  /** `clone`: a file that shares blocks with the image. `undo`: the old content of what was overwritten. */
  readonly kind: 'clone' | 'undo';
  /** Number of the snapshot that it restores. */
  readonly sequence: bigint;
  /** It stays after the update; else it is a safety net that goes when the update is complete. */
  readonly keep: boolean;
}

export interface ImageState {
  /**
   * CLEAN: the image is snapshot `sequence`. UPDATING, ROLLING_BACK: it is a mixture. DIFFERS: it was updated to snapshot
   * `sequence`, and then found to differ from it in blocks that no COW file listed.
   */
  readonly state: 'CLEAN' | 'UPDATING' | 'ROLLING_BACK' | 'DIFFERS';
  /** Series, 32 hex digits. */
  readonly series: string;
  /** What the image is. UPDATING: what it was before. ROLLING_BACK: the latest snapshot that it has blocks of. */
  readonly sequence: bigint;
  /** What the update leads to. */
  readonly next?: bigint;
  /** Listed blocks before this offset are copied and on disk. */
  readonly cursor?: number;
  /** Blocks that the COW file lists, by which the list is recognized. */
  readonly changedBlocks?: number;
  /** Size of the image, in bytes. */
  readonly bytes: number;
  /** Time of the image's last change when the file was written, in nanoseconds; devices have none. */
  readonly mtime?: bigint;
  /** The identity of a block device. */
  readonly device?: DeviceIdentity;
  readonly previous?: Previous;
  /** Time of the last change of this state, for people. */
  readonly time: string;
}

const FORMAT = 'dattobd image state';
const VERSION = 1;
const SUFFIX = '.datto-state';
/** State of block devices: no file beside them in /dev lasts. */
const DEVICE_FOLDER = '/var/lib/dattobd';

/** Files that belong to an image. */
export interface ImageFiles {
  readonly state: string;
  readonly manifest: string;
  /** How the names of kept images and manifests begin; a number follows. */
  readonly previousPrefixes: readonly string[];
  /** The kept previous image. */
  previous(previous: Pick<Previous, 'kind' | 'sequence'>): string;
  /** The manifest that goes with a clone of snapshot `sequence`. */
  manifestPrevious(sequence: bigint): string;
}

/**
 * Names the files that belong to an image: beside a regular file (links are followed), in DEVICE_FOLDER for a device, by
 * the name that the user gave, since that is the stable one.
 *
 * @param state another place for the state file; the other files are beside it
 */
export const imageFiles = (image: string, isDevice: boolean, state?: string): ImageFiles => {
  const place = (): string =>
    isDevice ? join(DEVICE_FOLDER, resolve(image).slice(1).replaceAll('/', '!')) : followOwnLinks(image);
  const base = state === undefined ? place() : resolve(state).replace(new RegExp(`\\${SUFFIX}$`), '');
  return {
    state: state === undefined ? `${base}${SUFFIX}` : resolve(state),
    manifest: `${base}.datto-manifest`,
    previousPrefixes: ['previous', 'undo', 'manifest-previous'].map((kind) => `${base}.datto-${kind}-`),
    previous: ({ kind, sequence }) => `${base}.datto-${kind === 'clone' ? 'previous' : 'undo'}-${sequence}`,
    manifestPrevious: (sequence) => `${base}.datto-manifest-previous-${sequence}`,
  };
};

/** Whether an object is a state file's, of any version. */
export const isImageState = (value: Readonly<Record<string, unknown>>): boolean => value.format === FORMAT;

/** Fields of a state file. Throws a SyntaxError at the first that is not as it must be. */
export const imageStateFrom = (text: string): ImageState => {
  const value = fromSummedJson(FORMAT, VERSION, text);
  const integer = (record: Record<string, unknown>, key: string): bigint => {
    const field = record[key];
    if (typeof field === 'string' && /^\d+$/.test(field)) return BigInt(field);
    throw new SyntaxError(`no ${key}`);
  };
  const count = (key: string): number => {
    const field = value[key];
    if (isCount(field)) return field;
    throw new SyntaxError(`no ${key}`);
  };
  const { state, series, time, previous } = value;
  if (state !== 'CLEAN' && state !== 'UPDATING' && state !== 'ROLLING_BACK' && state !== 'DIFFERS') {
    throw new SyntaxError('no state');
  }
  if (typeof series !== 'string' || !/^[0-9a-f]{32}$/.test(series)) throw new SyntaxError('no series');
  const kept = (): Previous => {
    if (!isRecord(previous)) throw new SyntaxError('no previous');
    const { kind, keep } = previous;
    if ((kind !== 'clone' && kind !== 'undo') || typeof keep !== 'boolean') throw new SyntaxError('no previous');
    return { kind, keep, sequence: integer(previous, 'sequence') };
  };
  const device = (): DeviceIdentity => {
    if (!isRecord(value.device)) throw new SyntaxError('no device');
    return identityFrom(value.device, count('bytes'));
  };
  const update = (): Partial<ImageState> => {
    const cursor = count('cursor');
    if (cursor > count('bytes')) throw new SyntaxError('cursor beyond the end of the image');
    const next = integer(value, 'next');
    if (next < integer(value, 'sequence')) throw new SyntaxError('an update to an earlier snapshot');
    return { next, cursor, changedBlocks: count('changedBlocks') };
  };
  return {
    state,
    series,
    sequence: integer(value, 'sequence'),
    bytes: count('bytes'),
    ...(state === 'UPDATING' ? update() : {}),
    ...(value.mtime === undefined ? {} : { mtime: integer(value, 'mtime') }),
    ...(value.device === undefined ? {} : { device: device() }),
    ...(previous === undefined ? {} : { previous: kept() }),
    time: typeof time === 'string' ? time : '',
  };
};

/**
 * Reads a state file.
 *
 * @returns undefined if there is none
 * @throws RefusalError STATE_UNREADABLE, FILE_UNSAFE; SystemError if it cannot be read
 */
export const readState = (path: string): ImageState | undefined => {
  const text = readOwn(path);
  if (text === undefined) return undefined;
  try {
    return imageStateFrom(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new RefusalError(
      'STATE_UNREADABLE',
      `cannot use ${path}: it is not a state file (${error.message}); if you move it away, the image counts as unknown`,
    );
  }
};

/** Makes the folder for the states of devices, if the file is in it. */
export const prepareFolder = ({ state }: ImageFiles): void => {
  const folder = dirname(state);
  if (folder === DEVICE_FOLDER) withErrno('make', folder, () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
};

/** Replaces a state file. It is on disk when this returns. */
export const writeState = (path: string, state: Omit<ImageState, 'time'>): ImageState => {
  const dated = { ...state, time: new Date().toISOString() };
  replaceFile(path, toSummedJson(FORMAT, VERSION, dated));
  return dated;
};

/** A state in words, for people. */
export const stateInWords = (image: string, state: ImageState | undefined): string => {
  if (!state) return `${image}: unknown, there is no state file`;
  const { sequence, next, series, time, previous } = state;
  const bound = state.device ? `, on ${identityInWords(state.device)}` : '';
  const kept = previous ? `; snapshot ${previous.sequence} is kept and can be restored` : '';
  const of = `of series ${series}${bound}`;
  switch (state.state) {
    case 'CLEAN':
      return `${image}: snapshot ${sequence} ${of}, since ${time}${kept}`;
    case 'UPDATING':
      return `${image}: between snapshots ${sequence} and ${next} ${of}, the update stopped after ${time}${kept}`;
    case 'DIFFERS':
      return `${image}: not snapshot ${sequence} ${of}, which it should be; found at ${time}${kept}`;
    case 'ROLLING_BACK':
      return `${image}: being rolled back to snapshot ${previous?.sequence} ${of}, stopped after ${time}`;
  }
};
