/** One QEMU process: what it is started with, and how it is ended. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { accelerator, acceleratorOptions } from './accelerator.js';
import type { Kernel } from './kernels.js';
import { platformOf } from './platform.js';
import { TICKS_PER_SECOND } from './times.js';

export interface Hardware {
  readonly kernel: Kernel;
  /** path of the first root file system */
  readonly initrd: string;
  /** paths of /dev/vda, /dev/vdb, … */
  readonly disks: readonly string[];
  readonly memoryMib: number;
  readonly cpus: number;
  /** folder that the guest may write to */
  readonly outDir: string;
}

/** How often a running machine is looked at. */
const POLL_MS = 200;

/**
 * An emulated CPU may stand still for many seconds while the host does something else: that is no lockup, and no timer that
 * does not work. Interrupts by ACPI's tables take half a second to set up, and with a kernel for finding bugs longer than ACPI
 * waits. What the emulator has translated is found again by its address: programs lie at the same ones in each process.
 */
function commandLine(kernel: Kernel): string {
  const { console, emulatedWords } = platformOf(kernel);
  const words = [`console=${console}`, 'panic=-1', 'loglevel=5', 'log_buf_len=4M', 'mitigations=off'];
  words.push('watchdog_thresh=60', 'rcupdate.rcu_cpu_stall_timeout=150', 'norandmaps');
  if (accelerator(kernel) === 'tcg') words.push(...emulatedWords);
  // What a cloud's kernel knows of interrupts it has from ACPI.
  if (accelerator(kernel) === 'tcg' && !kernel.bare) words.push('acpi=noirq');
  return words.join(' ');
}

/** A path in an option of QEMU's. */
const inOption = (path: string): string => path.replaceAll(',', ',,');

const shared = (path: string, tag: string, options: string): string[] => [
  '-fsdev',
  `local,id=${tag},path=${inOption(path)},security_model=none${options}`,
  '-device',
  `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
];

const disk = (path: string, number: number): string[] => [
  '-drive',
  `file=${inOption(path)},if=none,id=disk${number},format=raw,cache=unsafe,discard=unmap`,
  '-device',
  `virtio-blk-pci,drive=disk${number}`,
];

const qemuArguments = ({ kernel, initrd, disks, memoryMib, cpus, outDir }: Hardware): string[] => [
  ...platformOf(kernel).machine,
  ...acceleratorOptions(kernel),
  ...['-smp', String(cpus), '-m', String(memoryMib), '-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio'],
  ...['-kernel', kernel.image, '-initrd', initrd, '-append', commandLine(kernel), '-device', 'virtio-rng-pci'],
  ...(kernel.bare ? [] : [...shared('/', 'host', ',readonly=on,multidevs=remap'), ...shared(outDir, 'out', '')]),
  ...disks.flatMap(disk),
];

/** The time of CPUs that a process has taken so far, its threads' included; undefined if it is gone. */
function cpuSecondsOf(pid: number): number | undefined {
  try {
    // Its name, the second field, may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/s, '').trim().split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}

/**
 * Runs a QEMU process until it ends by itself, or is to be ended.
 *
 * @param console path of the file that its console is appended to
 * @param shouldEnd is asked several times a second
 * @returns the time of this machine's CPUs that it took, in seconds
 * @throws Error if QEMU cannot be started
 */
export async function runQemu(hardware: Hardware, console: string, shouldEnd: () => boolean): Promise<number> {
  const consoleFd = openSync(console, 'a');
  const child = spawn(platformOf(hardware.kernel).qemu, qemuArguments(hardware), {
    stdio: ['ignore', consoleFd, consoleFd],
  });
  closeSync(consoleFd);
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  let cpuSeconds = 0;
  const ticker = setInterval(() => {
    cpuSeconds = cpuSecondsOf(child.pid!) ?? cpuSeconds;
    if (shouldEnd()) kill();
  }, POLL_MS);
  try {
    await new Promise<void>((done, failed) => {
      child.once('exit', () => done());
      child.once('error', failed);
    });
  } finally {
    clearInterval(ticker);
    process.off('exit', kill);
  }
  shouldEnd();
  return cpuSeconds;
}
