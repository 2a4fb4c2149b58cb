/** chunkview as a child of this process: it serves one folder, and ends with this process at the latest, unless it was released. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, readSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { builtFile } from '../../built-file.js';
import { RefusalError } from '../../errors.js';
import { pause } from '../../system/clock.js';
import { isMountPoint } from '../../system/mounts.js';
import { environment, programFailed, runProgram } from '../../system/program.js';
import type { Syscalls } from '../../system/syscalls.js';
import type { Geometry } from './chunk.js';

const NAME = 'chunkview';
const FUSERMOUNT = { name: 'fusermount3', package: 'fuse3' };
const READY = 'ready\n';
/** A device that does not answer must not hold up the end of a run. */
const PATIENCE_MS = 10_000;
const STEP_MS = 5;

/** Ends a mount at once, whoever uses it; nothing happens if there is none. */
export const unmount = (path: string): void => {
  // One mount may lie on another.
  for (let tries = 0; tries < 10 && isMountPoint(path); tries++) runProgram(FUSERMOUNT, ['-u', '-z', '--', path], '');
};

/**
 * Waits until a child has ended; kills it if that takes too long.
 *
 * @returns whether it ended by itself
 */
export const awaitEnd = (child: ChildProcess, syscalls: Syscalls, patienceMs = PATIENCE_MS): boolean => {
  const { pid } = child;
  if (pid === undefined) return true;
  const began = performance.now();
  while (!syscalls.hasEnded(pid, false)) {
    if (performance.now() - began > patienceMs) {
      child.kill('SIGKILL');
      return false;
    }
    pause(STEP_MS);
  }
  return true;
};

/** What a view read from its volume or its chunks. */
export interface Reads {
  readonly bytes: number;
  /** Reads that failed. */
  readonly errors: number;
}

export class ChunkView {
  /** The folder where it is mounted. */
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #syscalls: Syscalls;
  readonly #input: number;
  readonly #output: number;
  #isOpen = true;

  private constructor(args: readonly string[], path: string, syscalls: Syscalls) {
    [this.path, this.#syscalls] = [path, syscalls];
    unmount(path);
    const beside = fileURLToPath(builtFile(NAME));
    const program = existsSync(beside) ? beside : NAME;
    const [stdin, input] = syscalls.pipe(NAME);
    const [output, stdout] = syscalls.pipe(NAME);
    [this.#input, this.#output] = [input, output];
    this.#child = spawn(program, [...args, path], {
      // A session of its own: no key of a terminal ends it.
      detached: true,
      stdio: [stdin, stdout, stdout],
      env: environment({}),
    });
    this.#child.on('error', () => undefined);
    this.#child.unref();
    closeSync(stdin);
    closeSync(stdout);
    const said = this.#readUntil(READY);
    if (said.endsWith(READY)) return;
    this.close();
    if (this.#child.pid === undefined)
      throw new RefusalError(
        'PROGRAM_MISSING',
        `cannot run ${NAME}: it is not installed; hint: make -C chunkview install`,
      );
    throw programFailed(NAME, 'ended', said.trim().split('\n').join('; '));
  }

  /**
   * Shows a volume as a folder of chunks.
   *
   * @param times path of the times of its chunks
   * @param facts content of the file datto-facts
   * @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED; SystemError
   */
  static ofVolume(device: string, times: string, facts: string, path: string, syscalls: Syscalls): ChunkView {
    return new ChunkView(['--times', times, '--facts', facts, '--', device], path, syscalls);
  }

  /** Shows a folder of chunks as the file `volume`. @throws as ofVolume() */
  static joining(folder: string, { volumeBytes, chunkBytes }: Geometry, path: string, syscalls: Syscalls): ChunkView {
    const sizes = ['--bytes', `${volumeBytes}`, '--chunk-bytes', `${chunkBytes}`];
    return new ChunkView(['--join', ...sizes, '--', folder], path, syscalls);
  }

  /** From now on it ends with the last who has something of it open, not with this process. Its folder is empty. */
  release(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    writeSync(this.#input, '\n');
    for (const fd of [this.#input, this.#output]) closeSync(fd);
    unmount(this.path);
  }

  /** Unmounts it. @returns undefined if it had ended before, or did not end: what was read is not known then */
  close(): Reads | undefined {
    if (!this.#isOpen) return undefined;
    this.#isOpen = false;
    const { pid } = this.#child;
    const hadEnded = pid === undefined || this.#syscalls.hasEnded(pid, false);
    closeSync(this.#input);
    const hasEnded = awaitEnd(this.#child, this.#syscalls);
    const said = hasEnded ? this.#readUntil(undefined) : '';
    closeSync(this.#output);
    unmount(this.path);
    const [, bytes, errors] = /^read (\d+) errors (\d+)$/m.exec(said) ?? [];
    if (hadEnded || bytes === undefined || errors === undefined) return undefined;
    return { bytes: Number(bytes), errors: Number(errors) };
  }

  /** What it prints, up to a text or its end. */
  #readUntil(end: string | undefined): string {
    const piece = Buffer.alloc(4096);
    let said = '';
    for (let got = -1; got !== 0 && (end === undefined || !said.endsWith(end)); ) {
      got = readSync(this.#output, piece);
      said += piece.toString('latin1', 0, got);
    }
    return said;
  }
}
