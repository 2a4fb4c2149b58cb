/** Restore points of a volume: each run makes one, and removes those that are not to be kept. */
import { compareRuns, randomNumbers, sampleSize, sampleUnlisted } from '../copy/compare.js';
import { paceOf } from '../copy/pace.js';
import type { BlockRun } from '../cow/runs.js';
import { toPieces } from '../cow/runs.js';
import type { DeviceStatus } from '../driver/status.js';
import { ENOSPC, errnoOf, RefusalError } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import { secondsSince } from '../system/clock.js';
import { OpenFile } from '../system/files.js';
import { copyToPoint } from '../targets/copy-to-point.js';
import type { KeepRules } from '../targets/keep.js';
import type { Point, PointWriter, Target } from '../targets/target.js';
import { isSameSnapshot } from '../targets/target.js';
import { requireSpace } from './checks.js';
import type { Destination, SnapshotJob, Work } from './destination.js';
import type { Lists } from './links.js';
import { removeOld } from './old-points.js';
import { reasonForWhole, snapshotOf, withChanges } from './point-links.js';
import type { CopyOutcome } from './request.js';
import { snapshotNode } from './tracking.js';
import type { Volume } from './volume.js';

/** What a run copies: all blocks of the volume, or those of lists. */
interface Extent {
  /** Ascending; as often as wanted. */
  readonly runs: () => Iterable<BlockRun>;
  readonly blocks: number;
  readonly bytes: number;
}

export class PointsDestination implements Destination {
  readonly path: string;
  readonly #work: Work;
  readonly #volume: Volume;
  readonly #target: Target;
  readonly #rules: KeepRules;
  readonly #folder: string | undefined;

  /** @param folder that must have room for a full copy; undefined where nobody can say how much room there is */
  constructor(work: Work, volume: Volume, target: Target, rules: KeepRules, folder: string | undefined) {
    [this.#work, this.#volume, this.#target, this.#rules, this.#folder] = [work, volume, target, rules, folder];
    this.path = target.address;
  }

  series(): string | undefined {
    return this.#newest()?.series;
  }

  recover(): void {
    this.#target.tidy((text) => this.#work.events.onNotice?.(text));
  }

  reasonForFull(device: DeviceStatus | undefined, lists: Lists): string | undefined {
    return reasonForWhole(this.#newest(), device, lists, this.#volume.bytes, (point) => this.#target.fault(point));
  }

  isAt(device: DeviceStatus): boolean {
    const newest = this.#newest();
    return newest !== undefined && isSameSnapshot(newest, snapshotOf(device));
  }

  isBegun(device: DeviceStatus): boolean {
    const begun = this.#target.begun();
    return begun !== undefined && isSameSnapshot(begun, snapshotOf(device));
  }

  requireSpace(mountPoint: string): void {
    if (this.#folder === undefined) return;
    const reusable = this.#target.begun()?.storedBytes ?? 0;
    const onNotice = (text: string): void => this.#work.events.onNotice?.(text);
    requireSpace(this.#volume, mountPoint, this.#folder, reusable, onNotice);
  }

  /** Points never become mixtures. */
  rollBack(): void {}

  settled(): void {}

  copy(job: SnapshotJob): CopyOutcome {
    const snapshot = OpenFile.open(snapshotNode(job.device.minor), 'r');
    try {
      if (job.full) return this.#copyExtent(job, snapshot, undefined, this.#whole());
      return this.#copyChanges(job, snapshot);
    } finally {
      snapshot.close();
    }
  }

  #newest(): Point | undefined {
    return this.#target.points().at(-1);
  }

  #whole(): Extent {
    const { bytes } = this.#volume;
    const blocks = Math.ceil(bytes / BLOCK_BYTES);
    return { runs: () => [{ start: 0, count: blocks }], blocks, bytes };
  }

  #copyChanges(job: SnapshotJob, snapshot: OpenFile): CopyOutcome {
    const base = this.#newest();
    return withChanges(base, snapshotOf(job.device), job.lists, snapshot, this.#work, (changes) => {
      const { changedBlocks: blocks, changedBytes: bytes } = changes;
      return this.#copyExtent(job, snapshot, base, { runs: () => changes.runs(), blocks, bytes });
    });
  }

  #copyExtent(job: SnapshotJob, snapshot: OpenFile, base: Point | undefined, extent: Extent): CopyOutcome {
    const { request, events, context, bytes } = this.#work;
    const id = snapshotOf(job.device);
    events.onStep?.(`copying ${base ? 'the changed blocks' : 'the volume'} to a restore point in ${this.path}`);
    const began = performance.now();
    const { filesystem } = this.#volume;
    const named = filesystem === undefined ? {} : { filesystem };
    const writer = this.#target.begin({ ...id, time: job.time, bytes, ...named }, base);
    try {
      const { cursor } = writer;
      const pieces = base
        ? toPieces(extent.runs(), bytes)
        : toPieces([{ start: cursor / BLOCK_BYTES, count: extent.blocks - cursor / BLOCK_BYTES }], bytes);
      const { copiedBytes, zeroBytes } = copyToPoint(snapshot, writer, pieces, {
        syscalls: context.syscalls,
        pace: paceOf(request.rate).pace,
        checkpointBytes: request.checkpointBytes ?? request.noteBytes,
        onProgress: (done) => events.onProgress?.(cursor + done, extent.bytes),
      });
      writer.flush();
      const copySeconds = secondsSince(began);
      const outcome = {
        ...({ kind: base ? 'incremental' : 'whole', ...id, failedBlocks: 0 } as const),
        ...{ copiedBytes, copySeconds, punchedBytes: zeroBytes },
        ...this.#compare(snapshot, writer, extent, base !== undefined),
      };
      if (outcome.differingBlocks > 0) {
        writer.discard();
        return outcome;
      }
      const { name } = writer.commit();
      const remove = (point: Point): void => this.#target.remove(point);
      return { ...outcome, point: name, ...removeOld(this.#target.points(), this.#rules, remove, events) };
    } catch (error) {
      if (errnoOf(error) !== ENOSPC) throw error;
      // Nothing is left on the full disk, and the snapshot is not kept for it.
      writer.discard();
      const message = `cannot make a restore point in ${this.path}: no space is left; the points there are as they were`;
      throw new RefusalError('NO_SPACE', message);
    } finally {
      writer.close();
    }
  }

  /** Reads from the disk what was written, and more if that is requested. */
  #compare(
    snapshot: OpenFile,
    writer: PointWriter,
    { runs, blocks }: Extent,
    isIncremental: boolean,
  ): Pick<CopyOutcome, 'comparedBlocks' | 'differingBlocks'> {
    const { request, events, bytes } = this.#work;
    const { verify = 'copied', sample = 1000, rate } = request;
    if (verify === 'nothing') return { comparedBlocks: 0, differingBlocks: 0 };
    events.onStep?.('comparing the restore point with the snapshot');
    const whole = this.#whole();
    const { pace } = paceOf(rate);
    const compare = (wanted: Iterable<BlockRun>, listed: boolean, total: number): number =>
      compareRuns(
        ...([snapshot, writer, wanted, bytes] as const),
        (run) => events.onDifference?.(run, listed),
        (done) => events.onProgress?.(done, total),
        pace,
      );
    if (verify === 'all' || !isIncremental)
      return { comparedBlocks: whole.blocks, differingBlocks: compare(whole.runs(), !isIncremental, bytes) };
    const sampled = sampleSize(blocks, whole.blocks, sample);
    const chosen = sampleUnlisted(runs(), blocks, whole.blocks, sampled, randomNumbers(Date.now()));
    const differing = compare(runs(), true, blocks * BLOCK_BYTES) + compare(chosen, false, sampled * BLOCK_BYTES);
    return { comparedBlocks: blocks + sampled, differingBlocks: differing };
  }
}
