/**
 * What is kept of a volume from run to run, whatever target a run is for: where its COW files are, and which targets still
 * need which of them. It lies beside the COW files, on the volume itself, in a folder that only root can write to.
 */
import { constants } from 'node:fs';
import { join } from 'node:path';
import { RefusalError } from '../errors.js';
import { pause } from '../system/clock.js';
import {
  checked,
  makeOwnFolder,
  openUnfollowed,
  readOwn,
  removeFile,
  removeRegular,
  replaceFile,
  requireOwnFolder,
} from '../system/safe-files.js';
import { fromSummedJson, isCount, isRecord, toSummedJson } from '../system/summed-json.js';
import type { Syscalls } from '../system/syscalls.js';
import { COW_FOLDER } from './cow-files.js';

/** A place that backups of the volume go to. */
export interface TargetName {
  /** Stays the same if its disk is mounted elsewhere. */
  readonly id: string;
  /** As users name it; where it was seen last. */
  readonly address: string;
}

/** The newest snapshot that a target has, complete. */
export interface TargetPlace extends TargetName {
  /** Series, 32 hex digits. */
  readonly series: string;
  readonly sequence: bigint;
  /** When the snapshot had been taken. */
  readonly time: Date;
}

/** A target that lost its id is known by its address. */
export const isSameTarget = (a: TargetName, b: TargetName): boolean => a.id === b.id || a.address === b.address;

export interface VolumeMemory {
  /** Folders that COW files were put into, from the root of the volume's filesystem. */
  readonly cowFolders: readonly string[];
  /** The list that is being closed, or was last: it has the blocks that the driver had counted before, and maybe more. */
  readonly closing?: { readonly series: string; readonly sequence: bigint; readonly leastBlocks: number };
  /** For whom the newest snapshot was taken. */
  readonly snapshotFor?: TargetName;
  readonly targets: readonly TargetPlace[];
}

const NOTHING: VolumeMemory = { cowFolders: [], targets: [] };

const FORMAT = 'dattobd volume';
const VERSION = 1;

const memoryFile = (mountPoint: string): string => join(mountPoint, COW_FOLDER, 'volume.json');

const snapshotFrom = (value: Readonly<Record<string, unknown>>): { series: string; sequence: bigint } => {
  const { series, sequence } = value;
  if (typeof series !== 'string' || !/^[0-9a-f]{32}$/.test(series)) throw new SyntaxError('no series');
  if (typeof sequence !== 'string' || !/^\d{1,20}$/.test(sequence)) throw new SyntaxError('no sequence');
  return { series, sequence: BigInt(sequence) };
};

const nameFrom = ({ id, address }: Readonly<Record<string, unknown>>): TargetName => {
  if (typeof id !== 'string' || id === '' || typeof address !== 'string') throw new SyntaxError('no target');
  return { id, address };
};

const targetFrom = (value: unknown): TargetPlace => {
  if (!isRecord(value)) throw new SyntaxError('no target');
  const time = new Date(typeof value.time === 'string' ? value.time : NaN);
  if (Number.isNaN(time.getTime())) throw new SyntaxError('no time');
  return { ...nameFrom(value), ...snapshotFrom(value), time };
};

const closingFrom = (value: unknown): NonNullable<VolumeMemory['closing']> => {
  if (!isRecord(value) || !isCount(value.leastBlocks)) throw new SyntaxError('no closing');
  return { ...snapshotFrom(value), leastBlocks: value.leastBlocks };
};

const fromJson = (text: string): VolumeMemory => {
  const { cowFolders, closing, snapshotFor, targets } = fromSummedJson(FORMAT, VERSION, text);
  const isFolder = (folder: unknown): folder is string => typeof folder === 'string' && folder.startsWith('/');
  if (!Array.isArray(cowFolders) || !cowFolders.every(isFolder)) throw new SyntaxError('no cowFolders');
  if (!Array.isArray(targets)) throw new SyntaxError('no targets');
  if (snapshotFor !== undefined && !isRecord(snapshotFor)) throw new SyntaxError('no snapshotFor');
  return {
    ...{ cowFolders, targets: targets.map(targetFrom) },
    ...(closing === undefined ? {} : { closing: closingFrom(closing) }),
    ...(snapshotFor === undefined ? {} : { snapshotFor: nameFrom(snapshotFor) }),
  };
};

/**
 * Reads what is kept of a volume.
 *
 * @throws RefusalError STATE_UNREADABLE, FILE_UNSAFE; SystemError if it cannot be read
 */
export const readVolumeMemory = (mountPoint: string): VolumeMemory => {
  const path = memoryFile(mountPoint);
  requireOwnFolder(join(mountPoint, COW_FOLDER));
  const text = readOwn(path);
  if (text === undefined) return NOTHING;
  try {
    return fromJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const remedy = 'move it away; each target then needs a full copy, at worst';
    throw new RefusalError('STATE_UNREADABLE', `cannot use ${path}: it is damaged (${error.message}); ${remedy}`);
  }
};

/** What is kept of a volume, in memory and on disk. Only who has the volume's lock changes it. */
export class KeptVolume {
  readonly #path: string;
  #value: VolumeMemory;

  constructor(mountPoint: string) {
    this.#path = memoryFile(mountPoint);
    this.#value = readVolumeMemory(mountPoint);
  }

  get value(): VolumeMemory {
    return this.#value;
  }

  /** Replaces parts. On disk when this returns. */
  update(parts: Partial<VolumeMemory>): void {
    const next = { ...this.#value, ...parts };
    replaceFile(this.#path, toSummedJson(FORMAT, VERSION, { ...next }));
    this.#value = next;
  }

  /** A target has a snapshot, complete: it needs the lists from there on. */
  reached(place: TargetPlace): void {
    const isKnown = this.#value.targets.some(
      ({ id, series, sequence }) => id === place.id && series === place.series && sequence === place.sequence,
    );
    if (!isKnown) this.update({ targets: [...this.#without(place), place] });
  }

  /** A target needs no lists any more. */
  forget(name: TargetName): void {
    const targets = this.#without(name);
    if (targets.length < this.#value.targets.length) this.update({ targets });
  }

  /** Nothing tracks the volume any more. */
  end(): void {
    removeFile(this.#path);
    this.#value = NOTHING;
  }

  /** Other targets that go on from a snapshot of this series. */
  others(name: TargetName, series: string): readonly TargetPlace[] {
    return this.#without(name).filter((one) => one.series === series);
  }

  #without(name: TargetName): readonly TargetPlace[] {
    return this.#value.targets.filter((one) => !isSameTarget(one, name));
  }
}

const STEP_MS = 200;

/**
 * Keeps other runs for the same volume out while `run` runs, however that ends; waits for them first.
 *
 * @param onWait called once if there is one
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const withVolumeLock = <T>(mountPoint: string, syscalls: Syscalls, onWait: () => void, run: () => T): T => {
  const path = join(mountPoint, COW_FOLDER);
  makeOwnFolder(path);
  const folder = checked(openUnfollowed(path, constants.O_RDONLY | constants.O_DIRECTORY, path, 'lock'), () =>
    requireOwnFolder(path),
  );
  try {
    for (let waited = false; !syscalls.lock(folder.fd, path, 'exclusive'); waited = true) {
      if (!waited) onWait();
      pause(STEP_MS);
    }
    removeRegular(path, (name, isUnfinished) => isUnfinished && name === 'volume.json');
    return run();
  } finally {
    folder.close();
  }
};
