/**
 * A restore point as a file: qemu-nbd serves it, nbdfuse shows it by FUSE. Both end once the file is unmounted and nobody has
 * it open any more; a loop device counts as somebody.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { withErrno } from '../errors.js';
import { commandRelay } from '../nbd/relay.js';
import { pause } from '../system/clock.js';
import type { Program } from '../system/program.js';
import { environment, GUARD_FD, guarded, programFailed, programMissing, runProgram } from '../system/program.js';
import type { Syscalls } from '../system/syscalls.js';
import type { OpenPoint } from './point.js';

const NBDFUSE: Program = { name: 'nbdfuse', package: 'libnbd-bin' };
const QEMU_NBD: Program = { name: 'qemu-nbd', package: 'qemu-utils' };
export const UMOUNT: Program = { name: 'umount', package: 'mount' };
/** Readers at once. */
const READERS = 8;
const STEP_MS = 5;
/** Descriptor of the file that is served, in the server. */
const HELD_FD = GUARD_FD + 1;

const hasProgram = ({ name }: Program): boolean =>
  (environment({}).PATH ?? '').split(':').some((folder) => {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false });
    return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
  });

const argumentsOf = ({ served, held }: OpenPoint, path: string): string[] => [
  ...[NBDFUSE.name, '-r', path],
  ...('command' in served
    ? ['--command', ...commandRelay(served.request, served.command)]
    : [
        ...['[', QEMU_NBD.name, '--read-only', '--shared', `${READERS}`, '--format', served.format],
        ...[held ? `/proc/self/fd/${HELD_FD}` : served.image, ']'],
      ]),
];

/** A point that is served. It ends with this process until release() is called. */
export class PointServer {
  /** The file that has the point's content. */
  readonly path: string;
  readonly #syscalls: Syscalls;
  readonly #pid: number;
  readonly #guard: number;

  /**
   * Starts the server, and waits until the file is there.
   *
   * @param folder where the file is mounted on another one: empty, and for this process alone
   * @throws RefusalError PROGRAM_MISSING, PROGRAM_FAILED with what it printed; SystemError
   */
  constructor(opened: OpenPoint, folder: string, syscalls: Syscalls) {
    [this.path, this.#syscalls] = [join(folder, 'volume'), syscalls];
    const needed = 'command' in opened.served ? [NBDFUSE] : [NBDFUSE, QEMU_NBD];
    for (const program of needed) if (!hasProgram(program)) throw programMissing(program);
    const said = join(folder, 'messages');
    withErrno('create', this.path, () => writeFileSync(this.path, ''));
    const output = withErrno('create', said, () => openSync(said, constants.O_CREAT | constants.O_WRONLY, 0o600));
    const [guard, dismissal] = syscalls.pipe(NBDFUSE.name);
    this.#guard = dismissal;
    const child = spawn(...guarded('TERM', argumentsOf(opened, this.path)), {
      // A session of its own: no key of a terminal ends it.
      detached: true,
      stdio: ['ignore', output, output, guard, opened.held?.fd ?? 'ignore'],
      env: environment({}),
      ...('folder' in opened.served ? { cwd: opened.served.folder } : {}),
    });
    child.on('error', () => undefined);
    child.unref();
    for (const fd of [output, guard]) closeSync(fd);
    this.#pid = child.pid ?? 0;
    if (this.#isServed()) return;
    this.release();
    const text = readFileSync(said, 'latin1').trim().split('\n').join('; ');
    throw programFailed(NBDFUSE.name, `could not serve ${opened.label}`, text);
  }

  /** From now on the server ends with the last who has the file open, not with this process. */
  release(): void {
    try {
      writeSync(this.#guard, '\n');
    } finally {
      closeSync(this.#guard);
    }
  }

  /** Takes the file's name away. The server ends when nobody has it open any more. */
  unmount(): void {
    runProgram(UMOUNT, ['--lazy', this.path], '');
    rmSync(this.path, { force: true });
  }

  /** Waits until the server has ended. */
  waitForEnd(): void {
    this.#syscalls.hasEnded(this.#pid, true);
  }

  #isServed(): boolean {
    const { dev } = withErrno('stat', dirname(this.path), () => statSync(dirname(this.path)));
    for (;;) {
      const hasEnded = this.#pid === 0 || this.#syscalls.hasEnded(this.#pid, false);
      const stat = statSync(this.path, { throwIfNoEntry: false });
      if (!hasEnded && stat !== undefined && stat.dev !== dev) return true;
      if (hasEnded) return false;
      pause(STEP_MS);
    }
  }
}
