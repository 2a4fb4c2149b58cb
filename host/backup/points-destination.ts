/** Restore points of a volume: each run makes one, and removes those that are not to be kept. */
import { compareRuns, randomNumbers, sampleSize, sampleUnlisted } from '../copy/compare.js';
import { paceOf } from '../copy/pace.js';
import { ChangeList } from '../cow/change-list.js';
import type { BlockRun } from '../cow/runs.js';
import { toPieces } from '../cow/runs.js';
import type { DeviceStatus } from '../driver/status.js';
import { ENOSPC, errnoOf, RefusalError, SystemError } from '../errors.js';
import { openChangeLists } from '../image/change-lists.js';
import { BLOCK_BYTES } from '../layout.js';
import { secondsSince } from '../system/clock.js';
import { OpenFile } from '../system/files.js';
import { openOwn } from '../system/safe-files.js';
import { copyToPoint } from '../targets/copy-to-point.js';
import type { KeepRules } from '../targets/keep.js';
import { toRemove } from '../targets/keep.js';
import type { Point, PointWriter, Target } from '../targets/target.js';
import { isSameSnapshot } from '../targets/target.js';
import { requireSpace } from './checks.js';
import type { Destination, SnapshotJob, Work } from './destination.js';
import type { Lists } from './links.js';
import { chain } from './links.js';
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

const idOf = ({ uuid = '', seqId = 0n }: DeviceStatus): { series: string; sequence: bigint } => ({
  series: uuid,
  sequence: seqId,
});

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
    const newest = this.#newest();
    if (!newest) return 'there is no restore point yet';
    if (!device) return 'the volume is not tracked any more: the module was unloaded, or the machine restarted';
    const { series, sequence } = idOf(device);
    if (series !== newest.series) return 'a new series was started after the newest restore point was made';
    if (newest.bytes !== this.#volume.bytes) return 'the size of the volume changed';
    const fault = this.#target.fault(newest);
    if (fault !== undefined) return fault;
    if (newest.sequence > sequence)
      return `the newest restore point is snapshot ${newest.sequence}, and the volume is tracked since ${sequence}`;
    if (!chain(lists, newest.sequence, sequence))
      return `the lists of changes from snapshot ${newest.sequence} to ${sequence} are not complete`;
    return undefined;
  }

  isAt(device: DeviceStatus): boolean {
    const newest = this.#newest();
    return newest !== undefined && isSameSnapshot(newest, idOf(device));
  }

  isBegun(device: DeviceStatus): boolean {
    const begun = this.#target.begun();
    return begun !== undefined && isSameSnapshot(begun, idOf(device));
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
    const { series, sequence } = idOf(job.device);
    const base = this.#newest();
    const paths = base && chain(job.lists, base.sequence, sequence);
    // The plan found them a moment ago.
    if (!base || !paths)
      throw new RefusalError(
        'WHOLE_COPY_NEEDED',
        `cannot make a restore point in ${this.path}: the list of changes is missing or incomplete; the next run makes a full copy`,
      );
    const { events, context, bytes } = this.#work;
    for (const list of paths) events.onDetail?.(`${list} lists changed blocks`);
    const files = paths.map((path) => openOwn(path, 'r'));
    try {
      const place = { uuid: Buffer.from(series, 'hex'), seqid: sequence };
      const cows = openChangeLists(files, snapshot, bytes, place, context.syscalls);
      const changes = new ChangeList(cows, paths[0] ?? '', bytes);
      const { changedBlocks, changedBytes } = changes;
      return this.#copyExtent(job, snapshot, base, {
        runs: () => changes.runs(),
        blocks: changedBlocks,
        bytes: changedBytes,
      });
    } finally {
      for (const file of files) file.close();
    }
  }

  #copyExtent(job: SnapshotJob, snapshot: OpenFile, base: Point | undefined, extent: Extent): CopyOutcome {
    const { request, events, context, bytes } = this.#work;
    const id = idOf(job.device);
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
      return { ...outcome, point: name, removedPoints: this.#removeOld() };
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

  /** Removes points that the rules do not keep. What fails is tried again by the next run: the new point is complete. */
  #removeOld(): string[] {
    const removed: string[] = [];
    for (const point of toRemove(this.#target.points(), this.#rules)) {
      try {
        this.#work.events.onStep?.(`removing restore point ${point.name}`);
        this.#target.remove(point);
        removed.push(point.name);
      } catch (error) {
        if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
        const what = `restore point ${point.name} is not removed yet: ${error.message}`;
        this.#work.events.onNotice?.(`${what}; the next run tries again`);
        break;
      }
    }
    return removed;
  }
}
