/** Where a run brings its snapshots: an image, or restore points. */
import type { DeviceStatus } from '../driver/status.js';
import type { Lists } from './links.js';
import type { BackupContext, BackupEvents, BackupRequest, CopyOutcome } from './request.js';

/** A snapshot to copy. */
export interface SnapshotJob {
  /** An active snapshot. */
  readonly device: DeviceStatus;
  /** When it had been taken, as far as that is known. */
  readonly time: Date;
  readonly lists: Lists;
  /** Copy all of it; else what the lists have. */
  readonly full: boolean;
}

export interface Destination {
  /** The image, or the folder of the points. */
  readonly path: string;
  /** Series of what it has, 32 hex digits; a device is known by it. */
  series(): string | undefined;
  /** Finishes what needs no driver. */
  recover(): void;
  /**
   * Why its newest snapshot cannot be brought up to date, so that everything must be copied, in words.
   *
   * @param device that tracks the volume
   * @param lists closed COW files of its series
   * @param planned as it will be once recover() has done its work
   */
  reasonForFull(device: DeviceStatus | undefined, lists: Lists, planned?: boolean): string | undefined;
  /** It has this snapshot, complete. */
  isAt(device: DeviceStatus): boolean;
  /** A full copy of this snapshot was begun, and can be resumed. */
  isBegun(device: DeviceStatus): boolean;
  /** Throws a RefusalError NO_SPACE if a full copy does not fit. */
  requireSpace(mountPoint: string): void;
  /** Restores the last good content, if it has become a mixture. */
  rollBack(): void;
  /** Copies a snapshot. A good copy is complete and on disk when this returns. */
  copy(job: SnapshotJob): CopyOutcome;
  /** The newest snapshot is complete and its lists are removed; `isIncremental`: the run made it of changes. */
  settled(isIncremental: boolean): void;
}

/** What a destination works with. */
export interface Work {
  readonly request: BackupRequest;
  readonly context: BackupContext;
  readonly events: BackupEvents;
  /** Size of the volume. */
  readonly bytes: number;
}
