/**
 * What is known of the runs of a configured backup: /var/lib/dattobd/backup/NAME.json. It is not beside the image: a run that
 * does not find the folder must be recorded too.
 */
import { dirname, join } from 'node:path';
import type { BackupKind, BackupRequest, BackupResult } from '../backup/request.js';
import { isGood } from '../backup/request.js';
import { RefusalError } from '../errors.js';
import { makeOwnFolder, readOwn, replaceFile, requireOwnFolder } from '../system/safe-files.js';
import { stateFolder } from '../system/state-folder.js';
import { fromSummedJson, isCount, isRecord, toSummedJson } from '../system/summed-json.js';
import { shownTarget } from '../targets/open-target.js';
import { isRunning, thisProcess } from './process.js';

/** A run that succeeded: the image was the volume at `time`. */
export interface Success {
  readonly volume: string;
  readonly folder: string;
  readonly began: Date;
  readonly ended: Date;
  /** When the snapshot had been taken. */
  readonly time: Date;
  readonly kind: BackupKind;
  readonly copiedBytes: number;
  /** As in the result of the run; a record of an earlier version of the tools has neither. */
  readonly copySeconds?: number;
  readonly volumeBytes?: number;
  /** Restore points that the target had then; undefined for an image. */
  readonly restorePoints?: number;
  /** When the snapshot of the oldest of them had been taken. */
  readonly oldestPoint?: Date;
  readonly comparedBlocks: number;
  readonly verify: NonNullable<BackupRequest['verify']>;
  readonly series: string;
  readonly sequence: bigint;
}

/** A run that came to an end. */
export interface Ended {
  readonly began: Date;
  readonly ended: Date;
  /** Its exit status. */
  readonly status: number;
  /** Why it failed, in words; empty if it did not. */
  readonly message: string;
}

export interface BackupRecord {
  /** A run that began and has not ended, or was killed. */
  readonly open?: { readonly began: Date; readonly process: string };
  readonly last?: Ended;
  readonly success?: Success;
}

const FORMAT = 'dattobd backup record';
const VERSION = 1;

export const recordPath = (name: string): string => join(stateFolder(), 'backup', `${name}.json`);

/** Readers of the fields of an object; each throws a SyntaxError. */
const fieldsOf = (value: unknown, what: string) => {
  if (!isRecord(value)) throw new SyntaxError(`no ${what}`);
  const need = <T>(key: string, read: (field: unknown) => T | undefined): T => {
    const field = read(value[key]);
    if (field === undefined) throw new SyntaxError(`no ${key} of ${what}`);
    return field;
  };
  const have = <T>(key: string, read: (key: string) => T): Readonly<Record<string, T>> =>
    value[key] === undefined ? {} : { [key]: read(key) };
  const text = (key: string): string => need(key, (field) => (typeof field === 'string' ? field : undefined));
  return {
    text,
    /** A field that may be missing, as an object. */
    have,
    /** A time in seconds. */
    amount: (key: string): number =>
      need(key, (field) => (typeof field === 'number' && Number.isFinite(field) && field >= 0 ? field : undefined)),
    count: (key: string): number => need(key, (field) => (isCount(field) ? field : undefined)),
    date: (key: string): Date =>
      need(key, (field) => {
        const date = new Date(typeof field === 'string' ? field : NaN);
        return Number.isNaN(date.getTime()) ? undefined : date;
      }),
    oneOf: <T extends string>(key: string, ...words: readonly T[]): T =>
      need(key, (field) => words.find((word) => word === field)),
    number: (key: string): bigint =>
      need(key, (field) => (typeof field === 'string' && /^\d+$/.test(field) ? BigInt(field) : undefined)),
  };
};

const successFrom = (value: unknown): Success => {
  const { text, count, amount, date, oneOf, number, have } = fieldsOf(value, 'success');
  return {
    volume: text('volume'),
    folder: text('folder'),
    began: date('began'),
    ended: date('ended'),
    time: date('time'),
    kind: oneOf('kind', 'whole', 'incremental'),
    copiedBytes: count('copiedBytes'),
    ...have('copySeconds', amount),
    ...have('volumeBytes', count),
    ...have('restorePoints', count),
    ...have('oldestPoint', date),
    comparedBlocks: count('comparedBlocks'),
    verify: oneOf('verify', 'copied', 'all', 'nothing'),
    series: text('series'),
    sequence: number('sequence'),
  };
};

const fromJson = (text: string): BackupRecord => {
  const { open, last, success } = fromSummedJson(FORMAT, VERSION, text);
  const openFrom = (value: unknown): NonNullable<BackupRecord['open']> => {
    const { date, text: word } = fieldsOf(value, 'open');
    return { began: date('began'), process: word('process') };
  };
  const lastFrom = (value: unknown): Ended => {
    const { date, count, text: word } = fieldsOf(value, 'last');
    return { began: date('began'), ended: date('ended'), status: count('status'), message: word('message') };
  };
  return {
    ...(open === undefined ? {} : { open: openFrom(open) }),
    ...(last === undefined ? {} : { last: lastFrom(last) }),
    ...(success === undefined ? {} : { success: successFrom(success) }),
  };
};

/**
 * Reads the record of a backup.
 *
 * @returns undefined if there is none: it never ran
 * @throws RefusalError STATE_UNREADABLE, FILE_UNSAFE; SystemError
 */
export const readRecord = (name: string): BackupRecord | undefined => {
  const path = recordPath(name);
  requireOwnFolder(dirname(path));
  const text = readOwn(path);
  if (text === undefined) return undefined;
  try {
    return fromJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const remedy = 'the next run replaces it';
    throw new RefusalError('STATE_UNREADABLE', `cannot use ${path}: it is damaged (${error.message}); ${remedy}`);
  }
};

const write = (name: string, record: BackupRecord): void => {
  const path = recordPath(name);
  makeOwnFolder(dirname(path), { recursive: true, mode: 0o755 });
  replaceFile(path, toSummedJson(FORMAT, VERSION, { ...record }));
};

/** The record of a run from its beginning to its end. A backup is not given up for a record that cannot be written. */
export class RunRecord {
  readonly #name: string;
  readonly #request: BackupRequest;
  readonly #before: BackupRecord;
  readonly #began = new Date();

  /** Throws a RefusalError BACKUP_RUNNING if another run of this backup is in progress. */
  constructor(name: string, request: BackupRequest) {
    this.#name = name;
    this.#request = request;
    let before: BackupRecord = {};
    try {
      before = readRecord(name) ?? {};
    } catch {
      // What is damaged or not ours is replaced, if it can be.
    }
    if (before.open && isRunning(before.open.process)) {
      const message = `cannot run the backup '${name}': another run is in progress, since ${before.open.began.toISOString()}`;
      throw new RefusalError('BACKUP_RUNNING', message);
    }
    this.#before = before;
    const { last, success } = before;
    const known = { ...(last ? { last } : {}), ...(success ? { success } : {}) };
    try {
      write(name, { ...known, open: { began: this.#began, process: thisProcess() } });
    } catch {
      // finish() reports it.
    }
  }

  /**
   * Records the end of the run.
   *
   * @param message why it failed
   * @param result of a run that came to its end
   * @throws RefusalError FILE_UNSAFE; SystemError
   */
  finish(status: number, message: string, result?: BackupResult): BackupRecord {
    const { volume, verify = 'copied' } = this.#request;
    const folder = shownTarget(this.#request.folder);
    const last = { began: this.#began, ended: new Date(), status, message };
    const { success: earlier } = this.#before;
    // The image of a run whose hook failed after the snapshot is good all the same.
    const success = result &&
      isGood(result) && {
        ...{ volume, folder, began: last.began, ended: last.ended, time: result.time, kind: result.kind },
        ...{ copiedBytes: result.copiedBytes, comparedBlocks: result.comparedBlocks, verify },
        ...{ copySeconds: result.copySeconds, volumeBytes: result.volumeBytes },
        ...{ series: result.series, sequence: result.sequence },
        ...(result.pointsKept ? { restorePoints: result.pointsKept.count, oldestPoint: result.pointsKept.oldest } : {}),
      };
    const newest = success || earlier;
    const record = { last, ...(newest ? { success: newest } : {}) };
    write(this.#name, record);
    return record;
  }
}
