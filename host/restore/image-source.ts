/** Images as restore points: the one of the last update, and previous ones that are kept as complete files. */
import type { BigIntStats } from 'node:fs';
import { dirname } from 'node:path';
import { PIECE_BYTES } from '../cow/runs.js';
import { RefusalError } from '../errors.js';
import { openManifest } from '../image/image-manifest.js';
import type { ImageFiles, ImageState } from '../image/state.js';
import { imageFiles, readState, stateInWords } from '../image/state.js';
import { SUM_BYTES, Xxh64 } from '../manifest/hashing.js';
import type { Manifest } from '../manifest/manifest.js';
import { lookAtOwn, openOwn } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { SumRun } from '../targets/sums.js';
import { compareSums } from '../targets/sums.js';
import { pointName } from '../targets/target.js';
import type { OpenPoint, ReadEvents, RestorePoint, Source } from './point.js';

const SECTOR = 512n;
/** Blocks whose sums are read at a time. */
const RUN_BLOCKS = 256;

/** A file that is a snapshot. */
interface ImagePoint extends RestorePoint {
  readonly path: string;
  readonly manifest: string;
  readonly series: string;
  readonly sequence: bigint;
}

function* manifestRuns(manifest: Manifest): Generator<SumRun> {
  for (let start = 0; start < manifest.nrBlocks; start += RUN_BLOCKS) {
    const count = Math.min(RUN_BLOCKS, manifest.nrBlocks - start);
    const sums = manifest.readSums(start, count).subarray(0, count * SUM_BYTES);
    yield { start, count, sums };
  }
}

/** The manifest of a point, if it is of that snapshot. */
const manifestOf = ({ manifest: path, bytes, series, sequence }: ImagePoint): Manifest | undefined => {
  let manifest: Manifest | undefined;
  try {
    manifest = openManifest(path, bytes, 'r');
  } catch (error) {
    if (error instanceof RefusalError && error.code === 'NO_MANIFEST') return undefined;
    throw error;
  }
  const header = manifest?.readHeader();
  const isOfPoint =
    header?.complete === true && header.sequence === sequence && header.series.equals(Buffer.from(series, 'hex'));
  if (isOfPoint) return manifest;
  manifest?.close();
  return undefined;
};

/** Looks at an image that can be opened; undefined if there is none. */
const statOf = (path: string): BigIntStats | undefined => {
  if (!lookAtOwn(path)) return undefined;
  const file = openOwn(path, 'r');
  try {
    return file.stat();
  } finally {
    file.close();
  }
};

const faultOf = (state: ImageState, { size, mtimeNs }: BigIntStats): string | undefined => {
  if (Number(size) !== state.bytes) return `it has ${size} bytes, expected ${state.bytes}`;
  if (state.state === 'DIFFERS') return 'its last update found that it differs from its snapshot';
  if (state.mtime !== undefined && state.mtime !== mtimeNs) return 'something else wrote it after its last update';
  return undefined;
};

const timeOf = ({ time }: ImageState): { time?: Date } => {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? {} : { time: date };
};

export class ImageSource implements Source {
  readonly address: string;
  readonly #images: readonly ImageFiles[];
  readonly #paths: readonly string[];
  readonly #syscalls: Syscalls;

  /** @param paths of images, the oldest first; those that do not exist are left out */
  constructor(address: string, paths: readonly string[], syscalls: Syscalls) {
    this.address = address;
    this.#paths = paths;
    this.#images = paths.map((path) => imageFiles(path, false, `${path}.datto-state`));
    this.#syscalls = syscalls;
  }

  points(onNotice: (text: string) => void): ImagePoint[] {
    const found = this.#paths.flatMap((path, at) => this.#pointsOf(path, this.#images[at], onNotice));
    // A previous image may be kept twice.
    return found.filter(({ name }, at) => !found.slice(at + 1).some((later) => later.name === name));
  }

  open(point: RestorePoint): OpenPoint {
    const image = this.points(() => undefined).find(({ name }) => name === point.name);
    if (!image) throw new RangeError(`no point ${point.name}`);
    const { path, bytes } = image;
    const held = openOwn(path, 'r');
    try {
      if (!this.#syscalls.lock(held.fd, path, 'shared'))
        throw new RefusalError('IMAGE_LOCKED', `cannot read ${path}: another process is working on it`);
    } catch (error) {
      held.close();
      throw error;
    }
    return {
      ...{ point, held, label: path },
      served: { image: path, format: 'raw', access: 'r', name: path, folder: dirname(path) },
      read: (events) => this.#read(image, (target, offset) => held.readFull(target, offset), events, bytes),
      close: () => held.close(),
    };
  }

  #read(
    image: ImagePoint,
    read: (target: Buffer, offset: number) => void,
    { onData, onDamage, onProgress = () => undefined }: ReadEvents,
    bytes: number,
  ): number | undefined {
    const manifest = manifestOf(image);
    if (manifest) {
      try {
        return compareSums(manifestRuns(manifest), bytes, read, new Xxh64(), onDamage, onProgress, onData);
      } finally {
        manifest.close();
      }
    }
    const buffer = Buffer.alloc(PIECE_BYTES);
    for (let offset = 0; offset < bytes; offset += PIECE_BYTES) {
      const data = buffer.subarray(0, Math.min(PIECE_BYTES, bytes - offset));
      read(data, offset);
      onData?.(data, offset);
      onProgress(offset + data.length);
    }
    return undefined;
  }

  #pointsOf(path: string, files: ImageFiles | undefined, onNotice: (text: string) => void): ImagePoint[] {
    const stat = statOf(path);
    const state = stat && files && readState(files.state);
    if (!stat || !files) return [];
    if (!state) {
      onNotice(`${path} is no restore point: there is no ${files.state}`);
      return [];
    }
    const found: ImagePoint[] = [];
    const { series, previous } = state;
    if (previous?.kind === 'clone') {
      const clone = files.previous(previous);
      const kept = lookAtOwn(clone);
      const manifest = files.manifestPrevious(previous.sequence);
      if (kept) found.push(this.#point(clone, kept, manifest, series, previous.sequence));
    }
    if (state.state !== 'CLEAN' && state.state !== 'DIFFERS') {
      const remedy = 'hint: finish it by another run of datto-backup or update-img, or use update-img --rollback';
      onNotice(`${stateInWords(path, state)}; it is no restore point; ${remedy}`);
      return found;
    }
    const fault = faultOf(state, stat);
    const point = this.#point(path, stat, files.manifest, series, state.sequence);
    return [...found, { ...point, ...timeOf(state), ...(fault === undefined ? {} : { fault }) }];
  }

  #point(path: string, { size, blocks }: BigIntStats, manifest: string, series: string, sequence: bigint): ImagePoint {
    const storedBytes = Number(blocks * SECTOR);
    const name = pointName({ series, sequence });
    return { name, kind: 'image', bytes: Number(size), storedBytes, path, manifest, series, sequence };
  }
}
