/**
 * States of booted machines. An emulated CPU takes longer to boot a kernel than most scripts take. Every guest stops once
 * before it reaches its files and its disks: the first one of a kind is saved there, those after it go on from that state.
 * A state holds the kernel's own memory only, nothing of a job.
 */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { accelerator } from './accelerator.js';
import { cacheDir, type Kernel } from './kernels.js';
import { platformOf } from './platform.js';
import { Qmp } from './qmp.js';

/** What a guest says on its console when it has stopped, with its uptime; it goes on after a line of input, which says how it got there. */
const STOPPED = /^initrd: stopped at (\d+\.\d+)\s/m;
/** A clock that is wrong by less harms nobody. */
const FAST = 1.1;
/** Of the states of a kernel. */
const folderOf = (kernel: Kernel): string => join(cacheDir, 'vm/booted', kernel.name);
const POLL_MS = 50;
/** The most states of a kernel that are kept: with one CPU and two, with SMAP, of the machines with a root of their own, and the runner's. */
const KEPT = 6;

const versions = new Map<string, string>();
function qemuVersion(kernel: Kernel): string {
  const { qemu } = platformOf(kernel);
  const version = versions.get(qemu) ?? execFileSync(qemu, ['--version'], { encoding: 'utf8' });
  versions.set(qemu, version);
  return version;
}

/** A kind of machine. */
export interface Kind {
  readonly kernel: Kernel;
  /** path of its first root filesystem */
  readonly initrd: string;
  readonly memoryMib: number;
  readonly cpus: number;
  /** emulated CPUs trap where the kernel touches a program's memory without saying so, as real ones do; that costs a quarter of the speed */
  readonly smap: boolean;
}

/** @throws RangeError if VM_BOOT is neither always nor once */
function bootsAlways(): boolean {
  const asked = process.env.VM_BOOT;
  if (asked === undefined || asked === '' || asked === 'once') return false;
  if (asked === 'always') return true;
  throw new RangeError(`Cannot use VM_BOOT=${asked}: expected always or once`);
}

/**
 * Where the state of such a machine is kept, whether or not it is there; undefined where there can be none: with KVM, which
 * needs none, for a kernel that knows its disks or its job before it stops, and where each machine is to boot.
 *
 * @param hardware all that makes a difference, but for files that the guest reaches later
 */
function pathOf({ kernel, initrd, memoryMib, cpus }: Kind, hardware: readonly string[]): string | undefined {
  if (kernel.bare || kernel.root === undefined || accelerator(kernel) === 'kvm' || bootsAlways()) return undefined;
  const { mtimeMs, size } = statSync(kernel.image);
  const hash = createHash('sha256')
    .update(JSON.stringify([qemuVersion(kernel), kernel.image, mtimeMs, size, ...hardware]))
    .update(readFileSync(initrd));
  return join(folderOf(kernel), `${cpus}-${memoryMib}-${hash.digest('hex').slice(0, 16)}`);
}

/** Removes the oldest states of a kernel. */
function forget(kernel: Kernel): void {
  const folder = folderOf(kernel);
  const all = readdirSync(folder).map((name) => join(folder, name));
  const ages = new Map(all.map((path) => [path, statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0]));
  const oldest = all.sort((a, b) => ages.get(a)! - ages.get(b)!);
  for (const path of oldest.slice(0, Math.max(0, all.length - KEPT))) rmSync(path, { force: true });
}

async function statusOf(qmp: Qmp, query: string): Promise<string | undefined> {
  const { status } = (await qmp.execute(query)) as { readonly status?: string };
  return status;
}

/**
 * Says whether a guest's clock runs ahead. A kernel finds out how fast its CPU counts by timers of the machine; on a busy host these may
 * be late, and then all at once, and its seconds are a fraction of ours from there on: whatever has a limit there fails.
 *
 * @param console what the guest has said; it has stopped
 * @param seconds since it was started
 */
export const clockIsFast = (console: string, seconds: number): boolean =>
  Number(STOPPED.exec(console)?.[1] ?? 0) > seconds * FAST;

/** A path in a command that QEMU gives to a shell. */
const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;

/**
 * Saves the state of a machine that has stopped, and lets it run again.
 *
 * @throws Error if QEMU ends meanwhile, or cannot
 */
async function save(kernel: Kernel, qmp: Qmp, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}`;
  await qmp.execute('stop');
  try {
    await qmp.execute('migrate', { uri: `exec:cat >${quoted(part)}` });
    let status: string | undefined;
    while ((status = await statusOf(qmp, 'query-migrate')) !== 'completed' && status !== 'failed') await sleep(POLL_MS);
    if (status === 'completed') renameSync(part, path);
    forget(kernel);
  } finally {
    rmSync(part, { force: true });
  }
  await qmp.execute('cont');
}

/** One machine's way to its stop, and on. */
export class Stop {
  readonly #kernel: Kernel;
  readonly #path: string | undefined;
  readonly #isRestored: boolean;
  #qmp: Qmp | undefined;
  #child: ChildProcess | undefined;
  #began = Date.now();
  #isPast = false;
  #isFast = false;

  /** @param hardware see pathOf() */
  constructor(kind: Kind, hardware: readonly string[]) {
    this.#kernel = kind.kernel;
    this.#path = pathOf(kind, hardware);
    this.#isRestored = this.#path !== undefined && existsSync(this.#path);
  }

  /** QEMU's options for it. @param qmpFd number of the file descriptor that attach() gets as its connection */
  options(qmpFd: number): string[] {
    const qmp = ['-chardev', `socket,id=qmp,fd=${qmpFd}`, '-mon', 'qmp,mode=control'];
    return this.#isRestored ? [...qmp, '-incoming', `exec:cat ${quoted(this.#path!)}`] : qmp;
  }

  /** Goes along with a process, whose input is the guest's console. That it ends meanwhile is for others to see. */
  attach(child: ChildProcess, connection: Duplex): void {
    this.#child = child;
    this.#began = Date.now();
    child.stdin!.on('error', () => {});
    this.#qmp = new Qmp(connection);
    this.#begin(this.#qmp).catch(() => {});
  }

  async #begin(qmp: Qmp): Promise<void> {
    // It takes no other command before this one.
    await qmp.execute('qmp_capabilities');
    if (!this.#isRestored) return;
    while ((await statusOf(qmp, 'query-status')) === 'inmigrate') await sleep(POLL_MS);
    await qmp.execute('cont');
    this.#goOn();
  }

  #goOn(): void {
    this.#isPast = true;
    this.#child!.stdin!.write(this.#isRestored ? 'restored\n' : 'booted\n');
  }

  /** @param console what the guest has said since its start */
  look(console: string): void {
    if (this.#isPast || this.#isRestored || !STOPPED.test(console)) return;
    this.#isPast = true;
    this.#isFast = clockIsFast(console, (Date.now() - this.#began) / 1000);
    if (this.#isFast) {
      this.#child!.kill('SIGKILL');
      return;
    }
    const saved = this.#path === undefined ? Promise.resolve() : save(this.#kernel, this.#qmp!, this.#path);
    saved.then(() => this.#goOn()).catch(() => {});
  }

  /**
   * To be called when the process has ended.
   *
   * @returns whether it is to be started again: the state is to blame, which is gone then, or the guest's clock
   */
  hasFailed(): boolean {
    if (this.#isFast) return true;
    if (!this.#isRestored || this.#isPast) return false;
    rmSync(this.#path!, { force: true });
    return true;
  }
}
