/** Which lists of changes a volume keeps, and for which of its targets. */
import { basename } from 'node:path';
import type { DeviceStatus } from '../driver/status.js';
import { removeFile } from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import { closedCowFiles } from './cow-files.js';
import { listsFrom } from './links.js';
import type { Volume } from './volume.js';
import type { KeptVolume, TargetPlace } from './volume-memory.js';

/** A target that is behind by more holds up lists for no good reason, as far as can be seen. */
const PATIENCE_DAYS = 14;
const DAY_MS = 86_400_000;

/** Where lists are. */
export interface ListsPlace {
  readonly volume: Volume;
  readonly mountPoint: string;
  readonly kept: KeptVolume;
}

/**
 * Removes closed COW files that no target needs: a target of another series needs a full copy anyway.
 *
 * @param device that tracks the volume; undefined if nothing does, so that no list leads on to anything
 * @param targets that go on from a snapshot of its series
 */
export const removeLists = (
  { volume, mountPoint, kept }: ListsPlace,
  device: DeviceStatus | undefined,
  targets: readonly TargetPlace[],
  syscalls: Syscalls,
): void => {
  const { uuid: series, seqId = 0n, cowFile = '' } = device ?? {};
  const closed = closedCowFiles(kept.value.cowFolders, mountPoint, device)
    // Never the device's own, by whatever path.
    .filter((path) => basename(path) !== basename(cowFile));
  const from = targets.find(({ sequence }) => targets.every((other) => sequence <= other.sequence))?.sequence ?? seqId;
  const isNeeded =
    series === undefined || from >= seqId ? new Set() : new Set(listsFrom(closed, series, from, volume, syscalls));
  for (const path of closed) if (!isNeeded.has(path)) removeFile(path);
};

/** What a target that falls behind costs, in words; undefined while it may only be slow. */
export const lagNotice = (volume: Volume, target: TargetPlace, now: Date): string | undefined => {
  const days = Math.floor((now.getTime() - target.time.getTime()) / DAY_MS);
  if (days < PATIENCE_DAYS) return undefined;
  const { address, sequence } = target;
  const hint = `hint: \`datto-backup targets --forget ${address} ${volume.path}\` ends that`;
  return `lists of changes are kept for ${address}, which has had no backup for ${days} days, since snapshot ${sequence}; ${hint}`;
};
