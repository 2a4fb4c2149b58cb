/** A backup: its request, its events and its result. */

import type { CopyFailure } from '../copy/copy.js';
import type { BlockRun } from '../cow/runs.js';
import type { Driver } from '../driver/driver.js';
import type { Syscalls } from '../system/syscalls.js';

export interface BackupRequest {
  /** Block device with a mounted ext4 or xfs. */
  readonly volume: string;
  /** Folder of the volume's images, which exists and is on another disk. */
  readonly folder: string;
  /** true: copy everything; false: refuse where everything would have to be copied; undefined: where it must be. */
  readonly whole?: boolean;
  /** Destroy this folder's device if it has failed, and start a new series. */
  readonly restart?: boolean;
  /** Keep restore points instead of one image, by rules such as `latest3,days7`. */
  readonly keep?: string;
  /** How the previous image is kept: as a clone if the filesystem can (default); else as an undo log; or not at all. */
  readonly keepPrevious?: 'clone' | 'undo' | 'nothing';
  /** What is read again and compared with the snapshot: what was copied, and a sample (default); all; nothing. */
  readonly verify?: 'copied' | 'all' | 'nothing';
  /** Blocks that were not copied, to be compared; 1000 if left out. */
  readonly sample?: number;
  /** Make a manifest of the image if it has none. */
  readonly manifest?: boolean;
  /** For a new series; else the lowest that is free. */
  readonly minor?: number;
  /** Folder for COW files, on the volume; else its root. */
  readonly cowFolder?: string;
  /** Size of COW files in MiB; if 0 or left out, the driver's choice. */
  readonly cowMib?: number;
  /** Sync and record progress every so many bytes; if left out, every 64 MiB, at most once a second. */
  readonly checkpointBytes?: number;
  /** @deprecated the old name of checkpointBytes */
  readonly noteBytes?: number;
  /** Most MiB per second to copy or to compare. */
  readonly rate?: number;
  /** Command that runs before a snapshot is taken: an absolute path and arguments. If it fails, none is taken. */
  readonly before?: string;
  /** Command that runs once the snapshot was taken, or could not be. */
  readonly after?: string;
  /** Seconds that each command may take; 30 if left out. */
  readonly hookSeconds?: number;
  /** Folder of programs that run before and after the snapshot, with `before` or `after` as their argument. */
  readonly hookFolder?: string;
}

export type BackupKind = 'whole' | 'incremental';

/** What is about to be done. */
export interface BackupPlan {
  readonly kind: BackupKind;
  /** Why everything is copied, in words. */
  readonly reason?: string;
  /** A backup that was interrupted is finished first. */
  readonly finishFirst: boolean;
  readonly image: string;
  /** Size of the volume. */
  readonly volumeBytes: number;
  /** Bytes to copy, as far as it is known now: the volume keeps changing. */
  readonly bytes: number;
}

export interface BackupEvents {
  readonly onPlan?: (plan: BackupPlan) => void;
  /** The step that starts now, in words. */
  readonly onStep?: (text: string) => void;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Something that the user should know; the backup continues. */
  readonly onNotice?: (text: string) => void;
  /** What only somebody who looks for a fault wants to know. */
  readonly onDetail?: (text: string) => void;
  readonly onFailure?: (failure: CopyFailure) => void;
  /** Blocks of the image that differ from the snapshot. `listed`: they were copied just now. */
  readonly onDifference?: (run: BlockRun, listed: boolean) => void;
}

export interface BackupContext {
  readonly syscalls: Syscalls;
  readonly driver: Driver;
}

/** The result of copying one snapshot. */
export interface CopyOutcome {
  readonly kind: BackupKind;
  /** Series, 32 hex digits, and number of the snapshot in it. */
  readonly series: string;
  readonly sequence: bigint;
  readonly copiedBytes: number;
  /** Seconds that the copy took, without the comparison; a full copy that was resumed counts from there. */
  readonly copySeconds: number;
  /** Of these, zeros that became holes of the image; a full copy leaves them out. */
  readonly punchedBytes: number;
  /** Blocks that could not be copied; if there are any, the image is no snapshot. */
  readonly failedBlocks: number;
  readonly comparedBlocks: number;
  /** Blocks found to differ; if there are any, the image is no snapshot. */
  readonly differingBlocks: number;
  /** The file that keeps the previous image. */
  readonly previous?: string;
  /** Root of the manifest, hex digits. */
  readonly root?: string;
  /** Name of the restore point that was made. */
  readonly point?: string;
  /** Names of restore points that were removed, as they are not to be kept. */
  readonly removedPoints?: readonly string[];
  /** Restore points that the target has now, and when the oldest snapshot had been taken. */
  readonly pointsKept?: { readonly count: number; readonly oldest: Date };
}

export interface BackupResult extends CopyOutcome {
  readonly image: string;
  readonly minor: number;
  readonly volumeBytes: number;
  /** Seconds that the run took, with all that it finished first. */
  readonly seconds: number;
  /** When the snapshot had been taken. */
  readonly time: Date;
  readonly reason?: string;
  /** Number of the snapshot of an interrupted backup that was finished first. */
  readonly finished?: bigint;
  /** Hooks that failed after the snapshot was taken, in words. */
  readonly failedHooks: readonly string[];
}

/** The result of a run that does not know its whole time. */
export type RunResult = Omit<BackupResult, 'seconds'>;

/** True if the image is the snapshot. */
export const isGood = ({ failedBlocks, differingBlocks }: CopyOutcome): boolean =>
  failedBlocks === 0 && differingBlocks === 0;
