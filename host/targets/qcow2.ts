/**
 * Restore points in a folder: a chain of qcow2 files, each with what changed since the one before. The first of a series is
 * whole. Any program that reads qcow2 can read them.
 *
 *   points/points.json     the catalog: a point exists once it is in there
 *   points/NAME.qcow2      what was written for a point; its backing file is that of the point before, in the same folder
 *   points/NAME.sums       sums of that (sums.ts)
 *   points/new.qcow2, .sums    of a point that is being written
 */
import { existsSync, ftruncateSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RefusalError, SystemError, withErrno } from '../errors.js';
import { Xxh64 } from '../manifest/hashing.js';
import { whileLocked } from '../nbd/image-lock.js';
import type { Export } from '../nbd/server.js';
import { NbdSession } from '../nbd/server.js';
import type { Program } from '../system/program.js';
import { runProgram } from '../system/program.js';
import {
  createOwn,
  makeFile,
  makeOwnFolder,
  moveFile,
  openOwn,
  removeFile,
  removeRegular,
  requireOwnFolder,
  syncFolder,
} from '../system/safe-files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { Catalog, Merging, StoredPoint } from './catalog.js';
import { readCatalog, writeCatalog } from './catalog.js';
import { Qcow2Writer } from './qcow2-writer.js';
import type { SumRun } from './sums.js';
import { compareSums, overlay, readSums, SumsWriter } from './sums.js';
import type { Point, PointDamage, PointFacts, PointWriter, SnapshotId, Target } from './target.js';
import { isSameSnapshot, pointName } from './target.js';

const QEMU_IMG: Program = { name: 'qemu-img', package: 'qemu-utils', endsWithUs: true };
const NEW = 'new';
/** Clusters of 32 subclusters: a changed block takes one block, and not a whole cluster. */
const LAYOUT = 'extended_l2=on,cluster_size=128k';
const SECTOR = 512;

/** The folder of restore points in a folder of backups. */
export const pointsFolder = (folder: string): string => join(folder, 'points');

export class Qcow2Target implements Target {
  readonly address: string;
  readonly #folder: string;
  readonly #catalogFile: string;
  readonly #syscalls: Syscalls;
  readonly #xxh64 = new Xxh64();

  /** @param folder of the volume's backups, locked by the caller if it changes something */
  constructor(folder: string, syscalls: Syscalls) {
    this.address = folder;
    this.#folder = pointsFolder(folder);
    this.#catalogFile = join(this.#folder, 'points.json');
    this.#syscalls = syscalls;
    requireOwnFolder(this.#folder);
  }

  /** Those whose files exist, and those of the points below. */
  points(): readonly StoredPoint[] {
    const usable = new Set<string>();
    return this.#catalog().points.filter(({ name, base }) => {
      const isUsable = (base === undefined || usable.has(base)) && existsSync(this.#file(name));
      if (isUsable) usable.add(name);
      return isUsable;
    });
  }

  begun(): (SnapshotId & { readonly storedBytes: number }) | undefined {
    const { writing } = this.#catalog();
    return writing && { ...writing, storedBytes: this.#stored(NEW) };
  }

  begin(facts: PointFacts, base: Point | undefined): PointWriter {
    makeOwnFolder(this.#folder);
    const { writing } = this.#catalog();
    const goesOn = !base && writing && isSameSnapshot(writing, facts) && existsSync(this.#file(NEW));
    if (!goesOn) this.#create(facts, base);
    const at = goesOn ? writing : { cursor: 0, sumsBytes: 0 };
    const kept = { ...facts, ...(goesOn ? { time: writing.time } : {}) };
    const sums = openOwn(this.#sums(NEW), 'r+');
    withErrno('resize', sums.path, () => ftruncateSync(sums.fd, at.sumsBytes));
    return new Qcow2Writer({
      cursor: at.cursor,
      mustZero: goesOn === true || base !== undefined,
      session: this.#open(NEW, 'r+'),
      sums: new SumsWriter(sums, this.#xxh64, at.sumsBytes),
      checkpoint: (cursor, sumsBytes) =>
        // Changes are few: their writer begins again.
        base ? undefined : this.#update({ writing: { ...kept, cursor, sumsBytes } }),
      commit: () => this.#commit(kept, base),
      dropCache: () => {
        const file = openOwn(this.#file(NEW), 'r');
        this.#syscalls.adviseDontNeed(file.fd);
        file.close();
      },
      end: (how) => {
        sums.close();
        if (how === 'useless' || (how === 'interrupted' && base)) this.#forget();
      },
    });
  }

  tidy(onNotice: (text: string) => void): void {
    if (!existsSync(this.#folder)) return;
    this.#mergeIfFree(onNotice);
    const { points, writing, merging } = this.#catalog();
    // Until it is merged, the removed point's file is the heir's backing file.
    const used = [...points.map(({ name }) => name), ...(writing ? [NEW] : []), ...(merging ? [merging.removed] : [])];
    const known = new Set(used);
    removeRegular(this.#folder, (name, isUnfinished) => {
      const [, point] = /^(.+)\.(?:qcow2|sums)$/.exec(name) ?? [];
      return isUnfinished || (point !== undefined && !known.has(point));
    });
    for (const text of this.lost()) onNotice(text);
  }

  /** Points of the catalog that cannot be read any more, in words. */
  lost(): string[] {
    const usable = new Set(this.points().map(({ name }) => name));
    return this.#catalog()
      .points.filter(({ name }) => !usable.has(name))
      .map(({ name }) => `restore point ${name} is lost: a file of it is missing in ${this.#folder}`);
  }

  remove({ name }: Point): void {
    const { merging: pending } = this.#catalog();
    if (pending) this.#merge(pending);
    const { points } = this.#catalog();
    const point = points.find((one) => one.name === name);
    const heir = points.find(({ base }) => base === name);
    if (!point || point === points.at(-1))
      throw new RefusalError('NO_PREVIOUS', `cannot remove restore point ${name}: it is unknown, or the newest`);
    const others = points.filter((one) => one !== point);
    if (!heir) {
      this.#update({ points: others });
      this.#removeFiles(name);
      return;
    }
    const { base: _base, ...alone } = heir;
    const inherits = { ...alone, kind: point.kind, ...(point.base === undefined ? {} : { base: point.base }) };
    const merging = { removed: name, heir: heir.name };
    this.#update({ points: others.map((one) => (one === heir ? inherits : one)), merging });
    this.#merge(merging);
  }

  fault({ name }: Point): string | undefined {
    const mtimes = new Map(this.#catalog().points.map((point) => [point.name, point.mtime]));
    const changed = this.#chain(name).find((one) => mtimes.get(one) !== this.#mtime(one));
    return changed === undefined ? undefined : `something else wrote ${this.#file(changed)}`;
  }

  storedBytes({ name }: Point): number {
    return this.#stored(name);
  }

  #stored(name: string): number {
    return [this.#file(name), this.#sums(name)]
      .map((path) => statSync(path, { throwIfNoEntry: false })?.blocks ?? 0)
      .reduce((sum, blocks) => sum + blocks * SECTOR, 0);
  }

  exportOf({ name }: Point): Export {
    return this.#export(name, 'r');
  }

  verify(
    point: Point,
    onDamage: (damage: PointDamage) => void,
    onProgress: (doneBytes: number) => void,
    onData?: (data: Buffer, offset: number) => void,
  ): number {
    // While a removed point is merged into its heir, the heir may have its own sums only.
    const { merging } = this.#catalog();
    const names = this.#chain(point.name).flatMap((name) =>
      name === merging?.heir && existsSync(this.#sums(merging.removed)) ? [name, merging.removed] : [name],
    );
    const files = names.map((name) => openOwn(this.#sums(name), 'r'));
    try {
      const session = this.#open(point.name, 'r');
      try {
        const none: Iterable<SumRun> = [];
        const runs = files.reduceRight((lower, file) => overlay(readSums(file, this.#xxh64), lower), none);
        const read = (target: Buffer, offset: number): void => session.client.readFull(target, offset);
        return compareSums(runs, point.bytes, read, this.#xxh64, onDamage, onProgress, onData);
      } finally {
        session.close();
      }
    } finally {
      for (const file of files) file.close();
    }
  }

  #file(name: string): string {
    return join(this.#folder, `${name}.qcow2`);
  }

  #sums(name: string): string {
    return join(this.#folder, `${name}.sums`);
  }

  #mtime(name: string): bigint | undefined {
    return statSync(this.#file(name), { bigint: true, throwIfNoEntry: false })?.mtimeNs;
  }

  #catalog(): Catalog {
    return readCatalog(this.#catalogFile) ?? { points: [] };
  }

  /** Replaces parts of the catalog. */
  #update(parts: Partial<Catalog>): void {
    writeCatalog(this.#catalogFile, { ...this.#catalog(), ...parts });
  }

  #removeFiles(name: string): void {
    removeFile(this.#file(name));
    removeFile(this.#sums(name));
  }

  /** Removes what was written of a new point. */
  #forget(): void {
    // First, as the disk may be full.
    this.#removeFiles(NEW);
    const { writing: _writing, ...others } = this.#catalog();
    writeCatalog(this.#catalogFile, others);
  }

  #qemuImg(...args: readonly string[]): void {
    whileLocked(() => runProgram(QEMU_IMG, args, '', this.#folder));
  }

  #create({ bytes }: PointFacts, base: Point | undefined): void {
    this.#forget();
    // With our permissions; qemu-img keeps them.
    for (const path of [this.#file(NEW), this.#sums(NEW)]) createOwn(path).close();
    const backing = base ? ['-b', `${base.name}.qcow2`, '-F', 'qcow2'] : [];
    this.#qemuImg('create', '-q', '-f', 'qcow2', '-o', LAYOUT, ...backing, `${NEW}.qcow2`, `${bytes}`);
  }

  #export(name: string, access: Export['access']): Export {
    return { image: `${name}.qcow2`, format: 'qcow2', access, name: this.#file(name), folder: this.#folder };
  }

  #open(name: string, access: Export['access']): NbdSession {
    return new NbdSession(this.#export(name, access), this.#syscalls);
  }

  #commit(facts: PointFacts, base: Point | undefined): Point {
    const name = pointName(facts);
    moveFile(this.#sums(NEW), this.#sums(name));
    moveFile(this.#file(NEW), this.#file(name));
    syncFolder(this.#folder);
    const point: StoredPoint = {
      ...{ ...facts, name, kind: base ? 'incremental' : 'whole', mtime: this.#mtime(name) ?? 0n },
      ...(base ? { base: base.name } : {}),
    };
    const { points, writing: _writing, ...others } = this.#catalog();
    writeCatalog(this.#catalogFile, { ...others, points: [...points, point] });
    return point;
  }

  /** A point, and what lies below it. */
  #chain(name: string): string[] {
    const bases = new Map(this.#catalog().points.map((point) => [point.name, point.base]));
    const names: string[] = [];
    for (let at: string | undefined = name; at !== undefined; at = bases.get(at)) names.push(at);
    return names;
  }

  /**
   * Brings what the heir holds into the file of the removed point, which then becomes the heir's. The removed point is of no
   * use from the beginning; the heir is complete at every moment. Repeated after an interruption, it has the same result.
   */
  #merge({ removed, heir }: Merging): void {
    if (existsSync(this.#file(removed))) {
      if (existsSync(this.#sums(removed))) this.#mergeSums(removed, heir);
      this.#qemuImg('commit', '-q', '-d', '-f', 'qcow2', `${heir}.qcow2`);
      const file = openOwn(this.#file(removed), 'r');
      file.sync();
      file.close();
      moveFile(this.#file(removed), this.#file(heir));
      syncFolder(this.#folder);
    }
    removeFile(this.#sums(removed));
    const { merging: _merging, points, ...others } = this.#catalog();
    const mtime = this.#mtime(heir) ?? 0n;
    writeCatalog(this.#catalogFile, {
      ...others,
      points: points.map((one) => (one.name === heir ? { ...one, mtime } : one)),
    });
  }

  /** Goes on with a removal. A program that reads one of its points holds it up, and nothing else. */
  #mergeIfFree(onNotice: (text: string) => void): void {
    const { merging } = this.#catalog();
    if (!merging) return;
    try {
      this.#merge(merging);
    } catch (error) {
      if (!(error instanceof RefusalError || error instanceof SystemError)) throw error;
      onNotice(`restore point ${merging.removed} is not removed yet: ${error.message}`);
    }
  }

  #mergeSums(removed: string, heir: string): void {
    const files = [heir, removed].map((name) => openOwn(this.#sums(name), 'r'));
    try {
      const [upper = [], lower = []] = files.map((file) => readSums(file, this.#xxh64));
      makeFile(this.#sums(heir), (made) => {
        const writer = new SumsWriter(made, this.#xxh64);
        for (const run of overlay(upper, lower)) writer.add(run);
        writer.finish();
      });
    } finally {
      for (const file of files) file.close();
    }
  }
}

/** Whether a folder of backups has restore points. */
export const hasPoints = (folder: string): boolean =>
  existsSync(pointsFolder(folder)) && readdirSync(pointsFolder(folder)).includes('points.json');
