/** Whether and how an image can be brought up to date: the lists of changes that lead from it to a snapshot. */
import { statSync } from 'node:fs';
import { ChangeList } from '../cow/change-list.js';
import { CowFile } from '../cow/cow-file.js';
import type { DeviceStatus } from '../driver/status.js';
import { RefusalError, SystemError } from '../errors.js';
import type { ImageState } from '../image/state.js';
import { coreFor } from '../image/update-checks.js';
import { SECTOR_BYTES } from '../layout.js';
import { OpenFile } from '../system/files.js';
import { openOwn } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { Volume } from './volume.js';
import type { VolumeMemory } from './volume-memory.js';

/** Closed COW files of a series by their number. */
export type Lists = ReadonlyMap<bigint, string>;

/** What was found of COW files. */
export interface FoundLists {
  readonly lists: Lists;
  /** Lists of fewer blocks than the driver had counted. */
  readonly short: readonly string[];
}

/** Visits COW files that can be read; `volume` is what they are of. What cannot be read is like a missing one. */
const eachCow = (
  paths: readonly string[],
  volume: Volume,
  syscalls: Syscalls,
  visit: (cow: CowFile, path: string) => void,
): void => {
  if (paths.length === 0) return;
  const source = OpenFile.open(volume.path, 'r');
  try {
    const core = coreFor(source, volume.bytes);
    for (const path of paths) {
      let file: OpenFile | undefined;
      try {
        file = openOwn(path, 'r');
        visit(new CowFile(core, syscalls, file, volume.bytes / SECTOR_BYTES), path);
      } catch (error) {
        if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
      } finally {
        file?.close();
      }
    }
  } finally {
    source.close();
  }
};

/**
 * Sorts COW files by their number.
 *
 * @param paths in any order; files of other users, of other series or modes, incomplete or unreadable ones are left out
 * @param series 32 hex digits
 * @param closing what is known of the list that was closed last
 */
export const listsOf = (
  paths: readonly string[],
  series: string,
  closing: VolumeMemory['closing'],
  volume: Volume,
  syscalls: Syscalls,
): FoundLists => {
  const lists = new Map<bigint, string>();
  const short: string[] = [];
  eachCow(paths, volume, syscalls, (cow, path) => {
    const { uuid, seqid } = cow.header();
    if (uuid.toString('hex') !== series) return;
    cow.requireChangeList();
    // The constructor walks the list, and throws if it is incomplete.
    const { changedBlocks } = new ChangeList([cow], path, volume.bytes);
    const isLast = closing?.series === series && closing.sequence === seqid;
    if (isLast && changedBlocks < closing.leastBlocks) short.push(path);
    else lists.set(seqid, path);
  });
  return { lists, short };
};

/** Those COW files of a series that lead on from snapshot `from`, or from a later one. */
export const listsFrom = (
  paths: readonly string[],
  series: string,
  from: bigint,
  volume: Volume,
  syscalls: Syscalls,
): readonly string[] => {
  const found: string[] = [];
  eachCow(paths, volume, syscalls, (cow, path) => {
    const { uuid, seqid } = cow.header();
    if (uuid.toString('hex') === series && seqid >= from) found.push(path);
  });
  return found;
};

/** Numbers from one to before the other. */
const numbers = (from: bigint, to: bigint): bigint[] =>
  Array.from({ length: Number(to > from ? to - from : 0n) }, (_, index) => from + BigInt(index));

/** COW files that lead from snapshot `from` to snapshot `to`, the last one first; undefined if one is missing. */
export const chain = (lists: Lists, from: bigint, to: bigint): string[] | undefined => {
  const paths = numbers(from, to).map((number) => lists.get(number));
  return paths.every((path) => path !== undefined) ? paths.reverse() : undefined;
};

/** An image, and its state as far as it is known. */
export interface KnownImage {
  readonly path: string;
  readonly state: ImageState | undefined;
}

const wroteElse = (path: string, { mtime }: ImageState): boolean =>
  mtime !== undefined && statSync(path, { bigint: true }).mtimeNs !== mtime;

/** The state of an image after its rollback, which comes first. */
export const afterRollback = (state: ImageState | undefined): ImageState | undefined => {
  if (state?.state !== 'ROLLING_BACK' || !state.previous) return state;
  const { mtime: _mtime, ...rest } = state;
  return { ...rest, state: 'CLEAN', sequence: state.previous.sequence };
};

/**
 * Why an image cannot be updated, so that everything must be copied.
 *
 * @param device that tracks the volume
 * @param lists closed COW files of its series
 * @returns words; undefined if it can
 */
export const reasonForFull = (
  { path, state }: KnownImage,
  device: DeviceStatus | undefined,
  lists: Lists,
  volumeBytes: number,
): string | undefined => {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return 'there is no image yet';
  if (!state) return `the state of ${path} is unknown`;
  if (!device) return 'the volume is not tracked any more: the module was unloaded, or the machine restarted';
  const { uuid, seqId = 0n } = device;
  if (uuid !== state.series) return 'a new series was started after the image was made';
  if (state.bytes !== volumeBytes || stat.size !== volumeBytes)
    return 'the size of the volume, or of its image, changed';
  if (state.state === 'DIFFERS') return 'the image was found to differ where nothing was listed as changed';
  if (state.state === 'CLEAN' && wroteElse(path, state)) return `something else wrote ${path} after ${state.time}`;
  if (state.state === 'ROLLING_BACK') return 'a rollback to the previous image was interrupted, and cannot be finished';
  const latest = state.next ?? state.sequence;
  if (latest > seqId) return `the image is snapshot ${latest}, and the volume is tracked since ${seqId}`;
  if (!chain(lists, state.sequence, seqId)) {
    return `the lists of changes from snapshot ${state.sequence} to ${seqId} are not complete`;
  }
  return undefined;
};
