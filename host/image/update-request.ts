/** An update of an image: its request, its events and its result. */

import type { CopyFailure } from '../copy/copy.js';
import type { Estimate } from '../copy/estimate-copy.js';
import type { BlockRun } from '../cow/runs.js';
import type { Decision } from './decision.js';
import type { Previous } from './state.js';

export interface UpdateRequest {
  /** Snapshot node, or a link to one. */
  readonly snapshot: string;
  /** COW file of the series that was closed when the snapshot began. */
  readonly cowFile: string;
  /** Image of the previous snapshot: a regular file or a block device. */
  readonly image: string;
  /** Check everything, and write nothing. */
  readonly dryRun: boolean;
  /** Older COW files of the series, for an image that missed snapshots. */
  readonly also?: readonly string[];
  /** Path of the state file, if not the default. */
  readonly stateFile?: string;
  /** Trust that the image is the snapshot that the oldest COW file starts from, whatever its state is. */
  readonly adopt?: boolean;
  /** Keep the previous image, so that it can be restored. */
  readonly keepPrevious?: boolean;
  /** Do not keep a clone of the image while it is updated. */
  readonly noSafetyClone?: boolean;
  /** Compare the image with the snapshot: changed blocks, and a sample of so many others. */
  readonly verifySample?: number;
  /** Make a manifest if there is none. An existing one is always kept up to date. */
  readonly manifest?: boolean;
  /** Sync every piece before the next is read. */
  readonly writeThrough?: boolean;
  /** Write long pieces past the page cache. */
  readonly direct?: boolean;
  /** Reads, and writes past the page cache, in flight; 128 if left out. */
  readonly depth?: number;
  /** Most MiB per second to copy or to compare. With dryRun: for the estimate; if left out, it is measured. */
  readonly rate?: number;
  /** Sync and record progress every so many bytes; if left out, every 64 MiB, at most once a second. */
  readonly checkpointBytes?: number;
  /** @deprecated the old name of checkpointBytes */
  readonly cursorBytes?: number;
}

export interface UpdatePlan {
  readonly snapshotBlocks: number;
  readonly changedBlocks: number;
  readonly changedBytes: number;
  readonly action: Decision['action'];
  /** Series, 32 hex digits. */
  readonly series: string;
  /** Snapshots that the update leads from and to. */
  readonly from: bigint;
  readonly to: bigint;
  /** Where an interrupted update resumes, in bytes. */
  readonly cursor: number;
}

export interface UpdateEvents {
  /** All checks were passed; copying begins unless this is a dry run. */
  readonly onPlan?: (plan: UpdatePlan) => void;
  readonly onProgress?: (doneBytes: number, plan: UpdatePlan) => void;
  readonly onFailure?: (failure: CopyFailure) => void;
  /** Something that the user should know; the update continues. */
  readonly onNotice?: (text: string) => void;
  /** Verification found blocks of the image that differ from the snapshot. */
  readonly onDifference?: (run: BlockRun, listed: boolean) => void;
}

export interface Verification {
  readonly changedBlocks: number;
  readonly sampledBlocks: number;
  readonly differingBlocks: number;
}

export interface UpdateResult extends UpdatePlan {
  readonly copiedBytes: number;
  /** Seconds that the copy took, with the sync at its end. */
  readonly copySeconds: number;
  /** Of these, bytes that became holes of the image. */
  readonly punchedBytes: number;
  /** Blocks that could not be copied; the image is not a snapshot until they are. */
  readonly failedBlocks: number;
  /** Writes bypassed the page cache. */
  readonly direct: boolean;
  /** Of a dry run. */
  readonly estimate?: Estimate;
  /** The kept previous image. */
  readonly previous?: Previous;
  readonly verified?: Verification;
  /** Root of the manifest, hex digits. */
  readonly root?: string;
}
