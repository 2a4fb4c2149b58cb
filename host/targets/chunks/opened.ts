/** A restore point as one file: the engine mounts its chunks, and chunkview joins them. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { EPIPE, errnoOf, withErrno } from '../../errors.js';
import { pause } from '../../system/clock.js';
import { isMountPoint } from '../../system/mounts.js';
import { environment, guarded, programFailed, programMissing, saysNotFound } from '../../system/program.js';
import type { Syscalls } from '../../system/syscalls.js';
import type { Geometry } from './chunk.js';
import type { MountCommand } from './engine.js';
import { reasonIn } from './engine.js';
import { awaitEnd, ChunkView, unmount } from './view.js';

const PREFIX = 'open-';
const STEP_MS = 20;
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;

const foldersIn = (folder: string): Record<'chunks' | 'joined' | 'said', string> => ({
  ...{ chunks: join(folder, 'chunks'), joined: join(folder, 'joined') },
  said: join(folder, 'said'),
});

/** Removes folders, but nothing that is mounted in them. */
const removeFolder = (folder: string): void => {
  const { chunks, joined } = foldersIn(folder);
  for (const path of [joined, chunks]) unmount(path);
  rmSync(folder, { recursive: true, force: true });
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Ends mounts of processes that were killed. */
export const closeLost = (state: string): void => {
  for (const name of withErrno('read', state, () => readdirSync(state))) {
    const [, pid] = /^open-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) removeFolder(join(state, name));
  }
};

export class OpenedPoint {
  /** A read-only regular file as large as the volume. A part that the repository has lost is an I/O error there. */
  readonly path: string;
  readonly #folder: string;
  readonly #syscalls: Syscalls;
  readonly #engine: ChildProcess;
  readonly #guard: number;
  #isOpen = true;
  readonly #view: ChunkView;

  /**
   * @param state folder for the mount points
   * @param command makes the engine's command for a mount point
   * @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED; SystemError
   */
  constructor(state: string, command: (folder: string) => MountCommand, geometry: Geometry, syscalls: Syscalls) {
    this.#syscalls = syscalls;
    const made = join(state, `${PREFIX}${process.pid}-`);
    this.#folder = withErrno('make a folder in', state, () => mkdtempSync(made));
    const { chunks, joined } = foldersIn(this.#folder);
    for (const path of [chunks, joined]) mkdirSync(path, { mode: 0o700 });
    const mounted = command(chunks);
    const [guard, dismissal] = syscalls.pipe(mounted.program.name);
    this.#guard = dismissal;
    this.#engine = this.#start(mounted, guard);
    try {
      this.#awaitMount(mounted);
      this.#view = ChunkView.joining(join(chunks, mounted.below), geometry, joined, syscalls);
    } catch (error) {
      this.#end();
      throw error;
    }
    this.path = join(joined, 'volume');
  }

  /** Unmounts it; whoever still reads gets errors. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#view.close();
    this.#end();
  }

  /** From now on it can be read by who has it open already, for as long as that is so; it does not end with this process. */
  release(): void {
    this.#isOpen = false;
    this.#dismissGuard();
    // It has the engine's folder open, and the engine ends with it.
    this.#view.release();
    removeFolder(this.#folder);
  }

  #start({ program, args, variables }: MountCommand, guard: number): ChildProcess {
    // A file: an engine with much to say must not wait for a reader.
    const said = openSync(foldersIn(this.#folder).said, FLAGS, 0o600);
    const child = spawn(...guarded('INT', [program.name, ...args]), {
      // A session of its own: no key of a terminal ends it.
      detached: true,
      stdio: ['ignore', said, said, guard],
      env: environment(variables),
    });
    child.on('error', () => undefined);
    child.unref();
    for (const fd of [said, guard]) closeSync(fd);
    return child;
  }

  #awaitMount({ program }: MountCommand): void {
    const { chunks, said } = foldersIn(this.#folder);
    const { pid } = this.#engine;
    if (pid === undefined) throw programMissing({ name: 'sh', package: 'dash' });
    while (!isMountPoint(chunks)) {
      if (this.#syscalls.hasEnded(pid, false)) {
        const text = readFileSync(said, 'utf8');
        if (saysNotFound(text)) throw programMissing(program);
        throw programFailed(program.name, 'ended before it had mounted the restore point', reasonIn(text));
      }
      pause(STEP_MS);
    }
  }

  #dismissGuard(): void {
    try {
      writeSync(this.#guard, '\n');
    } catch (error) {
      // It was killed.
      if (errnoOf(error) !== EPIPE) throw error;
    } finally {
      closeSync(this.#guard);
    }
  }

  /** An engine ends with its mount. */
  #end(): void {
    const { chunks } = foldersIn(this.#folder);
    if (isMountPoint(chunks)) unmount(chunks);
    else this.#engine.kill('SIGINT');
    awaitEnd(this.#engine, this.#syscalls);
    this.#dismissGuard();
    removeFolder(this.#folder);
  }
}
