/**
 * Restore points in a repository of restic or borg. The engine reads a folder view of the volume, one file for each chunk, whose
 * time is that of the chunk's last change: so it reads what changed, and knows the rest.
 *
 * A snapshot of the repository is a point once it is marked as complete. That comes after a comparison with the volume, so what an
 * interrupted run leaves is never a point. Chunks have the times of the newest point; what changed since gets a new time in each run,
 * so what a failed run stored is never taken for something else.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { sampleSize, sampleUnlisted } from '../../copy/compare.js';
import type { BlockRun } from '../../cow/runs.js';
import { RefusalError, SystemError } from '../../errors.js';
import { OpenFile } from '../../system/files.js';
import type { Syscalls } from '../../system/syscalls.js';
import type { PointDamage, PointFacts } from '../target.js';
import { isSameSnapshot, pointName } from '../target.js';
import { withoutPassword } from './address.js';
import type { Geometry } from './chunk.js';
import { bytesOfChunk, chunkBytesFor, chunkCount, chunksOf, pathOfChunk } from './chunk.js';
import type { Created, Engine, Stored } from './engine.js';
import { engineOf } from './engines.js';
import type { ChunkFacts, ChunkPoint } from './facts.js';
import { geometryOf, isVolumeName, pointOf, toFields } from './facts.js';
import { closeLost, OpenedPoint } from './opened.js';
import { readPoint } from './read-point.js';
import { ChunkState } from './state.js';
import type { Times } from './times.js';
import { baseFault, nextTimes, requireBase, timeAfter } from './times.js';
import type { Reads } from './view.js';
import { ChunkView, unmount } from './view.js';

export interface ChunkTargetOptions {
  /** `restic:REPO` or `borg:REPO`, see chunkAddressOf(). */
  readonly address: string;
  /** Name of the volume in the repository, such as the UUID of its filesystem: letters, digits, `.`, `_` and `-`. */
  readonly volume: string;
  /** Folder of the tools' state [/var/lib/dattobd]. */
  readonly stateFolder?: string;
  /** Size of a chunk in bytes, a multiple of 4096 [chunkBytesFor()]. */
  readonly chunkBytes?: number;
  /** How long a locked repository is waited for [600]. */
  readonly lockSeconds?: number;
  readonly syscalls: Syscalls;
}

/** A snapshot to keep. */
export interface ChunkSource {
  /** Path of the snapshot's device. */
  readonly device: string;
  readonly facts: PointFacts;
  /** Blocks that changed since the newest point; undefined: everything is read. */
  readonly changed?: Iterable<BlockRun>;
  /** Chunks that did not change, and are compared with what is stored [16]. */
  readonly sample?: number;
}

export interface ChunkOutcome {
  readonly point: ChunkPoint;
  /** Bytes that the engine read of the volume. */
  readonly readBytes: number;
  readonly changedChunks: number;
  readonly comparedChunks: number;
}

const SAMPLE_CHUNKS = 16;
/** Chunks that changed, and are compared all the same. */
const CHANGED_SAMPLE = 4;
const RUN_BYTES = 16;

export class ChunkTarget {
  readonly address: string;
  readonly #volume: string;
  readonly #engine: Engine;
  readonly #state: ChunkState;
  readonly #syscalls: Syscalls;
  readonly #chunkBytes: number | undefined;

  /** @throws RefusalError IMAGE_KIND */
  constructor(options: ChunkTargetOptions) {
    const { address, volume, stateFolder = '/var/lib/dattobd', lockSeconds, syscalls } = options;
    this.#chunkBytes = options.chunkBytes;
    [this.address, this.#volume, this.#syscalls] = [withoutPassword(address), volume, syscalls];
    if (!isVolumeName(volume)) {
      const expected = 'expected up to 100 letters, digits, dots, dashes and underscores';
      throw new RefusalError('IMAGE_KIND', `cannot keep volume '${volume}' in ${this.address}: its name; ${expected}`);
    }
    this.#state = new ChunkState(stateFolder, address, volume, syscalls);
    this.#engine = engineOf(address, this.#state.folder, volume, lockSeconds);
  }

  /** Complete points of the volume, the oldest first. */
  points(): readonly ChunkPoint[] {
    return this.#complete().map(({ facts }) => pointOf(facts));
  }

  /** Why no changes can be added to a point, in words; undefined if nothing speaks against it. */
  fault({ facts }: ChunkPoint): string | undefined {
    const times = this.#state.times('times');
    const checked = this.#state.times('times.checked');
    // What tidy() will do.
    const current = checked?.run === facts.run ? checked : times;
    return baseFault(current, facts.run, this.#geometry(facts));
  }

  /**
   * Stores a snapshot, and makes it a restore point once a sample of it was compared with the volume.
   *
   * @throws RefusalError WHOLE_COPY_NEEDED if changes cannot be added; IMAGE_DIFFERS if the repository has something else than the
   *   volume: everything is read next time; SystemError
   */
  backup(source: ChunkSource): ChunkOutcome {
    return this.#state.locked(() => {
      const before = this.#tidy(() => undefined);
      try {
        return this.#backup(source, before);
      } catch (error) {
        this.#try(() => this.#removeLeft(this.#engine.stored(this.#volume)));
        throw error;
      }
    });
  }

  /** Finishes what an interrupted run left behind, and removes what is of no use. */
  tidy(onNotice: (text: string) => void): void {
    this.#state.locked(() => this.#tidy(onNotice));
  }

  /** Removes points, and what no other snapshot of the repository needs. The newest point cannot be removed. */
  remove(points: readonly ChunkPoint[]): void {
    this.#state.locked(() => {
      const complete = this.#complete();
      const newest = complete.at(-1)?.facts.run;
      const wanted = points.map((point) => {
        const found = complete.find(({ facts }) => facts.run === point.facts.run && facts.run !== newest);
        if (found) return found;
        throw new RefusalError(
          'NO_PREVIOUS',
          `cannot remove restore point ${point.name}: it is unknown, or the newest`,
        );
      });
      this.#engine.remove(wanted, true);
    });
  }

  /**
   * Opens a point as one read-only file, for as long as this process lives at most, unless it is released.
   *
   * @throws RefusalError NO_PREVIOUS, PROGRAM_MISSING, PROGRAM_FAILED; SystemError
   */
  open(point: ChunkPoint): OpenedPoint {
    const found = this.#complete().find(({ facts }) => facts.run === point.facts.run);
    if (!found)
      throw new RefusalError(
        'NO_PREVIOUS',
        `cannot open restore point ${point.name}: ${this.address} has none of that name`,
      );
    this.#state.below('.');
    const command = (folder: string): ReturnType<Engine['mountCommand']> => this.#engine.mountCommand(found, folder);
    return new OpenedPoint(this.#state.folder, command, geometryOf(found.facts), this.#syscalls);
  }

  /**
   * Reads a point as a restore does. The engine checks what it reads against its sums.
   *
   * @param sample chunks to read, spread over the volume; undefined: all
   * @returns blocks that cannot be read
   */
  verify(
    point: ChunkPoint,
    sample: number | undefined,
    onDamage: (damage: PointDamage) => void,
    onProgress: (doneBytes: number) => void,
  ): number {
    const opened = this.open(point);
    try {
      return readPoint(opened.path, geometryOf(point.facts), sample, onDamage, onProgress);
    } finally {
      opened.close();
    }
  }

  #geometry({ bytes }: PointFacts): Geometry {
    return { volumeBytes: bytes, chunkBytes: this.#chunkBytes ?? chunkBytesFor(bytes) };
  }

  #complete(): Stored[] {
    return completeOf(this.#engine.stored(this.#volume));
  }

  /** @param before snapshots of the volume */
  #backup(
    { device, facts: of, changed, sample = SAMPLE_CHUNKS }: ChunkSource,
    before: readonly Stored[],
  ): ChunkOutcome {
    const complete = completeOf(before);
    if (complete.some(({ facts }) => isSameSnapshot(facts, of)))
      throw new RefusalError(
        'OUTPUT_EXISTS',
        `cannot make restore point ${pointName(of)} in ${this.address}: it exists`,
      );
    const geometry = this.#geometry(of);
    const parent = changed && complete.at(-1);
    if (changed && !parent)
      throw new RefusalError(
        'WHOLE_COPY_NEEDED',
        `cannot add changes in ${this.address}: there is no restore point yet`,
      );
    const base = parent && requireBase(this.#state.times('times'), parent.facts.run, geometry);
    const touched = changed && chunksOf(changed, geometry);
    const facts: ChunkFacts = {
      ...of,
      ...{ volume: this.#volume, run: randomBytes(RUN_BYTES).toString('hex'), chunkBytes: geometry.chunkBytes },
      ...{
        stamp: timeAfter([...this.#state.latest(), ...before.map((one) => one.facts.stamp)]),
        isIncremental: !!base,
      },
    };
    const times = nextTimes(geometry, facts.run, facts.stamp, base, touched);
    this.#state.write('times.next', times);
    const { id, reads } = this.#store(device, facts, parent, chunkCount(geometry));
    const stored = { id, facts, isComplete: false };
    const comparedChunks = this.#compare(device, stored, touched, sample, times);
    this.#state.move('times.next', 'times.checked');
    this.#engine.complete(stored);
    this.#state.move('times.checked', 'times');
    this.#try(() => this.#removeLeft(before));
    return {
      ...{ point: pointOf(facts), readBytes: reads.bytes, comparedChunks },
      changedChunks: touched?.length ?? chunkCount(geometry),
    };
  }

  /** Runs the engine on a view. Whatever could not be read or was not seen is an error here. */
  #store(
    device: string,
    facts: ChunkFacts,
    parent: Stored | undefined,
    chunks: number,
  ): { readonly id: string; readonly reads: Reads } {
    const text = `${toFields(facts).join('\n')}\n`;
    const folder = this.#state.below('view');
    const view = ChunkView.ofVolume(device, this.#state.pathOf('times.next'), text, folder, this.#syscalls);
    let reads: Reads | undefined;
    let made: Created | undefined;
    try {
      made = this.#engine.create(folder, facts, parent);
    } finally {
      reads = view.close();
      if (reads && reads.errors > 0)
        // biome-ignore lint/correctness/noUnsafeFinally: it is the cause of what the engine reported
        throw new RefusalError('PROGRAM_FAILED', `cannot read ${device}: ${reads.errors} reads failed, expected none`);
    }
    if (!reads) throw new RefusalError('PROGRAM_FAILED', `cannot back up ${device}: chunkview ended before its time`);
    // And the facts.
    if (made.files === chunks + 1) return { id: made.id, reads };
    throw new RefusalError(
      'PROGRAM_FAILED',
      `cannot back up ${device}: the engine saw ${made.files} files, expected ${chunks + 1}`,
    );
  }

  /** Compares chunks of a snapshot with the volume. */
  #compare(
    device: string,
    stored: Stored,
    touched: readonly number[] | undefined,
    sample: number,
    times: Times,
  ): number {
    const { geometry } = times;
    const count = chunkCount(geometry);
    const listed = touched ?? [];
    const asRuns = listed.map((start) => ({ start, count: 1 }));
    const random = (below: number): number => randomInt(below);
    const unchanged = sampleUnlisted(asRuns, listed.length, count, sampleSize(listed.length, count, sample), random);
    const changed =
      listed.length === 0 ? [] : Array.from({ length: CHANGED_SAMPLE }, () => listed[random(listed.length)]!);
    const chunks = [...new Set([...[...unchanged].map(({ start }) => start), ...changed])].sort((a, b) => a - b);
    if (chunks.length === 0) return 0;
    const differing = this.#differences(device, stored, chunks, geometry);
    if (differing.length === 0) return chunks.length;
    // Times of a run that made no point: everything is read next time.
    this.#state.write('times', { ...times, run: undefined });
    const [first = 0] = differing;
    const where = `${differing.length} of ${chunks.length} chunks, the first at byte ${first * geometry.chunkBytes}`;
    const message = `cannot rely on ${this.address}: what it stored of ${device} differs from it in ${where}`;
    throw new RefusalError('IMAGE_DIFFERS', `${message}; no restore point was made, and the next run reads everything`);
  }

  #differences(device: string, stored: Stored, chunks: readonly number[], geometry: Geometry): number[] {
    const volume = OpenFile.open(device, 'r');
    try {
      return this.#state.withScratch((folder) => {
        const files = chunks.map((chunk) => ({ path: pathOfChunk(chunk), bytes: bytesOfChunk(geometry, chunk) }));
        const differing: number[] = [];
        let at = 0;
        for (const found of this.#engine.read(stored, files, folder)) {
          const chunk = chunks[at++] ?? 0;
          const wanted = Buffer.alloc(bytesOfChunk(geometry, chunk));
          volume.readFull(wanted, chunk * geometry.chunkBytes);
          if (!wanted.equals(found)) differing.push(chunk);
        }
        return differing;
      });
    } finally {
      volume.close();
    }
  }

  /** @returns snapshots of the volume afterwards */
  #tidy(onNotice: (text: string) => void): readonly Stored[] {
    unmount(this.#state.below('view'));
    closeLost(this.#state.folder);
    const stored = this.#finishChecked(this.#engine.stored(this.#volume), onNotice);
    // Without a point, the data of a first run that was interrupted spare the next one some writing.
    if (!stored.some(({ isComplete }) => isComplete)) return stored;
    this.#removeLeft(stored);
    return completeOf(stored);
  }

  /** A run that ended between its comparison and its last step has a point. */
  #finishChecked(stored: readonly Stored[], onNotice: (text: string) => void): readonly Stored[] {
    const run = this.#state.times('times.checked')?.run;
    if (run === undefined) return stored;
    const ofRun = stored.filter(({ facts }) => facts.run === run);
    const [first] = ofRun;
    if (!first) {
      this.#state.move('times.checked', 'times.next');
      return stored;
    }
    const isMarked = ofRun.some(({ isComplete }) => isComplete);
    if (!isMarked) this.#engine.complete(first);
    this.#state.move('times.checked', 'times');
    onNotice(`restore point ${pointName(first.facts)} of an interrupted run is complete`);
    return isMarked ? stored : this.#engine.stored(this.#volume);
  }

  /** A snapshot that was found to be right, and only lacks its mark, stays for the next run. */
  #removeLeft(stored: readonly Stored[]): void {
    const checked = this.#state.times('times.checked')?.run;
    this.#engine.remove(
      stored.filter(({ isComplete, facts }) => !isComplete && facts.run !== checked),
      false,
    );
  }

  /** What fails is done by a later run. */
  #try(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
    }
  }
}

/** Complete snapshots, the oldest first: by the times that were given, not by the clock. */
const completeOf = (stored: readonly Stored[]): Stored[] =>
  stored.filter(({ isComplete }) => isComplete).sort((a, b) => (a.facts.stamp < b.facts.stamp ? -1 : 1));
