/**
 * Keeps other runs out of an image, on whatever host they are. A run has a client that watches the image's name object, and goes
 * on only as the one watcher. Readers do not watch that object. The watch ends with the run; if its host is cut off, the cluster
 * ends it after 30 seconds.
 */
import { spawn } from 'node:child_process';
import { closeSync, readSync } from 'node:fs';
import { RefusalError } from '../../errors.js';
import { pause } from '../../system/clock.js';
import { environment, linesOf, programFailed, programMissing, runProgram } from '../../system/program.js';
import type { Syscalls } from '../../system/syscalls.js';
import type { RbdAddress } from './address.js';
import { clientOptions } from './address.js';

const RADOS = { name: 'rados', package: 'ceph-common' };
/** Longer than the cluster takes to miss a client that has died. */
export const MISSED_MS = 40_000;
const STEP_MS = 500;

export class RunGuard {
  readonly #address: RbdAddress;
  readonly #syscalls: Syscalls;
  #pid = 0;
  #input = -1;
  #self = '';

  /**
   * Waits until no other run has the image, but not for long.
   *
   * @throws RefusalError BACKUP_RUNNING, PROGRAM_MISSING, PROGRAM_FAILED; SystemError
   */
  constructor(address: RbdAddress, syscalls: Syscalls) {
    [this.#address, this.#syscalls] = [address, syscalls];
    const began = performance.now();
    for (;;) {
      this.#watch();
      const watchers = this.#watchers();
      const [self] = watchers;
      if (self !== undefined && watchers.length === 1) {
        this.#self = self;
        return;
      }
      this.release();
      if (performance.now() - began > MISSED_MS) throw this.#running(watchers);
      // Two that begin at once do not meet for ever.
      pause(STEP_MS * (1 + Math.random()));
    }
  }

  /** @throws RefusalError BACKUP_RUNNING if the watch was lost, so that another run may have written */
  requireHeld(): void {
    const watchers = this.#watchers();
    if (watchers.length !== 1 || watchers[0] !== this.#self) throw this.#running(watchers);
  }

  release(): void {
    if (this.#input < 0) return;
    // The client ends its watch at the end of its input.
    closeSync(this.#input);
    this.#input = -1;
    this.#syscalls.hasEnded(this.#pid, true);
  }

  get #object(): string {
    return `rbd_id.${this.#address.image}`;
  }

  #rados(...args: readonly string[]): string[] {
    return [...clientOptions(this.#address), '--pool', this.#address.pool, ...args, this.#object];
  }

  #running(watchers: readonly string[]): RefusalError {
    const { pool, image } = this.#address;
    const who = watchers
      .filter((one) => one !== this.#self)
      .map((one) => one.replace(/^watcher=(\S+) (\S+) .*$/, '$2 at $1'));
    return new RefusalError(
      'BACKUP_RUNNING',
      `cannot write rbd:${pool}/${image}: another run writes it (${who.join(', ') || 'unknown'}), expected none`,
    );
  }

  #watchers(): string[] {
    return [...linesOf(runProgram(RADOS, this.#rados('listwatchers'), ''))].filter((line) =>
      line.startsWith('watcher='),
    );
  }

  #watch(): void {
    const [stdin, input] = this.#syscalls.pipe(RADOS.name);
    const [output, stdout] = this.#syscalls.pipe(RADOS.name);
    try {
      const child = spawn(RADOS.name, this.#rados('watch'), { stdio: [stdin, stdout, 'ignore'], env: environment({}) });
      child.on('error', () => undefined);
      child.unref();
      closeSync(stdout);
      this.#pid = child.pid ?? 0;
      if (this.#pid === 0) throw programMissing(RADOS);
      this.#input = input;
      // It prints a line once it watches, and nothing if it cannot.
      if (readSync(output, Buffer.alloc(1)) === 0) throw programFailed(RADOS.name, 'could not watch the image');
    } catch (error) {
      if (this.#input < 0) closeSync(input);
      this.release();
      throw error;
    } finally {
      closeSync(stdin);
      closeSync(output);
    }
  }
}
