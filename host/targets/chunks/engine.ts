/** An engine that keeps folders with deduplication: what restic and borg have in common. */
import { spawnSync } from 'node:child_process';
import { ENOBUFS, errnoOf, RefusalError } from '../../errors.js';
import { pause } from '../../system/clock.js';
import type { Program } from '../../system/program.js';
import { endingWithUs, environment, programFailed, programMissing, saysNotFound } from '../../system/program.js';
import { isRecord } from '../../system/summed-json.js';
import { withoutPassword } from './address.js';
import type { ChunkFacts } from './facts.js';

/** A snapshot of a repository. */
export interface Stored {
  /** As the engine names it now. */
  readonly id: string;
  readonly facts: ChunkFacts;
  /** It was found to be right. Others may be mixtures, and are no restore points. */
  readonly isComplete: boolean;
}

/** What create() made. */
export interface Created {
  readonly id: string;
  /** Number of files in it. */
  readonly files: number;
}

/** How a snapshot is mounted. */
export interface MountCommand {
  readonly program: Program;
  readonly args: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  /** Where the chunks are, below the mount point. */
  readonly below: string;
}

/** Every call throws a RefusalError. Passwords come from the environment of this process, as the engine documents. */
export interface Engine {
  /** Snapshots of a volume; of all if none is named. */
  stored(volume: string | undefined): readonly Stored[];
  /**
   * Makes a snapshot, not complete yet.
   *
   * @param folder the view, always at the same path
   * @param parent the snapshot whose chunks have the same times if they are the same; undefined: all are read
   */
  create(folder: string, facts: ChunkFacts, parent: Stored | undefined): Created;
  /** Makes it a restore point, all or nothing. */
  complete(stored: Stored): void;
  /** @param reclaim what no other snapshot needs is removed, too */
  remove(stored: readonly Stored[], reclaim: boolean): void;
  /**
   * Reads files of a snapshot as it is stored.
   *
   * @param files ascending paths
   * @param folder empty, for what the engine writes
   */
  read(stored: Stored, files: readonly StoredFile[], folder: string): Iterable<Buffer>;
  mountCommand(stored: Stored, folder: string): MountCommand;
}

export interface StoredFile {
  readonly path: string;
  readonly bytes: number;
}

interface Options {
  /** Where it runs. */
  readonly folder?: string;
  readonly variables: Readonly<Record<string, string>>;
  /** What it prints if something else has locked the repository. */
  readonly locked: RegExp;
  readonly lockSeconds: number;
  /** Removes locks of processes of this host that have died. */
  readonly unlock?: () => void;
}

const OUTPUT_MAX = 256 * 1024 * 1024;
const LOCK_STEP_MS = 2000;
/** What a program printed for people: its last line, or the one that says why it ended. */
export const reasonIn = (output: string): string => {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const line =
    lines.find((one) => /^Fatal:|already locked|Failed to create\/acquire the lock/.test(one)) ?? lines.at(-1);
  return withoutPassword((line ?? '').trim());
};

/**
 * Runs an engine to its end; waits a while for a lock that something else has.
 *
 * @returns standard output
 * @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED, IMAGE_LOCKED
 */
export const runEngine = (program: Program, args: readonly string[], options: Options): Buffer => {
  const { name } = program;
  const began = performance.now();
  let isUnlocked = false;
  for (;;) {
    const [command, words] = endingWithUs('TERM', [name, ...args]);
    const { status, signal, stdout, stderr, error } = spawnSync(command, words, {
      ...(options.folder === undefined ? {} : { cwd: options.folder }),
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: OUTPUT_MAX,
      env: environment(options.variables),
    });
    if (error && errnoOf(error) === ENOBUFS) throw programFailed(name, `printed more than ${OUTPUT_MAX} bytes`);
    if (error) throw programMissing({ name: 'setpriv', package: 'util-linux' });
    if (status === 0) return stdout;
    const said = stderr.toString('utf8');
    if (saysNotFound(said)) throw programMissing(program);
    const isLocked = options.locked.test(said);
    if (!isLocked)
      throw programFailed(
        name,
        status === null ? `was ended by ${signal}` : `ended with status ${status}`,
        reasonIn(said),
      );
    if (performance.now() - began > options.lockSeconds * 1000)
      throw new RefusalError(
        'IMAGE_LOCKED',
        `cannot use the repository: ${name} waited ${options.lockSeconds} seconds for its lock, and printed "${reasonIn(said)}"`,
      );
    if (options.unlock && !isUnlocked) options.unlock();
    else pause(LOCK_STEP_MS);
    isUnlocked = true;
  }
};

/** @throws RefusalError PROGRAM_FAILED */
export const parsed = (name: string, output: Buffer | string): unknown => {
  try {
    return JSON.parse(output.toString('utf8'));
  } catch {
    throw unexpected(name, 'JSON');
  }
};

export const recordOf = (name: string, value: unknown): Readonly<Record<string, unknown>> => {
  if (isRecord(value)) return value;
  throw unexpected(name, 'record');
};

export const unexpected = (name: string, what: string): RefusalError =>
  new RefusalError('PROGRAM_FAILED', `cannot use what ${name} printed: no ${what}`);
