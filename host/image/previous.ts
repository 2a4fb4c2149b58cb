/** The previous image: kept as a clone or as an undo log, and restored. */
import { statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Target, ZEROS } from '../copy/copy.js';
import type { ChangeList } from '../cow/change-list.js';
import { RunList } from '../cow/run-list.js';
import { EINVAL, ENOSPC, ENOTTY, EOPNOTSUPP, EXDEV, RefusalError, SystemError, withErrno } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import type { Manifest } from '../manifest/manifest.js';
import type { OpenFile } from '../system/files.js';
import { lookAtOwn, makeFile, openOwn, removeFile, removeRegular } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { ImageFiles, Previous } from './state.js';
import type { UndoRecord } from './undo-log.js';
import { readUndoLog, recordsOf, writeUndoLog } from './undo-log.js';

/** Errnos of filesystems that cannot clone. */
const NO_CLONES = new Set([EINVAL, ENOTTY, EOPNOTSUPP, EXDEV]);

/** @returns false if the filesystem cannot clone */
const tryClone = (from: OpenFile, path: string, syscalls: Syscalls): boolean => {
  try {
    makeFile(path, (file) => syscalls.clone(file.fd, from.fd, path));
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.call === 'clone' && NO_CLONES.has(error.errno)) return false;
    throw error;
  }
};

const freeBytes = (folder: string): number => {
  const { bavail, bsize } = withErrno('stat', folder, () => statfsSync(folder));
  return bavail * bsize;
};

const noSpace = (folder: string, bytes: number, free: number): RefusalError =>
  new RefusalError(
    'NO_SPACE',
    `cannot keep the previous image in ${folder}: ${free} bytes are free, expected ${bytes} for what may change`,
  );

export interface KeepRequest {
  readonly image: OpenFile;
  readonly imageBytes: number;
  readonly changes: ChangeList;
  readonly files: ImageFiles;
  /** Number of the snapshot that the image is. */
  readonly sequence: bigint;
  /** The user requested it; else it is a safety net, and done only where it costs nothing. */
  readonly keep: boolean;
  readonly syscalls: Syscalls;
}

/** Keeps the manifest that goes with a clone of the image. */
const keepManifest = (files: ImageFiles, sequence: bigint, syscalls: Syscalls): void => {
  const kept = files.manifestPrevious(sequence);
  // One that a killed run left may belong to another image of that number.
  removeFile(kept);
  if (!lookAtOwn(files.manifest)) return;
  const manifest = openOwn(files.manifest, 'r');
  try {
    tryClone(manifest, kept, syscalls);
  } finally {
    manifest.close();
  }
};

/** Writes an undo log. It replaces an existing one once it is complete. */
const makeUndoLog = (
  { imageBytes, changes, files, sequence }: KeepRequest,
  records: Iterable<UndoRecord>,
): Previous => {
  const undo: Previous = { kind: 'undo', sequence, keep: true };
  try {
    makeFile(files.previous(undo), (log) => writeUndoLog(log, imageBytes, records));
  } catch (error) {
    const folder = dirname(files.state);
    const isFull = error instanceof SystemError && error.errno === ENOSPC;
    throw isFull ? noSpace(folder, changes.changedBytes, freeBytes(folder)) : error;
  }
  return undo;
};

/**
 * Keeps the image as it is before its first byte changes. What is kept is on disk when this returns.
 *
 * @returns undefined if it was not requested and would cost something
 * @throws RefusalError NO_SPACE
 */
export const keepPrevious = (request: KeepRequest): Previous | undefined => {
  const { image, changes, files, sequence, keep, syscalls } = request;
  const folder = dirname(files.state);
  const free = freeBytes(folder);
  const isFile = image.stat().isFile();
  if (isFile && (free >= changes.changedBytes || keep)) {
    const clone: Previous = { kind: 'clone', sequence, keep };
    if (tryClone(image, files.previous(clone), syscalls)) {
      if (free < changes.changedBytes) {
        removeFile(files.previous(clone));
        throw noSpace(folder, changes.changedBytes, free);
      }
      keepManifest(files, sequence, syscalls);
      return clone;
    }
  }
  if (!keep) return undefined;
  return makeUndoLog(request, recordsOf(image, changes.pieces()));
};

/**
 * Extends an undo log for an update that will change more than the one that it was written for: the present content of
 * all that will change comes first, then the old records, which lead back from there.
 *
 * @throws RefusalError NO_SPACE; NO_PREVIOUS, PREVIOUS_DAMAGED: the previous image cannot be restored any more
 */
export const extendUndo = (request: KeepRequest): Previous => {
  const { image, imageBytes, changes, files, sequence } = request;
  const path = files.previous({ kind: 'undo', sequence });
  requireKept(path);
  const log = openOwn(path, 'r');
  const records = function* (): Generator<UndoRecord> {
    yield* recordsOf(image, changes.pieces());
    yield* readUndoLog(log, imageBytes);
  };
  try {
    return makeUndoLog(request, records());
  } finally {
    log.close();
  }
};

/** Removes kept previous images except `kept`, and the unfinished files of interrupted runs. */
export const removeLeftovers = (files: ImageFiles, kept?: Previous): void => {
  const folder = dirname(files.state);
  const manifests = kept?.kind === 'clone' ? [files.manifestPrevious(kept.sequence)] : [];
  const keptPaths = kept ? [files.previous(kept), ...manifests] : [];
  const isKind = (path: string): boolean =>
    files.previousPrefixes.some((prefix) => path.startsWith(prefix) && /^\d+$/.test(path.slice(prefix.length)));
  removeRegular(folder, (name, isUnfinished) => {
    const path = join(folder, name);
    if (isUnfinished && (path === files.state || path === files.manifest)) return true;
    return isKind(path) && (isUnfinished || !keptPaths.includes(path));
  });
};

const requireKept = (path: string): void => {
  if (!lookAtOwn(path)) throw new RefusalError('NO_PREVIOUS', `cannot roll back: ${path} is missing`);
};

const undo = (
  log: OpenFile,
  image: OpenFile,
  imageBytes: number,
  manifest: Manifest | undefined,
  syscalls: Syscalls,
): RunList => {
  const target = new Target(image, { syscalls, punchHoles: image.stat().isFile() });
  const runs = new RunList();
  for (const { offset, bytes, data } of readUndoLog(log, imageBytes)) {
    const content = data ?? ZEROS.subarray(0, bytes);
    target.put(content, offset);
    manifest?.put(content, offset);
    runs.add({ start: offset / BLOCK_BYTES, count: Math.ceil(bytes / BLOCK_BYTES) });
  }
  return runs;
};

/**
 * Restores the previous image. Repeated after an interruption at any point, it has the same result.
 *
 * @param begin called when all is checked, before the first byte changes
 * @param manifest of the image, which an undo log keeps up to date
 * @returns the restored blocks; undefined if a clone replaced all of them
 * @throws RefusalError NO_PREVIOUS, PREVIOUS_DAMAGED
 */
export const restorePrevious = (
  image: OpenFile,
  imageBytes: number,
  path: string,
  previous: Previous,
  manifest: Manifest | undefined,
  begin: () => void,
  syscalls: Syscalls,
): RunList | undefined => {
  requireKept(path);
  const file = openOwn(path, 'r');
  try {
    if (previous.kind === 'undo') {
      // Check all of it before the first byte is written.
      for (const record of readUndoLog(file, imageBytes)) void record;
      begin();
      return undo(file, image, imageBytes, manifest, syscalls);
    }
    if (Number(file.stat().size) !== imageBytes) {
      const message = `cannot use ${path}: it has ${file.stat().size} bytes, expected ${imageBytes}`;
      throw new RefusalError('PREVIOUS_DAMAGED', message);
    }
    begin();
    syscalls.clone(image.fd, file.fd, image.path);
    return undefined;
  } finally {
    file.close();
  }
};
