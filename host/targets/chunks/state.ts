/**
 * What a target keeps on its host, in a folder of its own: of root, and closed to others.
 *
 *   times          of the chunks, as the newest complete restore point has them
 *   times.next     of a point that is being written
 *   times.checked  of a point that is stored and right, but is not marked as complete yet
 *   lock           held by the run that writes
 *   view/          where the volume is shown to the engine: always the same path
 *   read/          what the engine writes for a comparison
 *   open-PID-…/    a restore point that is open
 *   cache/         of the engine, unless the environment names another one
 */
import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RefusalError, withErrno } from '../../errors.js';
import { moveFile, removeFile, requireOwnFolder, syncFolder, withLockFile } from '../../system/safe-files.js';
import type { Syscalls } from '../../system/syscalls.js';
import type { Times } from './times.js';
import { readTimes, writeTimes } from './times.js';

type Stage = 'times' | 'times.next' | 'times.checked';

export class ChunkState {
  readonly folder: string;
  readonly #address: string;
  readonly #syscalls: Syscalls;
  #isReady = false;

  /** @param root folder of the tools' state, such as /var/lib/dattobd */
  constructor(root: string, address: string, volume: string, syscalls: Syscalls) {
    [this.#address, this.#syscalls] = [address, syscalls];
    const name = createHash('sha256').update(`${volume}\n${address}`).digest('hex').slice(0, 16);
    this.folder = join(root, 'chunks', name);
  }

  /** A folder below, which exists. */
  below(name: string): string {
    this.#prepare();
    const path = join(this.folder, name);
    withErrno('make', path, () => mkdirSync(path, { recursive: true, mode: 0o700 }));
    return path;
  }

  pathOf(stage: Stage): string {
    return join(this.folder, stage);
  }

  times(stage: Stage): Times | undefined {
    return readTimes(this.pathOf(stage));
  }

  write(stage: Stage, times: Times): void {
    this.#prepare();
    writeTimes(this.pathOf(stage), times);
  }

  move(from: Stage, to: Stage): void {
    moveFile(this.pathOf(from), this.pathOf(to));
    syncFolder(this.folder);
  }

  remove(stage: Stage): void {
    removeFile(this.pathOf(stage));
  }

  /** All times that were ever given, as far as this host knows. */
  latest(): bigint[] {
    const stages = ['times', 'times.next', 'times.checked'] as const;
    return stages.flatMap((stage) => this.times(stage)?.latest ?? []);
  }

  /** @throws RefusalError BACKUP_RUNNING if another run writes to the target */
  locked<T>(run: () => T): T {
    this.#prepare();
    const refuse = (): RefusalError =>
      new RefusalError('BACKUP_RUNNING', `cannot write ${this.#address}: another run of this volume writes to it`);
    return withLockFile(join(this.folder, 'lock'), this.#syscalls, refuse, run);
  }

  /** Runs with an empty folder, and removes what is in it afterwards. */
  withScratch<T>(run: (folder: string) => T): T {
    const empty = (): void => rmSync(join(this.folder, 'read'), { recursive: true, force: true });
    empty();
    try {
      return run(this.below('read'));
    } finally {
      empty();
    }
  }

  #prepare(): void {
    if (this.#isReady) return;
    withErrno('make', this.folder, () => mkdirSync(this.folder, { recursive: true, mode: 0o700 }));
    // Mount points are found by their path without links.
    const real = realpathSync(this.folder);
    for (const path of [dirname(real), real]) requireOwnFolder(path);
    this.#isReady = true;
  }
}
