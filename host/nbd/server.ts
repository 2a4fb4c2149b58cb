/** qemu-nbd as a child of this process: it serves one image to one client, and ends with either. */
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemError, withErrno } from '../errors.js';
import { pause } from '../system/clock.js';
import type { Program } from '../system/program.js';
import { endingWithUs, environment, programFailed, programMissing, saysNotFound } from '../system/program.js';
import type { Syscalls } from '../system/syscalls.js';
import { NbdClient } from './client.js';
import { whileLocked } from './image-lock.js';

const QEMU_NBD: Program = { name: 'qemu-nbd', package: 'qemu-utils' };
const SETPRIV: Program = { name: 'setpriv', package: 'util-linux' };
const STEP_MS = 2;
const SAID_BYTES = 65536;

export interface Export {
  /** What qemu-nbd opens: a path, or the address of a driver such as `rbd:`. */
  readonly image: string;
  readonly format: 'qcow2' | 'raw';
  readonly access: 'r' | 'r+';
  /** What it is, for errors. */
  readonly name: string;
  /** Where qemu-nbd runs; that of this process if left out. */
  readonly folder?: string;
}

/** A server elsewhere, that speaks through the standard input and output of a command. */
export interface PipedExport {
  readonly command: readonly string[];
  /** What the command is sent first. */
  readonly request: Buffer;
}

/** All that can be read, up to SAID_BYTES. */
const readAll = (fd: number): Buffer => {
  const said = Buffer.alloc(SAID_BYTES);
  let length = 0;
  for (let got = -1; got !== 0 && length < said.length; length += got)
    got = readSync(fd, said, length, said.length - length, null);
  return said.subarray(0, length);
};

/**
 * The server ends with this process, even if nothing was connected to it then: else it would wait for ever, with the image locked. It
 * ignores SIGTERM while it starts; but a server of a cluster must give the image back, and is fenced off otherwise (rbd/guard.ts).
 */
const commandFor = ({ image, format, access }: Export, socket: string): [string, string[]] =>
  endingWithUs(format === 'qcow2' ? 'KILL' : 'TERM', [
    ...[QEMU_NBD.name, '--socket', socket, '--format', format],
    ...(access === 'r' ? ['--read-only'] : ['--discard', 'unmap']),
    image,
  ]);

/** An image that is served, and a connection to its server. */
export class NbdServer {
  /** Connected; whoever closes it ends the server. */
  readonly socket: number;
  readonly #syscalls: Syscalls;
  readonly #pid: number;
  readonly #said: number;

  /**
   * Starts a server and connects to it.
   *
   * @throws RefusalError PROGRAM_MISSING; PROGRAM_FAILED with what it said; SystemError
   */
  constructor(served: Export, syscalls: Syscalls) {
    this.#syscalls = syscalls;
    const folder = withErrno('make a folder in', tmpdir(), () => mkdtempSync(join(tmpdir(), 'datto-nbd-')));
    const socket = join(folder, 'socket');
    const [said, says] = syscalls.pipe(QEMU_NBD.name);
    this.#said = said;
    try {
      const [program, args] = commandFor(served, socket);
      const child = spawn(program, args, {
        stdio: ['ignore', 'ignore', says],
        env: environment({}),
        ...(served.folder === undefined ? {} : { cwd: served.folder }),
      });
      // Without a listener, a program that is missing ends this process.
      child.on('error', () => undefined);
      child.unref();
      closeSync(says);
      this.#pid = child.pid ?? 0;
      const fd = this.#pid === 0 ? undefined : this.#connect(socket);
      if (fd === undefined) throw this.#pid === 0 ? programMissing(SETPRIV) : this.failure();
      this.socket = fd;
    } catch (error) {
      closeSync(said);
      throw error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Waits until the server has closed the image. */
  waitForEnd(): void {
    this.#syscalls.hasEnded(this.#pid, true);
    closeSync(this.#said);
  }

  /** Ends the server, whatever it does. What was not flushed may be lost. */
  kill(): void {
    // Nobody else waits for it: its number is its own until then.
    process.kill(this.#pid, 'SIGTERM');
    this.#syscalls.hasEnded(this.#pid, true);
  }

  /** Why the server has ended, or is about to. */
  failure(): Error {
    this.#syscalls.hasEnded(this.#pid, true);
    const said = readAll(this.#said).toString('latin1').trim().split('\n').join('; ');
    if (saysNotFound(said)) return programMissing(QEMU_NBD);
    return programFailed(QEMU_NBD.name, 'ended', said.replace(/^qemu-nbd: /, ''));
  }

  /** Returns undefined if the server has ended. */
  #connect(socket: string): number | undefined {
    for (;;) {
      const hasEnded = this.#syscalls.hasEnded(this.#pid, false);
      const fd = hasEnded ? undefined : this.#syscalls.connect(socket);
      if (fd !== undefined || hasEnded) return fd;
      pause(STEP_MS);
    }
  }
}

/** An image that is served, and the client of it. */
export class NbdSession {
  readonly client: NbdClient;
  readonly #server: NbdServer;

  /**
   * Starts a server and connects to it. Waits for an image that another server is about to close.
   *
   * @throws RefusalError PROGRAM_MISSING; PROGRAM_FAILED with what it said; SystemError
   */
  constructor(served: Export, syscalls: Syscalls) {
    [this.#server, this.client] = whileLocked(() => NbdSession.#open(served, syscalls));
  }

  /** Ends the session, and waits until the server has closed the image. What was not flushed may be lost. */
  close(): void {
    this.client.close();
    this.#server.waitForEnd();
  }

  static #open(served: Export, syscalls: Syscalls): [NbdServer, NbdClient] {
    const server = new NbdServer(served, syscalls);
    try {
      return [server, new NbdClient(server.socket, served.name)];
    } catch (error) {
      // The server listens before it opens the image: one that cannot ends without a word to its client.
      const failure = error instanceof SystemError ? server.failure() : error;
      server.waitForEnd();
      throw failure;
    }
  }
}
