/** Restore points in a repository of restic or borg, whose engine reads the snapshot itself. */
import type { BlockRun } from '../cow/runs.js';
import type { DeviceStatus } from '../driver/status.js';
import { BLOCK_BYTES } from '../layout.js';
import { secondsSince } from '../system/clock.js';
import { OpenFile } from '../system/files.js';
import { chunkBytesFor } from '../targets/chunks/chunk.js';
import type { ChunkPoint } from '../targets/chunks/facts.js';
import type { ChunkTarget } from '../targets/chunks/target.js';
import type { KeepRules } from '../targets/keep.js';
import { isSameSnapshot } from '../targets/target.js';
import type { Destination, SnapshotJob, Work } from './destination.js';
import type { Lists } from './links.js';
import { removeOld } from './old-points.js';
import { reasonForWhole, snapshotOf, withChanges } from './point-links.js';
import type { CopyOutcome } from './request.js';
import { snapshotNode } from './tracking.js';

export class ChunksDestination implements Destination {
  readonly path: string;
  readonly #work: Work;
  readonly #filesystem: string;
  readonly #target: ChunkTarget;
  readonly #rules: KeepRules;
  #points: readonly ChunkPoint[] | undefined;

  constructor(work: Work, filesystem: string, target: ChunkTarget, rules: KeepRules) {
    [this.#work, this.#filesystem, this.#target, this.#rules] = [work, filesystem, target, rules];
    this.path = target.address;
  }

  series(): string | undefined {
    return this.#newest()?.series;
  }

  recover(): void {
    this.#target.tidy((text) => this.#work.events.onNotice?.(text));
    this.#points = undefined;
  }

  reasonForFull(device: DeviceStatus | undefined, lists: Lists): string | undefined {
    return reasonForWhole(this.#newest(), device, lists, this.#work.bytes, (point) => this.#target.fault(point));
  }

  isAt(device: DeviceStatus): boolean {
    const newest = this.#newest();
    return newest !== undefined && isSameSnapshot(newest, snapshotOf(device));
  }

  /** The engine finds by itself what an interrupted run has stored already. */
  isBegun(): boolean {
    return false;
  }

  /** Nobody can say how much room is there. */
  requireSpace(): void {}

  /** Points never become mixtures. */
  rollBack(): void {}

  settled(): void {}

  copy(job: SnapshotJob): CopyOutcome {
    const { device, lists, full } = job;
    if (full) return this.#copy(job, undefined);
    const snapshot = OpenFile.open(snapshotNode(device.minor), 'r');
    try {
      return withChanges(this.#newest(), snapshotOf(device), lists, snapshot, this.#work, (changes) =>
        this.#copy(job, changes.runs()),
      );
    } finally {
      snapshot.close();
    }
  }

  /** Asking an engine takes seconds, and only this run makes points of the volume. */
  #newest(): ChunkPoint | undefined {
    this.#points ??= this.#target.points();
    return this.#points.at(-1);
  }

  #copy({ device, time }: SnapshotJob, changed: Iterable<BlockRun> | undefined): CopyOutcome {
    const { bytes, events } = this.#work;
    events.onStep?.(`copying ${changed ? 'the changed chunks' : 'the volume'} to a restore point in ${this.path}`);
    const began = performance.now();
    const facts = { ...snapshotOf(device), time, bytes, filesystem: this.#filesystem };
    const made = this.#target.backup({
      ...{ device: snapshotNode(device.minor), facts, ...this.#sample() },
      ...(changed ? { changed } : {}),
    });
    this.#points = this.#target.points();
    const { point, readBytes, comparedChunks } = made;
    const compared = Math.min(comparedChunks * point.facts.chunkBytes, bytes);
    return {
      ...{ kind: changed ? 'incremental' : 'whole', ...snapshotOf(device), point: point.name },
      ...{ copiedBytes: readBytes, copySeconds: secondsSince(began), punchedBytes: 0 },
      ...{ failedBlocks: 0, comparedBlocks: Math.ceil(compared / BLOCK_BYTES), differingBlocks: 0 },
      ...removeOld(this.#points, this.#rules, (old) => this.#target.remove([old]), events),
    };
  }

  /** Chunks to compare, beside some that changed; left out: as many as the target finds right. */
  #sample(): { sample?: number } {
    const { verify, sample } = this.#work.request;
    if (verify === 'all') return { sample: Math.ceil(this.#work.bytes / BLOCK_BYTES) };
    if (verify === 'nothing') return { sample: 0 };
    const { bytes } = this.#work;
    return sample === undefined ? {} : { sample: Math.ceil((sample * BLOCK_BYTES) / chunkBytesFor(bytes)) };
  }
}
