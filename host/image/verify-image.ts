/** Verification: an image against a snapshot, or against its own manifest. */

import { compareRuns, randomNumbers, sampleSize, sampleUnlisted } from '../copy/compare.js';
import { ChangeList } from '../cow/change-list.js';
import { CowFile } from '../cow/cow-file.js';
import type { BlockRun } from '../cow/runs.js';
import { RefusalError } from '../errors.js';
import { BLOCK_BYTES, SECTOR_BYTES, UUID_BYTES } from '../layout.js';
import type { ManifestHeader } from '../manifest/manifest.js';
import type { Finding } from '../manifest/scrub.js';
import { scrub } from '../manifest/scrub.js';
import { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import { buildManifest, openManifest } from './image-manifest.js';
import type { ImageState } from './state.js';
import { imageFiles, readState } from './state.js';
import { coreFor } from './update-checks.js';

export interface CompareRequest {
  /** Snapshot, a device or a file. */
  readonly snapshot: string;
  readonly image: string;
  /** COW file that lists what changed; without one, all blocks are compared. */
  readonly cowFile?: string;
  /** Compare all blocks even with a COW file. */
  readonly all: boolean;
  /** With a COW file: number of blocks to compare that it does not list. */
  readonly sample: number;
  /** Seed that chooses those blocks. */
  readonly seed: number;
}

export interface CompareResult {
  readonly comparedBlocks: number;
  readonly differingBlocks: number;
  /** Of the compared blocks, those that the COW file does not list. */
  readonly sampledBlocks: number;
}

export interface VerifyEvents {
  /** `listed` is undefined without a COW file. */
  readonly onDifference?: (run: BlockRun, listed: boolean | undefined) => void;
  readonly onFinding?: (finding: Finding) => void;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Opens files, gives them to `run`, and closes them. */
const withFiles = <T>(paths: readonly string[], run: (...files: OpenFile[]) => T): T => {
  const files: OpenFile[] = [];
  try {
    for (const path of paths) files.push(OpenFile.open(path, 'r'));
    return run(...files);
  } finally {
    for (const file of files) file.close();
  }
};

const requireSameSize = (snapshot: OpenFile, image: OpenFile, syscalls: Syscalls): number => {
  const bytes = snapshot.bytes(syscalls);
  const found = image.bytes(syscalls);
  if (found === bytes || (found > bytes && image.stat().isBlockDevice())) return bytes;
  const message = `cannot compare ${image.path}: it has ${found} bytes, expected ${bytes} as the snapshot has`;
  throw new RefusalError('IMAGE_SIZE', message);
};

/**
 * Compares an image with a snapshot; the image is read from the disk, not from memory.
 *
 * @throws RefusalError IMAGE_SIZE, and those of the COW file; SystemError if something cannot be read
 */
export const compareImage = (request: CompareRequest, syscalls: Syscalls, events: VerifyEvents = {}): CompareResult => {
  const { cowFile } = request;
  const paths = [request.snapshot, request.image, ...(cowFile === undefined ? [] : [cowFile])];
  return withFiles(paths, (...[snapshot, image, cow]) => {
    if (!snapshot || !image) throw new RangeError('two files');
    const bytes = requireSameSize(snapshot, image, syscalls);
    syscalls.adviseDontNeed(image.fd);
    const nrBlocks = Math.ceil(bytes / BLOCK_BYTES);
    const compare = (runs: Iterable<BlockRun>, total: number, listed: boolean | undefined): number =>
      compareRuns(
        snapshot,
        image,
        runs,
        bytes,
        (run) => events.onDifference?.(run, listed),
        (done) => events.onProgress?.(done, total),
      );
    if (!cow || request.all) {
      const differingBlocks = compare([{ start: 0, count: nrBlocks }], bytes, undefined);
      return { comparedBlocks: nrBlocks, differingBlocks, sampledBlocks: 0 };
    }
    const list = new CowFile(coreFor(snapshot, bytes), syscalls, cow, bytes / SECTOR_BYTES);
    list.requireChangeList();
    const changes = new ChangeList([list], cow.path, bytes);
    const random = randomNumbers(request.seed);
    const { changedBlocks, changedBytes } = changes;
    const sampledBlocks = sampleSize(changedBlocks, nrBlocks, request.sample);
    const chosen = sampleUnlisted(changes.runs(), changedBlocks, nrBlocks, sampledBlocks, random);
    const listed = compare(changes.runs(), changedBytes, true);
    const unlisted = compare(chosen, sampledBlocks * BLOCK_BYTES, false);
    return { comparedBlocks: changedBlocks + sampledBlocks, differingBlocks: listed + unlisted, sampledBlocks };
  });
};

export interface ManifestRequest {
  readonly image: string;
  /** State file, if not beside the image. */
  readonly stateFile?: string;
  /** Manifest, if not beside the image. */
  readonly manifest?: string;
}

interface Known {
  readonly state: ImageState | undefined;
  readonly path: string;
  readonly bytes: number;
}

const known = (image: OpenFile, request: ManifestRequest, syscalls: Syscalls): Known => {
  const files = imageFiles(request.image, image.stat().isBlockDevice(), request.stateFile);
  const state = readState(files.state);
  return { state, path: request.manifest ?? files.manifest, bytes: image.bytes(syscalls) };
};

const requireClean = (image: string, state: ImageState | undefined): void => {
  if (!state || state.state === 'CLEAN') return;
  const message = `cannot use ${image}: an update or a rollback of it is not complete (update-img --status ${image})`;
  throw new RefusalError('IMAGE_INTERRUPTED', message);
};

export interface MadeManifest {
  readonly path: string;
  readonly blocks: number;
  /** Hex digits. */
  readonly root: string;
}

/**
 * Makes the manifest of an image from its present content.
 *
 * @throws RefusalError IMAGE_LOCKED, IMAGE_INTERRUPTED, STATE_UNREADABLE
 */
export const makeManifest = (
  request: ManifestRequest,
  syscalls: Syscalls,
  onProgress?: (doneBytes: number, totalBytes: number) => void,
): MadeManifest =>
  withFiles([request.image], (...[image]) => {
    if (!image) throw new RangeError('a file');
    if (!syscalls.lock(image.fd, request.image, 'shared')) {
      throw new RefusalError('IMAGE_LOCKED', `cannot read ${request.image}: another process is working on it`);
    }
    const { state, path, bytes } = known(image, request, syscalls);
    requireClean(request.image, state);
    const series = state ? Buffer.from(state.series, 'hex') : Buffer.alloc(UUID_BYTES);
    const identity = { series, sequence: state?.sequence ?? 0n };
    const root = buildManifest(image, bytes, path, identity, (done) => onProgress?.(done, bytes));
    return { path, blocks: Math.ceil(bytes / BLOCK_BYTES), root: root.toString('hex') };
  });

export interface ScrubResult {
  readonly blocks: number;
  /** Blocks of the image that have changed, or cannot be read. */
  readonly rottenBlocks: number;
  /** Flaws of the manifest. */
  readonly manifestFlaws: number;
  /** Root in the manifest, hex digits; undefined if its header is damaged. */
  readonly root?: string;
  readonly header?: ManifestHeader;
}

/** The manifest must be of the image's present snapshot: else all that changed since would look rotten. */
const requireCurrent = (path: string, header: ManifestHeader | undefined, state: ImageState | undefined): void => {
  if (!header) return;
  const remedy = 'hint: datto-verify manifest makes a new one';
  if (!header.complete) throw new RefusalError('NO_MANIFEST', `cannot use ${path}: it is not complete; ${remedy}`);
  if (!state || header.sequence === 0n || header.sequence === state.sequence) return;
  const why = `it is of snapshot ${header.sequence}, and the image is ${state.sequence}; ${remedy}`;
  throw new RefusalError('NO_MANIFEST', `cannot use ${path}: ${why}`);
};

/**
 * Reads all of an image and compares it with its manifest.
 *
 * @throws RefusalError NO_MANIFEST, IMAGE_LOCKED, IMAGE_INTERRUPTED, STATE_UNREADABLE
 */
export const scrubImage = (
  request: ManifestRequest & { readonly fast: boolean },
  syscalls: Syscalls,
  events: VerifyEvents = {},
): ScrubResult =>
  withFiles([request.image], (...[image]) => {
    if (!image) throw new RangeError('a file');
    if (!syscalls.lock(image.fd, request.image, 'shared')) {
      throw new RefusalError('IMAGE_LOCKED', `cannot read ${request.image}: another process is working on it`);
    }
    const { state, path, bytes } = known(image, request, syscalls);
    requireClean(request.image, state);
    const manifest = openManifest(path, bytes, 'r');
    if (!manifest) {
      const message = `cannot use ${path}: it does not exist; hint: datto-verify manifest makes it`;
      throw new RefusalError('NO_MANIFEST', message);
    }
    try {
      const header = manifest.readHeader();
      requireCurrent(path, header, state);
      syscalls.adviseDontNeed(image.fd);
      let [rottenBlocks, manifestFlaws] = [0, 0];
      scrub(image, manifest, bytes, {
        fast: request.fast,
        onFinding: (finding) => {
          if (finding.what === 'image' || finding.what === 'unreadable') rottenBlocks++;
          else manifestFlaws++;
          events.onFinding?.(finding);
        },
        onProgress: (done) => events.onProgress?.(done, bytes),
      });
      const found = header ? { header, root: header.root.toString('hex') } : {};
      return { blocks: manifest.nrBlocks, rottenBlocks, manifestFlaws, ...found };
    } finally {
      manifest.close();
    }
  });
