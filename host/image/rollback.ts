/** Restores an image as it was before its last update, and shows the state of an image. */

import { RefusalError } from '../errors.js';
import type { ManifestHeader } from '../manifest/manifest.js';
import { OpenFile } from '../system/files.js';
import { lookAtOwn, moveFile, removeFile } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import { identify } from './device-identity.js';
import { manifestForUpdate, openManifest } from './image-manifest.js';
import { openImage, requireSole } from './open-image.js';
import { removeLeftovers, restorePrevious } from './previous.js';
import type { ImageFiles, ImageState, Previous } from './state.js';
import { imageFiles, readState, stateInWords, writeState } from './state.js';
import { requireSameDevice } from './update-checks.js';

export interface RollbackRequest {
  readonly image: string;
  readonly stateFile?: string;
  /** Roll back even if something else wrote the image since. */
  readonly adopt?: boolean;
}

export interface RollbackResult {
  readonly series: string;
  /** Snapshot that the image is now. */
  readonly sequence: bigint;
  /** Restored blocks; undefined if a clone replaced all of them. */
  readonly blocks?: number;
}

/** Header of the manifest; undefined if that is damaged, or the file is not a manifest of the image. */
const headerOf = (path: string, imageBytes: number): ManifestHeader | undefined => {
  try {
    const manifest = openManifest(path, imageBytes, 'r');
    const header = manifest?.readHeader();
    manifest?.close();
    return header;
  } catch (error) {
    if (error instanceof RefusalError && error.code === 'NO_MANIFEST') return undefined;
    throw error;
  }
};

/** Restores the manifest that was kept with a clone. Without one, removes a manifest of the other snapshot. */
const restoreManifest = (files: ImageFiles, imageBytes: number, sequence: bigint): void => {
  const kept = files.manifestPrevious(sequence);
  if (lookAtOwn(kept)) {
    moveFile(kept, files.manifest);
    return;
  }
  const header = headerOf(files.manifest, imageBytes);
  // A manifest without a number is older than the update: every update gives it one, and first marks it incomplete.
  const fits = header?.complete === true && (header.sequence === sequence || header.sequence === 0n);
  if (!fits) removeFile(files.manifest);
};

const requireUnchanged = ({ image, adopt }: RollbackRequest, file: OpenFile, state: ImageState): void => {
  // A clone replaces everything, whatever it is.
  const isKnown = state.state === 'CLEAN' || state.state === 'DIFFERS';
  if (!isKnown || state.previous?.kind !== 'undo' || adopt === true) return;
  const { mtimeNs } = file.stat();
  if (state.mtime === undefined || state.mtime === mtimeNs) return;
  const why = `something else wrote it after ${state.time}; to roll back all the same, use --adopt`;
  throw new RefusalError('IMAGE_CHANGED', `cannot roll back ${image}: ${why}`);
};

const restore = (
  file: OpenFile,
  files: ImageFiles,
  state: ImageState,
  previous: Previous,
  syscalls: Syscalls,
  onNotice: (text: string) => void,
): RollbackResult => {
  const { series, bytes } = state;
  const { sequence } = previous;
  const identity = { series: Buffer.from(series, 'hex'), sequence };
  const latest = state.next ?? state.sequence;
  const device = state.device ? { device: state.device } : {};
  const manifest =
    previous.kind === 'undo'
      ? manifestForUpdate(files.manifest, bytes, identity.series, [sequence, latest], onNotice)
      : undefined;
  try {
    const begin = (): void => {
      // Refuse files that cannot be used later before the first byte changes.
      for (const path of [files.manifest, files.manifestPrevious(sequence)]) lookAtOwn(path);
      writeState(files.state, { state: 'ROLLING_BACK', series, sequence: latest, bytes, ...device, previous });
      manifest?.begin(identity);
    };
    const runs = restorePrevious(file, bytes, files.previous(previous), previous, manifest, begin, syscalls);
    file.sync();
    if (runs) manifest?.finish(runs, identity);
    else restoreManifest(files, bytes, sequence);
    const stat = file.stat();
    const mark = stat.isFile()
      ? { mtime: stat.mtimeNs }
      : { device: identify(file, bytes, runs ?? [], runs?.blocks ?? 0, syscalls) };
    writeState(files.state, { state: 'CLEAN', series, sequence, bytes, ...mark });
    removeLeftovers(files);
    return { series, sequence, ...(runs ? { blocks: runs.blocks } : {}) };
  } finally {
    manifest?.close();
  }
};

/**
 * Restores the image from before the last update, or before an interrupted one.
 *
 * @param onNotice called with the reason if a manifest is left as it is
 * @throws RefusalError NO_PREVIOUS, PREVIOUS_DAMAGED, IMAGE_CHANGED, IMAGE_LOCKED, IMAGE_SIZE, STATE_UNREADABLE, FILE_UNSAFE
 */
export const rollbackImage = (
  request: RollbackRequest,
  syscalls: Syscalls,
  onNotice: (text: string) => void = () => undefined,
): RollbackResult => {
  const { image } = request;
  const file = openImage(image);
  try {
    if (!syscalls.lock(file.fd, image, 'exclusive')) {
      throw new RefusalError('IMAGE_LOCKED', `cannot roll back ${image}: another process is working on it`);
    }
    requireSole(file);
    const files = imageFiles(image, file.stat().isBlockDevice(), request.stateFile);
    const state = readState(files.state);
    const previous = state?.previous;
    if (!state || !previous) {
      const message = `cannot roll back ${image}: no previous image is kept; ${stateInWords(image, state)}`;
      throw new RefusalError('NO_PREVIOUS', message);
    }
    const bytes = file.bytes(syscalls);
    if (bytes < state.bytes || (file.stat().isFile() && bytes > state.bytes)) {
      const message = `cannot roll back ${image}: it has ${bytes} bytes, expected ${state.bytes}`;
      throw new RefusalError('IMAGE_SIZE', message);
    }
    requireUnchanged(request, file, state);
    if (request.adopt !== true && file.stat().isBlockDevice()) {
      // A mixture is recognized by the device's number or size only: any of its blocks may have changed.
      const mixed = state.state === 'CLEAN' || state.state === 'DIFFERS' ? [] : [{ start: 0, count: Infinity }];
      requireSameDevice(file, state.bytes, state, mixed, 'roll back', syscalls);
    }
    return restore(file, files, state, previous, syscalls, onNotice);
  } finally {
    file.close();
  }
};

/** The state of an image, undefined if there is none, and the same in words. */
export const imageStatus = (image: string, stateFile?: string): { state: ImageState | undefined; words: string } => {
  const file = OpenFile.open(image, 'r');
  try {
    const stat = file.requireContent();
    const state = readState(imageFiles(image, stat.isBlockDevice(), stateFile).state);
    const { mtimeNs } = stat;
    const changed = state?.state === 'CLEAN' && state.mtime !== undefined && state.mtime !== mtimeNs;
    const words = stateInWords(image, state) + (changed ? '; but something else wrote it since' : '');
    return { state, words };
  } finally {
    file.close();
  }
};
