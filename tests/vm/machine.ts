/**
 * One virtual machine: boots a kernel with this machine's root as its own (read-only, under a tmpfs), runs one script as
 * root, and brings back its status, its log and the kernel's log. It ends for sure: by itself, or killed at its time limit.
 *
 * A machine with a root of its own runs the script once per boot, until one leaves a status: "reboot" in the file `next` of
 * its folder asks for another boot after this one's end, "cut" for one after its power goes at once.
 */
import { spawn } from 'node:child_process';
import {
  accessSync,
  closeSync,
  constants,
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
import { guestDir, type RootDisk, writeInitrd, writeRootDisk } from './initrd.js';
import { cacheDir, type Kernel, projectDir } from './kernels.js';
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
  readonly limitSeconds: number;
  /** boot from /dev/vda, not from this machine's root; the script is run again after each reboot or power cut that it asks for */
  readonly root?: RootDisk;
  /** where log, dmesg, console and status are left; created anew */
  readonly outDir: string;
  /** called with each piece that the script prints, while it runs */
  readonly onLog?: (text: string) => void;
}

/** How it ended. */
export interface Outcome {
  /** exit status of the script; absent if the guest died or was killed */
  readonly status?: number;
  readonly timedOut: boolean;
  readonly seconds: number;
  readonly log: string;
  readonly dmesg: string;
  readonly console: string;
}

/** The guest's log is looked at this often while it runs. */
const POLL_MS = 200;

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * Hardware virtualisation is used only on demand (VM_ACCEL=kvm): emulation gives the same result on every machine. The
 * emulator moves memory an iteration of `rep movs` at a time: without ERMS and FSRM the kernel moves eight bytes in each.
 */
function accelerator(): string[] {
  if (process.env.VM_ACCEL !== 'kvm') return ['-accel', 'tcg,thread=multi', '-cpu', 'max,-erms,-fsrm,-la57'];
  accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  return ['-accel', 'kvm', '-cpu', 'host'];
}

function qemuArguments(job: Job, initrd: string, disks: readonly string[]): string[] {
  const args = [
    ...accelerator(),
    '-smp',
    String(job.cpus),
    '-m',
    String(job.memoryMib),
    '-nographic',
    '-no-reboot',
    '-nodefaults',
    '-serial',
    'stdio',
    '-kernel',
    job.kernel.image,
    '-initrd',
    initrd,
    // An emulated CPU may stand still for many seconds while the host does something else: that is no lockup. And one that runs
    // a kernel for finding bugs is too slow for ACPI's tables of interrupts, which give up after half a minute. What it has
    // translated is found again by its address: programs lie at the same ones in each process. Its TSC is one for all CPUs.
    '-append',
    'console=ttyS0 panic=-1 loglevel=5 log_buf_len=4M mitigations=off watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=150' +
      ' norandmaps tsc=reliable' +
      (job.kernel.name === 'debug' ? ' acpi=noirq' : ''),
    '-fsdev',
    'local,id=host,path=/,security_model=none,readonly=on,multidevs=remap',
    '-device',
    'virtio-9p-pci,fsdev=host,mount_tag=host',
    '-fsdev',
    `local,id=out,path=${job.outDir},security_model=none`,
    '-device',
    'virtio-9p-pci,fsdev=out,mount_tag=out',
    '-device',
    'virtio-rng-pci',
  ];
  for (const [i, path] of disks.entries()) {
    args.push(
      '-drive',
      `file=${path},if=none,id=disk${i},format=raw,cache=unsafe,discard=unmap`,
      '-device',
      `virtio-blk-pci,drive=disk${i}`,
    );
  }
  return args;
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

/** Runs a QEMU process until it ends, `poll` says so, or its time is over; returns true if that was why. */
async function runQemu(
  args: readonly string[],
  console: string,
  limitSeconds: number,
  poll: () => boolean,
): Promise<boolean> {
  const consoleFd = openSync(console, 'a');
  const child = spawn('qemu-system-x86_64', args, { stdio: ['ignore', consoleFd, consoleFd] });
  closeSync(consoleFd);
  let timedOut = false;
  const kill = (): boolean => child.kill('SIGKILL');
  const stop = (): void => process.exit(1);
  process.once('exit', kill);
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const limit = setTimeout(() => {
    timedOut = true;
    kill();
  }, limitSeconds * 1000);
  const ticker = setInterval(() => poll() && kill(), POLL_MS);
  try {
    await new Promise<void>((done, failed) => {
      child.once('exit', () => done());
      child.once('error', failed);
    });
  } finally {
    clearTimeout(limit);
    clearInterval(ticker);
    process.off('exit', kill).off('SIGINT', stop).off('SIGTERM', stop);
  }
  poll();
  return timedOut;
}

/** Writes what the guest's scripts know of their job. */
function writeJob(job: Job, path: string, boot: number, secondsLeft: number): void {
  const env = {
    ...job.env,
    KERNEL_RELEASE: job.kernel.release,
    PROJECT: projectDir,
    SCENARIO_SCRIPT: job.script,
    MODULES_ROOT: job.kernel.root ?? '',
    ROOT_FS: job.root?.fs ?? '',
    BOOT: String(boot),
    LIMIT_SECONDS: String(Math.floor(secondsLeft)),
  };
  writeFileSync(
    path,
    Object.entries(env)
      .map(([k, v]) => `${k}=${shellQuote(v)}\n`)
      .join(''),
  );
}

/** A job is begun again so many times at most when the emulator failed its machine. */
const EMULATOR_FAULTS = 2;

/**
 * Boots a machine, runs its job and waits for its end; from the beginning again, and saying so, where the emulator is at fault.
 *
 * @returns how it ended; a guest that died or hung is an outcome, not an exception
 * @throws Error if QEMU cannot be started
 */
export async function runMachine(job: Job): Promise<Outcome> {
  for (let faults = 0; ; faults++) {
    const outcome = await runMachineOnce(job);
    if (faults === EMULATOR_FAULTS || !emulatorFault(outcome.dmesg + outcome.console)) return outcome;
    console.log(`${job.outDir}: QEMU stopped a CPU at a breakpoint that the kernel had taken away: it is begun again`);
  }
}

async function runMachineOnce(job: Job): Promise<Outcome> {
  rmSync(job.outDir, { recursive: true, force: true });
  mkdirSync(job.outDir, { recursive: true });
  mkdirSync(join(cacheDir, 'vm'), { recursive: true });
  const work = mkdtempSync(join(cacheDir, 'vm', 'machine-'));
  const at = (name: string): string => join(job.outDir, name);
  try {
    cpSync(join(guestDir, 'boot.sh'), at('boot.sh'));
    writeFileSync(at('log'), '');
    const disks = job.diskMib.map((mib, i) => {
      const path = join(work, `disk${i}.img`);
      const fd = openSync(path, 'w');
      ftruncateSync(fd, mib * 1048576);
      closeSync(fd);
      return path;
    });
    const initrd = join(work, 'initrd');
    writeInitrd(job.kernel, job.root, initrd);
    if (job.root) writeRootDisk(job.root.fs, disks[0]!);
    const args = qemuArguments(job, initrd, disks);
    const follow = follower(at('log'), job.onLog ?? (() => {}));
    const next = (): string => readIfThere(at('next')).trim();
    const poll = (): boolean => {
      follow();
      return next() === 'cut' || emulatorFault(readIfThere(at('console')));
    };
    const began = Date.now();
    let timedOut = false;
    for (let boot = 1; boot === 1 || (next() !== '' && !timedOut); boot++) {
      rmSync(at('next'), { force: true });
      const left = job.limitSeconds - (Date.now() - began) / 1000;
      writeJob(job, at('job'), boot, left);
      timedOut = await runQemu(args, at('console'), left, poll);
    }
    const status = readIfThere(at('status')).trim();
    return {
      ...(status === '' ? {} : { status: Number(status) }),
      timedOut,
      seconds: (Date.now() - began) / 1000,
      log: readIfThere(at('log')),
      dmesg: readIfThere(at('dmesg')),
      console: readIfThere(at('console')),
    };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
