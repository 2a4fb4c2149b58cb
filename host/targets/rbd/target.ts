/**
 * Restore points in a Ceph cluster: snapshots of an RBD image. Any client of the cluster can read, clone or map them.
 *
 *   IMAGE@datto-NAME         the volume at a point
 *   IMAGE.sums@datto-NAME    sums of that (sums.ts)
 *   metadata of IMAGE        facts of each point; the point that is being written (facts.ts)
 *
 * A point exists once its snapshot and its facts do. Only a run that has the guard (guard.ts) writes to a head. A head that an
 * interrupted run left as a mixture gets the content of the newest point again, before anything else is written.
 */
import { RefusalError } from '../../errors.js';
import { Xxh64 } from '../../manifest/hashing.js';
import type { Export } from '../../nbd/server.js';
import { NbdSession } from '../../nbd/server.js';
import { pause } from '../../system/clock.js';
import type { Syscalls } from '../../system/syscalls.js';
import { compareSums } from '../sums.js';
import type { Point, PointDamage, PointFacts, PointWriter, SnapshotId, Target } from '../target.js';
import { isSameSnapshot, pointName } from '../target.js';
import type { RbdAddress } from './address.js';
import { rbdAddressOf } from './address.js';
import type { Writing } from './facts.js';
import * as facts from './facts.js';
import { MISSED_MS, RunGuard } from './guard.js';
import { headDifferences, healHead } from './head.js';
import type { LockOwner } from './image.js';
import { RbdImage } from './image.js';
import { FlatSums, flatSums, sumsBytes } from './sums.js';
import { RbdWriter } from './writer.js';

const STEP_MS = 1000;

/** What the image says of itself. */
interface Seen {
  readonly bytes: number;
  /** It is marked as ours; else nothing ever was in it. */
  readonly isOurs: boolean;
  readonly facts: ReadonlyMap<string, string>;
  /** Names, the oldest first. */
  readonly snapshots: readonly string[];
  readonly points: readonly Point[];
  readonly writing: Writing | undefined;
}

/** What the image of sums says of itself. */
interface SeenSums {
  /** Undefined if there is none. */
  readonly bytes: number | undefined;
  readonly snapshots: readonly string[];
}

export class RbdTarget implements Target {
  readonly address: string;
  readonly #parsed: RbdAddress;
  readonly #image: RbdImage;
  readonly #sums: RbdImage;
  readonly #syscalls: Syscalls;
  readonly #xxh64 = new Xxh64();

  /**
   * @param address `rbd:POOL/IMAGE`, see rbdAddressOf()
   * @throws RefusalError IMAGE_KIND
   */
  constructor(address: string, syscalls: Syscalls) {
    [this.address, this.#syscalls] = [address, syscalls];
    this.#parsed = rbdAddressOf(address);
    this.#image = new RbdImage(this.#parsed);
    this.#sums = new RbdImage({ ...this.#parsed, image: `${this.#parsed.image}.sums` });
  }

  points(): readonly Point[] {
    return this.#look()?.points ?? [];
  }

  begun(): (SnapshotId & { readonly storedBytes: number }) | undefined {
    const { writing, points = [] } = this.#look() ?? {};
    if (!writing || writing.isIncremental) return undefined;
    // A run that was killed at its very end has made the point.
    const isMade = points.some((point) => isSameSnapshot(point, writing));
    return isMade ? undefined : { ...writing, storedBytes: writing.cursor };
  }

  begin(of: PointFacts, base: Point | undefined): PointWriter {
    if (this.#image.find() === undefined) this.#image.create(of.bytes);
    return this.#guarded((guard) => this.#begin(of, base, guard));
  }

  tidy(_onNotice: (text: string) => void): void {
    const seen = this.#look();
    if (seen && leftKeys(seen).length > 0)
      this.#guarded((guard) => {
        this.#clean(this.#require(), this.#lookAtSums());
        guard.release();
      });
  }

  remove({ name }: Point): void {
    const points = this.points();
    if (!points.some((one) => one.name === name) || points.at(-1)?.name === name)
      throw new RefusalError('NO_PREVIOUS', `cannot remove restore point ${name}: it is unknown, or the newest`);
    const snapshot = facts.snapshotName(name);
    this.#image.removeSnapshot(snapshot);
    if (this.#sums.snapshots().includes(snapshot)) this.#sums.removeSnapshot(snapshot);
    this.#image.removeFact(facts.pointKey(name));
  }

  fault(point: Point): string | undefined {
    return this.#fault(this.#require(), this.#lookAtSums(), point);
  }

  storedBytes({ name }: Point): number {
    return this.#image.usedBytes(facts.snapshotName(name));
  }

  exportOf({ name }: Point): Export {
    return this.#image.export(facts.snapshotName(name));
  }

  verify(
    point: Point,
    onDamage: (damage: PointDamage) => void,
    onProgress: (doneBytes: number) => void,
    onData?: (data: Buffer, offset: number) => void,
  ): number {
    const session = new NbdSession(this.exportOf(point), this.#syscalls);
    try {
      const sums = new NbdSession(this.#sums.export(facts.snapshotName(point.name)), this.#syscalls);
      try {
        const read = (target: Buffer, offset: number): void => session.client.readFull(target, offset);
        const runs = flatSums(sums, point.bytes, this.#xxh64);
        return compareSums(runs, point.bytes, read, this.#xxh64, onDamage, onProgress, onData);
      } finally {
        sums.close();
      }
    } finally {
      session.close();
    }
  }

  /** The guard is released if this throws, else by what runs. */
  #guarded<T>(run: (guard: RunGuard) => T): T {
    const guard = new RunGuard(this.#parsed, this.#syscalls);
    try {
      return run(guard);
    } catch (error) {
      guard.release();
      throw error;
    }
  }

  #begin(of: PointFacts, base: Point | undefined, guard: RunGuard): PointWriter {
    const seen = this.#require();
    const interrupted = seen.writing;
    const sums = this.#prepareSums(of.bytes, seen);
    if (!seen.isOurs) this.#image.setFact(facts.FORMAT_KEY, facts.FORMAT_VALUE);
    if (interrupted) this.#fence();
    else this.#requireUnused();
    this.#clean(seen, sums);
    const why = base && this.#fault(interrupted ? this.#require() : seen, sums, base);
    if (why !== undefined)
      throw new RefusalError('IMAGE_CHANGED', `cannot add changes to ${base?.name} in ${this.address}: ${why}`);
    const goesOn = !base && interrupted && !interrupted.isIncremental && isSameSnapshot(interrupted, of);
    const begun = goesOn ? interrupted : { ...of, isIncremental: base !== undefined, cursor: 0 };
    const kept: Writing = { ...begun, bytes: of.bytes };
    const mark = (writing: Writing): void => this.#image.setFact(facts.WRITING_KEY, facts.toText(writing));
    mark(kept);
    if (base && interrupted) this.#heal(base);
    if (interrupted || seen.bytes !== of.bytes || sums.bytes !== sumsBytes(of.bytes)) this.#resize(of.bytes);
    const session = this.#open(this.#image);
    try {
      return new RbdWriter({
        cursor: kept.cursor,
        // Before that mark nothing was ever in it.
        mustZero: seen.isOurs,
        session,
        sums: new FlatSums(this.#open(this.#sums), this.#xxh64),
        // Changes are few: their writer begins again.
        checkpoint: (cursor) => (base ? undefined : mark({ ...kept, cursor })),
        commit: () => this.#commit(kept, guard),
        forget: () => mark({ ...kept, isIncremental: true, cursor: 0 }),
        end: () => guard.release(),
      });
    } catch (error) {
      session.close();
      throw error;
    }
  }

  #commit(kept: Writing, guard: RunGuard): Point {
    const point = facts.pointOf(kept);
    const snapshot = facts.snapshotName(point.name);
    guard.requireHeld();
    this.#sums.snapshot(snapshot);
    this.#image.setFact(facts.pointKey(point.name), facts.toText(kept));
    try {
      this.#image.snapshot(snapshot);
    } catch (error) {
      // A snapshot of that name that is not this one must not become a point.
      this.#image.removeFact(facts.pointKey(point.name));
      throw error;
    }
    this.#image.removeFact(facts.WRITING_KEY);
    return point;
  }

  #open(image: RbdImage): NbdSession {
    return new NbdSession(image.export(), this.#syscalls);
  }

  /** @returns undefined if there is no image. @throws RefusalError IMAGE_KIND if it is not ours */
  #look(): Seen | undefined {
    const bytes = this.#image.find();
    if (bytes === undefined) return undefined;
    const found = this.#image.facts();
    const snapshots = this.#image.snapshots();
    const isOurs = found.get(facts.FORMAT_KEY) === facts.FORMAT_VALUE;
    if (!isOurs) this.#requireBlank(this.#image, snapshots);
    const read = (key: string): Writing | undefined => {
      const text = found.get(key);
      return text === undefined ? undefined : facts.fromText(this.#image.name, key, text);
    };
    const keys = new Map(
      [...found.keys()].map((key) => [facts.snapshotName(facts.pointOfKey(key) ?? ''), key] as const),
    );
    const points = snapshots.flatMap((snapshot) => {
      const of = read(keys.get(snapshot) ?? '');
      return of ? [facts.pointOf(of)] : [];
    });
    return { bytes, isOurs, facts: found, snapshots, points, writing: read(facts.WRITING_KEY) };
  }

  #require(): Seen {
    const seen = this.#look();
    if (seen) return seen;
    throw new RefusalError(
      'IMAGE_KIND',
      `cannot open ${this.address}: the image does not exist, expected one with restore points`,
    );
  }

  #requireBlank(image: RbdImage, snapshots: readonly string[]): void {
    if (snapshots.length === 0 && image.written().length === 0) return;
    const expected = 'expected one that does not exist yet, is empty, or has restore points';
    throw new RefusalError(
      'IMAGE_KIND',
      `cannot use ${this.address}: image ${image.name} holds something else, ${expected}`,
    );
  }

  /** The image of sums; without one, there are no sums of anything. */
  #lookAtSums(): SeenSums {
    const bytes = this.#sums.find();
    return { bytes, snapshots: bytes === undefined ? [] : this.#sums.snapshots() };
  }

  /** An image for sums that is not ours would be overwritten. */
  #prepareSums(bytes: number, { isOurs }: Seen): SeenSums {
    const sums = this.#lookAtSums();
    if (sums.bytes === undefined) this.#sums.create(sumsBytes(bytes));
    else if (!isOurs) this.#requireBlank(this.#sums, sums.snapshots);
    return { ...sums, bytes: sums.bytes ?? sumsBytes(bytes) };
  }

  /** Removes what belongs to no point. A snapshot that a killed run's last request still makes after this has no facts. */
  #clean(seen: Seen, sums: SeenSums): void {
    for (const key of leftKeys(seen)) this.#image.removeFact(key);
    const known = new Set(seen.points.map(({ name }) => facts.snapshotName(name)));
    const late = seen.writing && facts.snapshotName(pointName(seen.writing));
    if (late !== undefined && !known.has(late) && seen.snapshots.includes(late)) this.#image.removeSnapshot(late);
    for (const snapshot of sums.snapshots) if (!known.has(snapshot)) this.#sums.removeSnapshot(snapshot);
  }

  /** Ends what a killed run's server still writes, and the wait for its lock. */
  #fence(): void {
    for (const image of [this.#image, this.#sums]) for (const owner of image.lockOwners()) image.breakLock(owner);
  }

  /**
   * A client that does not keep to the guard, such as a machine that uses the image as its disk, is an error. One that was killed
   * while it closed the image has left the lock.
   */
  #requireUnused(): void {
    const began = performance.now();
    for (const image of [this.#image, this.#sums]) {
      // Looked at again each time: another client may take the lock of a dead one first.
      for (let [owner] = image.lockOwners(); owner; [owner] = image.lockOwners()) {
        if (!image.isOpenBy(owner)) image.breakLock(owner);
        else if (performance.now() - began > MISSED_MS) throw this.#usedBy(image, owner);
        else pause(STEP_MS);
      }
    }
  }

  #usedBy(image: RbdImage, { locker, address }: LockOwner): RefusalError {
    const what = `${locker} at ${address} has ${image.name} open for writing, expected nobody`;
    return new RefusalError('IMAGE_BUSY', `cannot write ${this.address}: ${what}`);
  }

  #fault(seen: Seen, sums: SeenSums, point: Point): string | undefined {
    const wanted = facts.snapshotName(point.name);
    const newest = seen.snapshots.at(-1);
    if (newest !== wanted)
      return `the newest snapshot of ${this.#image.name} is '${newest}', expected '${wanted}'; hint: rbd snap ls, rbd snap rm`;
    if (!sums.snapshots.includes(wanted)) return `its sums, ${this.#sums.name}@${wanted}, are missing`;
    // An interrupted run wrote the heads: they get the point's content again.
    if (seen.writing) return undefined;
    if (seen.bytes !== point.bytes)
      return `something else resized ${this.#image.name} to ${seen.bytes} bytes, expected ${point.bytes}`;
    for (const image of [this.#image, this.#sums]) {
      const found = this.#foreignByte(image, wanted);
      if (found !== undefined)
        return `something else wrote ${image.name} at byte ${found}; hint: rbd snap rollback ${image.name}@${wanted}`;
    }
    return undefined;
  }

  /** Where a head begins to differ from a snapshot, in pieces that were written. */
  #foreignByte(image: RbdImage, snapshot: string): number | undefined {
    if (image.written(snapshot).length === 0) return undefined;
    const head = this.#open(image);
    try {
      const [first] = headDifferences(image, snapshot, head, this.#syscalls);
      return first?.offset;
    } finally {
      head.close();
    }
  }

  #heal(base: Point): void {
    this.#resize(base.bytes);
    for (const image of [this.#image, this.#sums]) {
      const head = this.#open(image);
      try {
        healHead(image, facts.snapshotName(base.name), head, this.#syscalls);
      } finally {
        head.close();
      }
    }
  }

  #resize(bytes: number): void {
    const sizes = [
      [this.#image, bytes],
      [this.#sums, sumsBytes(bytes)],
    ] as const;
    for (const [image, size] of sizes) if (image.find() !== size) image.resize(size);
  }
}

/** Keys of facts whose snapshot does not exist. */
const leftKeys = (seen: Seen): string[] =>
  [...seen.facts.keys()].filter((key) => {
    const name = facts.pointOfKey(key);
    return name !== undefined && !seen.snapshots.includes(facts.snapshotName(name));
  });
