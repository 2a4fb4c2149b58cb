/**
 * States of booted machines. An emulated CPU takes longer to boot a kernel than most scripts take. Every guest stops once
 * before it reaches its files and its disks: the first one of a kind is saved there, those after it go on from that state.
 * A state holds the kernel's own memory only, nothing of a job. That memory is a sparse file, which each machine maps for itself: a
 * machine takes what it touches of it, and what it writes stays its own.
 */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
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
  /** it has EFI firmware */
  readonly firmware?: Firmware;
}

export interface Firmware {
  /** path of its memory, which has the entries of boot loaders */
  readonly memory: string;
  /** starts what is on the machine's disks, by such an entry, not a kernel of this machine */
  readonly startsDisk: boolean;
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
 * needs none, for a kernel that knows its disks or its job before it stops, with firmware that has a memory, and where each machine is to boot.
 *
 * @param hardware all that makes a difference, but for files that the guest reaches later
 */
function pathOf({ kernel, initrd, memoryMib, cpus, firmware }: Kind, hardware: readonly string[]): string | undefined {
  if (firmware || kernel.bare || kernel.root === undefined || accelerator(kernel) === 'kvm' || bootsAlways())
    return undefined;
  const { mtimeMs, size } = statSync(kernel.image);
  const hash = createHash('sha256')
    .update(JSON.stringify([qemuVersion(kernel), kernel.image, mtimeMs, size, ...hardware]))
    .update(readFileSync(initrd));
  return join(folderOf(kernel), `${cpus}-${memoryMib}-${hash.digest('hex').slice(0, 16)}`);
}

/** In the folder of a state: the memory, and all else. */
const memoryIn = (folder: string): string => join(folder, 'memory');
const stateIn = (folder: string): string => join(folder, 'state');

/** QEMU's options for memory that is a file. @param isShared what the machine writes is in the file */
const memoryOptions = (path: string, mib: number, isShared: boolean): string[] => [
  '-object',
  `memory-backend-file,id=memory,size=${mib}M,mem-path=${path.replaceAll(',', ',,')},share=${isShared ? 'on' : 'off'}`,
  ...['-machine', 'memory-backend=memory'],
];

/** Removes the oldest states of a kernel. */
function forget(kernel: Kernel): void {
  const folder = folderOf(kernel);
  const all = readdirSync(folder).map((name) => join(folder, name));
  const ages = new Map(all.map((path) => [path, statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0]));
  const oldest = all.sort((a, b) => ages.get(a)! - ages.get(b)!);
  for (const path of oldest.slice(0, Math.max(0, all.length - KEPT))) rmSync(path, { recursive: true, force: true });
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
 * Saves the state of a machine that has stopped, and is not to run again, for its memory is the state's.
 *
 * @param part folder that has its memory
 * @param path what that folder becomes
 * @throws Error if QEMU ends meanwhile, or cannot
 */
async function save(kernel: Kernel, qmp: Qmp, part: string, path: string): Promise<void> {
  await qmp.execute('stop');
  await qmp.execute('migrate', { uri: `exec:cat >${quoted(stateIn(part))}` });
  let status: string | undefined;
  while ((status = await statusOf(qmp, 'query-migrate')) !== 'completed' && status !== 'failed') await sleep(POLL_MS);
  if (status === 'failed') throw new Error(`Cannot save a machine in ${part}`);
  // Another machine may have been sooner.
  if (!existsSync(path)) renameSync(part, path);
  forget(kernel);
}

/** One machine's way to its stop, and on. */
export class Stop {
  readonly #kind: Kind;
  readonly #path: string | undefined;
  readonly #part: string;
  readonly #isRestored: boolean;
  #qmp: Qmp | undefined;
  #child: ChildProcess | undefined;
  #began = Date.now();
  #isPast = false;
  #begunAgain = false;

  /** @param hardware see pathOf() */
  constructor(kind: Kind, hardware: readonly string[]) {
    this.#kind = kind;
    this.#path = pathOf(kind, hardware);
    this.#part = `${this.#path}.${process.pid}-${Math.random().toString(36).slice(2)}`;
    this.#isRestored = this.#path !== undefined && existsSync(this.#path);
  }

  /** QEMU's options for it. @param qmpFd number of the file descriptor that attach() gets as its connection */
  options(qmpFd: number): string[] {
    const qmp = ['-chardev', `socket,id=qmp,fd=${qmpFd}`, '-mon', 'qmp,mode=control'];
    if (this.#path === undefined) return qmp;
    const { memoryMib } = this.#kind;
    if (this.#isRestored)
      return [...qmp, '-incoming', 'defer', ...memoryOptions(memoryIn(this.#path), memoryMib, false)];
    mkdirSync(this.#part, { recursive: true });
    return [...qmp, ...memoryOptions(memoryIn(this.#part), memoryMib, true)];
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
    if (this.#path === undefined) return;
    // The memory that is a file is no part of what is saved and loaded.
    await qmp.execute('migrate-set-capabilities', { capabilities: [{ capability: 'x-ignore-shared', state: true }] });
    if (!this.#isRestored) return;
    await qmp.execute('migrate-incoming', { uri: `exec:cat ${quoted(stateIn(this.#path))}` });
    while ((await statusOf(qmp, 'query-status')) === 'inmigrate') await sleep(POLL_MS);
    await qmp.execute('cont');
    this.#goOn();
  }

  #goOn(): void {
    this.#isPast = true;
    this.#child!.stdin!.write(this.#isRestored ? 'restored\n' : 'booted\n');
  }

  async #goOnUnsaved(): Promise<void> {
    await this.#qmp!.execute('cont');
    this.#goOn();
  }

  #beginAgain(): void {
    this.#begunAgain = true;
    this.#child!.kill('SIGKILL');
  }

  /** @param console what the guest has said since its start */
  look(console: string): void {
    if (this.#isPast || this.#isRestored || !STOPPED.test(console)) return;
    this.#isPast = true;
    if (clockIsFast(console, (Date.now() - this.#began) / 1000)) this.#beginAgain();
    else if (this.#path === undefined) this.#goOn();
    else
      save(this.#kind.kernel, this.#qmp!, this.#part, this.#path)
        .then(() => this.#beginAgain())
        .catch(() => this.#goOnUnsaved())
        .catch(() => {});
  }

  /**
   * To be called when the process has ended.
   *
   * @returns whether it is to be started again: the state is to blame, which is gone then, or the guest's clock, or it was saved
   */
  isToBeginAgain(): boolean {
    rmSync(this.#part, { recursive: true, force: true });
    if (this.#begunAgain) return true;
    if (!this.#isRestored || this.#isPast) return false;
    rmSync(this.#path!, { recursive: true, force: true });
    return true;
  }
}
