/** A target: it keeps restore points of one volume, each a snapshot that can be opened by itself. */
import type { Export, PipedExport } from '../nbd/server.js';

/** A snapshot of a series. */
export interface SnapshotId {
  /** Series, 32 hex digits. */
  readonly series: string;
  readonly sequence: bigint;
}

/** What a restore point is of. */
export interface PointFacts extends SnapshotId {
  /** When the snapshot had been taken. */
  readonly time: Date;
  /** Size of the volume. */
  readonly bytes: number;
  /** Id of the volume's filesystem, 32 hex digits; a point of an earlier version does not have it. */
  readonly filesystem?: string;
}

/** A complete restore point. */
export interface Point extends PointFacts {
  /** Unique in its target: the series' first 8 digits and the sequence number. */
  readonly name: string;
  /** `whole`: it needs no other point. `incremental`: it holds what changed since the one before. */
  readonly kind: 'whole' | 'incremental';
}

/** A place where the content of a volume is written, in ascending order, and read again. All offsets are in bytes. */
export interface PointWriter {
  /** Where to go on: what lies before is on disk, of an earlier writer of the same point. */
  readonly cursor: number;
  /** `data`: whole blocks, or up to the end of the volume; 1 MiB at most. */
  write(data: Buffer, offset: number): void;
  /** Whole blocks of zeros, or up to the end of the volume. */
  zero(offset: number, bytes: number): void;
  /** All before `cursor` is on disk when this returns, and need not be written again. */
  checkpoint(cursor: number): void;
  /** Reads what the point has at an offset, of whatever origin. */
  readFull(target: Uint8Array, offset: number): void;
  /** Announces a read: readFull() of this range comes after those that were announced before. */
  expect?(offset: number, bytes: number): void;
  /** What was written is on disk when this returns, and readFull() reads it from there. */
  flush(): void;
  /** Makes it a restore point, complete and on disk when this returns. Nothing may be called after it. */
  commit(): Point;
  /** Ends the writing: what was written is removed, or kept for a writer that goes on. After commit() it does nothing. */
  close(): void;
  /** Ends the writing and removes what was written. */
  discard(): void;
}

/** Blocks of a point that are not what was written. */
export interface PointDamage {
  /** First block, and number of blocks. */
  readonly start: number;
  readonly count: number;
}

/** Every call throws a RefusalError or a SystemError, and leaves complete points as they are. */
export interface Target {
  /** As the user names it. */
  readonly address: string;
  /** Complete points, the oldest first. */
  points(): readonly Point[];
  /** A point whose writing was interrupted, and can go on; what is stored of it, in bytes. */
  begun(): (SnapshotId & { readonly storedBytes: number }) | undefined;
  /**
   * Begins a restore point, or goes on with it.
   *
   * @param base the newest point, from which only changes are written; undefined if all is written
   */
  begin(facts: PointFacts, base: Point | undefined): PointWriter;
  /** Finishes what an interrupted run left behind, and removes what is of no use. Only who may write calls it. */
  tidy(onNotice: (text: string) => void): void;
  /** Removes a point; others stay as they are. The newest point cannot be removed. */
  remove(point: Point): void;
  /** Why a point cannot be relied on as a base, in words; undefined if nothing speaks against it. */
  fault(point: Point): string | undefined;
  /** Bytes that a point takes on its disk, without what it shares with others. */
  storedBytes(point: Point): number;
  /** Ends its connections, and what they hold. The next call opens them again. */
  close?(): void;
  /** What a server of network block devices opens to read a point. */
  exportOf(point: Point): Export | PipedExport;
  /**
   * Reads all of a point and compares it with the sums of what was written.
   *
   * @param onData called with all of it in ascending order, damaged or not; valid until it returns
   * @returns blocks that differ
   */
  verify(
    point: Point,
    onDamage: (damage: PointDamage) => void,
    onProgress: (doneBytes: number) => void,
    onData?: (data: Buffer, offset: number) => void,
  ): number;
}

/** The name of a snapshot's point. */
export const pointName = ({ series, sequence }: SnapshotId): string => `${series.slice(0, 8)}-${sequence}`;

export const isSameSnapshot = (a: SnapshotId, b: SnapshotId): boolean =>
  a.series === b.series && a.sequence === b.sequence;
