/**
 * One virtual machine: boots a kernel with this machine's root as its own (read-only, under a tmpfs), runs one script as
 * root, and brings back its status, its log and the kernel's log. It ends for sure: by itself, or killed at its deadline.
 *
 * A machine with a root of its own runs the script once per boot, until one leaves a status: "reboot" in the file `next` of
 * its folder asks for another boot after this one's end, "cut" for one after its power goes at once.
 *
 * A machine with EFI firmware begins in a rescue system, which has this machine's root: "disk" asks for a boot from /dev/vda,
 * "replaced" for one from what was /dev/vdc, without /dev/vda, "rescue" for one of the rescue system.
 */

import { spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Deadline } from '../runner/clock.js';
import { doing } from '../runner/processes.js';
import { accelerator } from './accelerator.js';
import { guestDir, initrdOf, makeFileSystem, type RootDisk, writeBareInitrd, writeRootDisk } from './initrd.js';
import { cacheDir, type Kernel, projectDir } from './kernels.js';
import type { Outcome } from './outcome.js';
import { commandLine, efiImage, FIRMWARE_MEMORY, type Hardware, runQemu } from './qemu.js';
import { sumOfTimes } from './times.js';
import { emulatorFault } from './verdict.js';

/** What to run. */
export interface Job {
  readonly kernel: Kernel;
  /** script that the guest runs with bash, readable at the same path there */
  readonly script: string;
  /** names and values for the script's environment */
  readonly env: Readonly<Record<string, string>>;
  /** sizes of the empty disks /dev/vda, /dev/vdb, …, in MiB */
  readonly diskMib: readonly number[];
  readonly memoryMib: number;
  readonly cpus: number;
  /** see Kind in booted.ts; always with a kernel for finding bugs, and where a machine is bare */
  readonly smap?: boolean;
  /** seconds of the reference machine, see Deadline */
  readonly limitSeconds: number;
  /** boot from /dev/vda, not from this machine's root; the script is run again after each reboot or power cut that it asks for */
  readonly root?: RootDisk;
  /** it has EFI firmware; `root` is of what is installed on its disk */
  readonly firmware?: boolean;
  /** where log, dmesg, console and status are left; what is there before is removed */
  readonly outDir: string;
  /** called with each piece that the script prints, while it runs */
  readonly onLog?: (text: string) => void;
}

/** A guest that is late has so many seconds of the reference machine to write down what it is doing. */
const LAST_WORDS_SECONDS = 20;

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** Hands on what was appended to a file since the last call. */
function follower(path: string, onText: (text: string) => void): () => void {
  let seen = 0;
  return () => {
    const text = readIfThere(path);
    if (text.length > seen) onText(text.slice(seen));
    seen = text.length;
  };
}

/** What the guest's scripts know of their job: variables for a shell. */
function jobText(job: Job, boot: number, more: Readonly<Record<string, string>> = {}): string {
  const env = {
    ...job.env,
    KERNEL_RELEASE: job.kernel.release,
    PROJECT: projectDir,
    SCENARIO_SCRIPT: job.script,
    MODULES_ROOT: job.kernel.root ?? '',
    ROOT_FS: job.root?.fs ?? '',
    BOOT: String(boot),
    EMULATED: accelerator(job.kernel) === 'tcg' ? 'yes' : '',
    ...more,
  };
  const lines = Object.entries(env).map(([name, value]) => `${name}=${shellQuote(value)}\n`);
  return lines.join('');
}

/** What a bare guest leaves: an archive on its last disk. */
const OUT_MIB = 64;

/** Prepares the machine of a bare kernel: the first two of its disks have filesystems, the last one takes what it leaves. */
function prepareBare(job: Job, disks: string[], work: string, initrd: string): void {
  makeFileSystem(job.env.FS === 'xfs' ? 'xfs' : 'ext4', disks[0]!);
  makeFileSystem('ext4', disks[1]!);
  const outDisk = `/dev/vd${String.fromCharCode('a'.charCodeAt(0) + disks.length)}`;
  disks.push(makeDisk(join(work, 'out.img'), OUT_MIB));
  const places = { SCENARIO_SCRIPT: '/scenario.sh', DATTOBD_KO: '/dattobd.ko', OUT_DISK: outDisk };
  writeBareInitrd(job.kernel, initrd, {
    script: job.script,
    job: jobText(job, 1, places),
    programs: job.env.PROGRAMS!,
    module: job.env.DATTOBD_KO!,
  });
}

/** Takes what a bare guest left, as far as it came to leave it. */
function takeBare(disk: string, outDir: string): void {
  spawnSync('tar', ['-x', '-f', disk, '-C', outDir], { stdio: 'ignore' });
}

/** A job is begun again so many times at most when the emulator failed its machine. */
const EMULATOR_FAULTS = 2;
/** A kernel that has not come to the script by then, and not to our module either, was failed by the emulator. */
const BOOT_SECONDS = 120;

/**
 * Boots a machine, runs its job and waits for its end; from the beginning again, and saying so, where the emulator is at fault.
 *
 * @returns how it ended; a guest that died or hung is an outcome, not an exception
 * @throws Error if QEMU cannot be started
 */
export async function runMachine(job: Job): Promise<Outcome> {
  for (let faults = 0; ; faults++) {
    const outcome = await runMachineOnce(job);
    const fault = outcome.stuck ? 'the machine did not boot' : emulatorFaultText(outcome);
    if (faults === EMULATOR_FAULTS || fault === undefined) return outcome;
    console.log(`${job.outDir}: ${fault}: it is begun again`);
  }
}

const emulatorFaultText = ({ dmesg, console }: Outcome): string | undefined =>
  emulatorFault(dmesg + console) ? 'QEMU stopped a CPU at a breakpoint that the kernel had taken away' : undefined;

/** Watches one boot: whether the guest comes to its script. */
class BootWatch {
  readonly #deadline = new Deadline(BOOT_SECONDS);
  readonly #times: string;
  readonly #console: string;
  readonly #boot: number;
  #isUp = false;

  /** @param boot number of this boot: so many lines "begin" are in the file of times once it is up */
  constructor(outDir: string, boot: number) {
    this.#times = join(outDir, 'times');
    this.#console = join(outDir, 'console');
    this.#boot = boot;
  }

  /** @returns whether the guest is stuck on its way there, where nothing of ours runs yet */
  isStuck(): boolean {
    const seen = readIfThere(this.#times) + readIfThere(this.#console);
    this.#isUp ||= (seen.match(/^begin\b/gm) ?? []).length >= this.#boot;
    return !this.#isUp && this.#deadline.over() && !readIfThere(this.#console).includes('dattobd');
  }
}

/** What a machine with EFI firmware is in each of its boots. */
interface Efi {
  readonly variables: (mode: string) => Readonly<Record<string, string>>;
  readonly hardware: (mode: string, disks: readonly string[]) => Pick<Hardware, 'initrd' | 'disks' | 'firmware'>;
}

function prepareEfi(job: Job, work: string): Efi {
  const memory = join(work, 'firmware');
  cpSync(FIRMWARE_MEMORY, memory);
  const { kernel } = job;
  const installed = {
    EFI_KERNEL: efiImage(kernel),
    EFI_INITRD: initrdOf(kernel, job.root),
    EFI_WORDS: commandLine(kernel, true),
  };
  return {
    variables: (mode) => ({
      ...installed,
      MODE: mode,
      ...(mode === 'rescue' ? { ROOT_FS: '' } : { ROOT_DEVICE: '/dev/vda2' }),
    }),
    hardware: (mode, disks) => ({
      initrd: initrdOf(kernel, undefined),
      disks: mode === 'replaced' ? [disks[2]!, disks[1]!] : disks,
      firmware: { memory, startsDisk: mode !== 'rescue' },
    }),
  };
}

function makeDisk(path: string, mib: number): string {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, mib * 1048576);
  closeSync(fd);
  return path;
}

/** A deadline, after which the guest is asked for its last words, and then another one. */
class Patience {
  readonly #outDir: string;
  readonly #deadline: Deadline;
  #lastWords: Deadline | undefined;

  constructor(outDir: string, seconds: number) {
    this.#outDir = outDir;
    this.#deadline = new Deadline(seconds);
  }

  /** @returns whether nobody waits any longer */
  over(): boolean {
    if (this.#lastWords !== undefined) return this.#lastWords.over() || existsSync(join(this.#outDir, 'said'));
    if (this.#deadline.over()) {
      writeFileSync(join(this.#outDir, 'late'), '');
      this.#lastWords = new Deadline(LAST_WORDS_SECONDS);
    }
    return false;
  }
}

async function runMachineOnce(job: Job): Promise<Outcome> {
  rmSync(job.outDir, { recursive: true, force: true });
  mkdirSync(job.outDir, { recursive: true });
  const work = mkdtempSync(join(cacheDir, 'vm', 'machine-'));
  const at = (name: string): string => join(job.outDir, name);
  try {
    cpSync(join(guestDir, 'boot.sh'), at('boot.sh'));
    writeFileSync(at('log'), '');
    const disks = job.diskMib.map((mib, i) => makeDisk(join(work, `disk${i}.img`), mib));
    const initrd = job.kernel.bare ? join(work, 'initrd') : initrdOf(job.kernel, job.root);
    if (job.kernel.bare) prepareBare(job, disks, work, initrd);
    if (job.root && !job.firmware) writeRootDisk(job.root.fs, disks[0]!);
    const efi = job.firmware ? prepareEfi(job, work) : undefined;
    const { kernel, memoryMib, cpus, outDir } = job;
    const smap = job.smap === true || kernel.bare || kernel.root === undefined;
    const follow = follower(at('log'), job.onLog ?? (() => {}));
    const next = (): string => readIfThere(at('next')).trim();
    const patience = new Patience(outDir, job.limitSeconds);
    let overdue = false;
    let stuck = false;
    let bootWatch: BootWatch;
    const shouldEnd = (): boolean => {
      follow();
      overdue ||= patience.over();
      stuck ||= bootWatch.isStuck();
      return overdue || stuck || next() === 'cut' || emulatorFault(readIfThere(at('console')));
    };
    const began = Date.now();
    let cpuSeconds = 0;
    for (let boot = 1; boot === 1 || (next() !== '' && !overdue && !stuck); boot++) {
      const mode = next() || 'rescue';
      bootWatch = new BootWatch(outDir, boot);
      rmSync(at('next'), { force: true });
      writeFileSync(at('job'), jobText(job, boot, efi?.variables(mode)));
      const machine = { kernel, initrd, disks, memoryMib, cpus, smap, outDir, ...efi?.hardware(mode, disks) };
      cpuSeconds += await runQemu(machine, at('console'), shouldEnd);
    }
    if (kernel.bare) takeBare(disks.at(-1)!, outDir);
    const status = readIfThere(at('status')).trim();
    const isScript = (command: string): boolean => command === `bash ${job.script}`;
    return {
      ...(status === '' || overdue ? {} : { status: Number(status) }),
      stuck,
      ...(overdue ? { overdue: doing(readIfThere(at('processes')), isScript) } : {}),
      seconds: (Date.now() - began) / 1000,
      cpuSeconds,
      times: sumOfTimes(readIfThere(at('times'))),
      log: readIfThere(at('log')),
      dmesg: readIfThere(at('dmesg')),
      console: readIfThere(at('console')),
    };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
