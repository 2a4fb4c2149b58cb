/** Brings back the image as it was before its last update, and tells what is known of an image. */
import { renameSync, rmSync } from 'node:fs';
import { ENOENT, RefusalError, SystemError, withErrno } from './errors.js';
import { OpenFile } from './files.js';
import { openManifest } from './image-manifest.js';
import { imageFiles, readState, stateInWords, writeState } from './image-state.js';
import type { ImageFiles, ImageState, Previous } from './image-state.js';
import type { Manifest } from './manifest.js';
import { removeLeftovers, restorePrevious } from './previous.js';
import type { Syscalls } from './syscalls.js';

export interface RollbackRequest {
  readonly image: string;
  readonly stateFile?: string;
  /** Go back though something else wrote the image since. */
  readonly adopt?: boolean;
}

export interface RollbackResult {
  readonly series: string;
  /** Snapshot that the image is now. */
  readonly sequence: bigint;
  /** Blocks that were put back; undefined if all were, at once. */
  readonly blocks?: number;
}

/** Moves the manifest back with a clone; one that is of the other image and cannot be moved back goes. */
const restoreManifest = (files: ImageFiles, imageBytes: number, sequence: bigint): void => {
  try {
    withErrno('rename', files.manifestPrevious, () => renameSync(files.manifestPrevious, files.manifest));
  } catch (error) {
    if (!(error instanceof SystemError) || error.errno !== ENOENT) throw error;
    const manifest = openManifest(files.manifest, imageBytes, 'r');
    const header = manifest?.readHeader();
    manifest?.close();
    // One without a number was made before the update: every update gives it one, and marks it incomplete at once.
    const fits = header?.complete === true && (header.sequence === sequence || header.sequence === 0n);
    if (!fits) rmSync(files.manifest, { force: true });
  }
};

const requireUnchanged = ({ image, adopt }: RollbackRequest, file: OpenFile, state: ImageState): void => {
  // A clone replaces everything, whatever it is.
  if (state.state !== 'CLEAN' || state.previous?.kind !== 'undo' || adopt === true) return;
  const { mtimeNs } = file.stat();
  if (state.mtime === undefined || state.mtime === mtimeNs) return;
  const why = `something else wrote it after ${state.time}; to go back all the same, say --adopt`;
  throw new RefusalError('IMAGE_CHANGED', `Cannot roll back ${image}: ${why}`);
};

const manifestOf = (files: ImageFiles, bytes: number, previous: Previous): Manifest | undefined =>
  previous.kind === 'undo' ? openManifest(files.manifest, bytes, 'r+') : undefined;

const restore = (
  file: OpenFile,
  files: ImageFiles,
  state: ImageState,
  previous: Previous,
  syscalls: Syscalls,
): RollbackResult => {
  const { series, bytes } = state;
  const { sequence } = previous;
  const identity = { series: Buffer.from(series, 'hex'), sequence };
  const manifest = manifestOf(files, bytes, previous);
  // Without its header there is nothing to carry on.
  const carried = manifest?.readHeader() ? manifest : undefined;
  try {
    const begin = (): void => {
      const { series: of, sequence: from } = state;
      writeState(files.state, { state: 'ROLLING_BACK', series: of, sequence: from, bytes, previous });
      carried?.begin(identity);
    };
    const runs = restorePrevious(file, bytes, files.previous(previous), previous, carried, begin, syscalls);
    file.sync();
    if (runs) carried?.finish(runs, identity);
    else restoreManifest(files, bytes, sequence);
    const stat = file.stat();
    const mtime = stat.isFile() ? { mtime: stat.mtimeNs } : {};
    writeState(files.state, { state: 'CLEAN', series, sequence, bytes, ...mtime });
    removeLeftovers(files);
    const blocks = runs && { blocks: runs.reduce((sum, { count }) => sum + count, 0) };
    return { series, sequence, ...blocks };
  } finally {
    manifest?.close();
  }
};

/**
 * Brings back the image before the last update, or before one that was interrupted.
 *
 * @throws RefusalError NO_PREVIOUS, PREVIOUS_DAMAGED, IMAGE_CHANGED, IMAGE_LOCKED, IMAGE_SIZE, STATE_UNREADABLE
 */
export const rollbackImage = (request: RollbackRequest, syscalls: Syscalls): RollbackResult => {
  const { image } = request;
  const file = OpenFile.open(image, 'r+');
  try {
    if (!syscalls.lock(file.fd, image)) {
      throw new RefusalError('IMAGE_LOCKED', `Cannot roll back ${image}: another process is working on it`);
    }
    const files = imageFiles(image, file.stat().isBlockDevice(), request.stateFile);
    const state = readState(files.state);
    const previous = state?.previous;
    if (!state || !previous) {
      const message = `Cannot roll back ${image}: nothing is kept of the image before; ${stateInWords(image, state)}`;
      throw new RefusalError('NO_PREVIOUS', message);
    }
    const bytes = file.bytes(syscalls);
    if (bytes < state.bytes || (file.stat().isFile() && bytes > state.bytes)) {
      const message = `Cannot roll back ${image}: it has ${bytes} bytes, expected ${state.bytes}`;
      throw new RefusalError('IMAGE_SIZE', message);
    }
    requireUnchanged(request, file, state);
    return restore(file, files, state, previous, syscalls);
  } finally {
    file.close();
  }
};

/** What is known of an image: its state, undefined if none, and the same in words. */
export const imageStatus = (image: string, stateFile?: string): { state: ImageState | undefined; words: string } => {
  const file = OpenFile.open(image, 'r');
  try {
    const state = readState(imageFiles(image, file.stat().isBlockDevice(), stateFile).state);
    const { mtimeNs } = file.stat();
    const changed = state?.state === 'CLEAN' && state.mtime !== undefined && state.mtime !== mtimeNs;
    const words = stateInWords(image, state) + (changed ? '; but something else wrote it since' : '');
    return { state, words };
  } finally {
    file.close();
  }
};
