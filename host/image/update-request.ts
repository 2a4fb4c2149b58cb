/** What an update of an image is asked for, and what it tells. */

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
  /** Image of the snapshot before: a regular file or a block device. */
  readonly image: string;
  /** Check everything, and write nothing. */
  readonly dryRun: boolean;
  /** COW files before that one, so that an image of an older snapshot can catch up. */
  readonly also?: readonly string[];
  /** Another place for the state file. */
  readonly stateFile?: string;
  /** Take the image for what the COW file begins at, whatever is known of it. */
  readonly adopt?: boolean;
  /** Keep the image as it is now, to be had back. */
  readonly keepPrevious?: boolean;
  /** No clone of the image while it is being updated, even if that costs nothing. */
  readonly noSafetyClone?: boolean;
  /** Read the image again and compare it with the snapshot: changed blocks, and so many of the others. */
  readonly verifySample?: number;
  /** Make a manifest if there is none. One that is there is always kept up to date. */
  readonly manifest?: boolean;
  /** Every piece is on disk before the next is read. */
  readonly writeThrough?: boolean;
  /** Write long pieces past the page cache. */
  readonly direct?: boolean;
  /** Reads, and writes past the page cache, that may be under way; 128 if left out. */
  readonly depth?: number;
  /** With dryRun: MiB per second for the estimate, which is measured else. */
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
  /** Where an update that was interrupted goes on, in bytes. */
  readonly cursor: number;
}

export interface UpdateEvents {
  /** All checks were passed; copying begins unless this is a dry run. */
  readonly onPlan?: (plan: UpdatePlan) => void;
  readonly onProgress?: (doneBytes: number, plan: UpdatePlan) => void;
  readonly onFailure?: (failure: CopyFailure) => void;
  /** Something that the user should know; the update goes on. */
  readonly onNotice?: (text: string) => void;
  /** Verification found blocks of the image that are not as in the snapshot. */
  readonly onDifference?: (run: BlockRun, listed: boolean) => void;
}

export interface Verification {
  readonly changedBlocks: number;
  readonly sampledBlocks: number;
  readonly differingBlocks: number;
}

export interface UpdateResult extends UpdatePlan {
  readonly copiedBytes: number;
  /** Of these, bytes that became holes of the image. */
  readonly punchedBytes: number;
  /** Blocks that could not be copied; the image is of no use until they are. */
  readonly failedBlocks: number;
  /** The page cache was passed by. */
  readonly direct: boolean;
  /** Of a dry run. */
  readonly estimate?: Estimate;
  /** Snapshot that can be had back. */
  readonly previous?: Previous;
  readonly verified?: Verification;
  /** Root of the manifest, hex digits. */
  readonly root?: string;
}
