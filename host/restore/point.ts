/** What is restored: a point of a source, listed and opened. */
import { RefusalError } from '../errors.js';
import type { Export, PipedExport } from '../nbd/server.js';
import type { OpenFile } from '../system/files.js';
import type { PointDamage } from '../targets/target.js';

export interface RestorePoint {
  /** Unique in its source: the series' first 8 digits and the sequence number. */
  readonly name: string;
  /** When the snapshot was taken, of an image when it was complete; undefined if that is not recorded. */
  readonly time?: Date;
  /** `image`: a file of its own. `whole`, `incremental`: as its target keeps it. */
  readonly kind: 'image' | 'whole' | 'incremental';
  /** Size of the volume. */
  readonly bytes: number;
  /** Bytes that it takes on its disk, without what it shares with others; undefined where that is not known. */
  readonly storedBytes?: number;
  /** Why it may not be what its snapshot was, in words. */
  readonly fault?: string;
}

export interface ReadEvents {
  /** All content in ascending order, damaged or not; valid until it returns. Without it, content need not come to this machine. */
  readonly onData?: (data: Buffer, offset: number) => void;
  readonly onProgress?: (doneBytes: number) => void;
  /** Blocks that are not what was backed up. */
  readonly onDamage: (damage: PointDamage) => void;
}

/** A point that stays readable until it is closed. */
export interface OpenPoint {
  readonly point: RestorePoint;
  /** What it is, for errors. */
  readonly label: string;
  /** What a server of network block devices opens. */
  readonly served: Export | PipedExport;
  /** The file that is served, open and locked against changes; whoever serves it keeps it open. */
  readonly held?: OpenFile;
  /**
   * Reads all of it and compares it with the sums that were kept.
   *
   * @returns blocks that differ; undefined if no sums were kept
   * @throws RefusalError, SystemError
   */
  read(events: ReadEvents): number | undefined;
  /** Whoever has it open can go on reading, also after close() and the end of this process. If missing, that is so anyway. */
  release?(): void;
  close(): void;
}

/** A place that has restore points of one volume. It is only read. */
export interface Source {
  /** As the user names it. */
  readonly address: string;
  /**
   * Points that can be restored, the oldest first.
   *
   * @param onNotice called with what is no point, though it might have been one
   */
  points(onNotice: (text: string) => void): readonly RestorePoint[];
  /** @throws RefusalError IMAGE_LOCKED if it is being changed; SystemError */
  open(point: RestorePoint): OpenPoint;
  /** Ends its connections; the next call opens them again. */
  close?(): void;
}

/**
 * The points of a source, of which there is at least one.
 *
 * @throws RefusalError NO_POINT
 */
export const requirePoints = (source: Source, onNotice: (text: string) => void): readonly RestorePoint[] => {
  const notices: string[] = [];
  const points = source.points((text) => notices.push(text));
  if (points.length === 0) {
    const found = notices.join('; ') || 'it has no restore points';
    throw new RefusalError('NO_POINT', `cannot restore from ${source.address}: ${found}`);
  }
  notices.forEach(onNotice);
  return points;
};

/**
 * The point that a user names: by its name, the beginning of it that no other point has, or `latest`.
 *
 * @param points at least one
 * @throws RefusalError NO_POINT
 */
export const findPoint = (points: readonly RestorePoint[], address: string, text: string): RestorePoint => {
  const refuse = (found: string): RefusalError => {
    const hint = `hint: datto-restore list ${address}`;
    return new RefusalError('NO_POINT', `cannot find restore point '${text}' in ${address}: ${found}; ${hint}`);
  };
  const exact = text === 'latest' ? points.at(-1) : points.find(({ name }) => name === text);
  if (exact) return exact;
  const [point, ...others] = text === '' ? [] : points.filter(({ name }) => name.startsWith(text));
  if (!point) throw refuse('there is none of that name, expected a name, the beginning of one, or latest');
  if (others.length > 0) throw refuse(`${others.length + 1} names begin like that, expected one`);
  return point;
};
