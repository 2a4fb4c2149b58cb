/** One QEMU process: what it is started with, and how it is ended. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { accelerator, acceleratorOptions } from './accelerator.js';
import { type Kind, Stop } from './booted.js';
import type { Kernel } from './kernels.js';
import { platformOf } from './platform.js';
import { TICKS_PER_SECOND } from './times.js';

export interface Hardware extends Kind {
  /** paths of /dev/vda, /dev/vdb, … */
  readonly disks: readonly string[];
  /** folder that the guest may write to */
  readonly outDir: string;
  /** further words of the kernel's command line */
  readonly words?: readonly string[];
}

/** EFI firmware for machines of this machine's architecture; Debian package ovmf. */
const FIRMWARE = '/usr/share/OVMF/OVMF_CODE_4M.fd';
/** What its memory begins as: it knows no boot loader. */
export const FIRMWARE_MEMORY = '/usr/share/OVMF/OVMF_VARS_4M.fd';

/** How often a running machine is looked at. */
const POLL_MS = 200;
const QMP_FD = 3;

/**
 * An emulated CPU may stand still for many seconds while the host does something else: that is no lockup, and no timer that
 * does not work. Interrupts by ACPI's tables take half a second to set up, and with a kernel for finding bugs longer than ACPI
 * waits. What the emulator has translated is found again by its address: programs lie at the same ones in each process.
 */
export function commandLine(kernel: Kernel, isEfi: boolean): string {
  const { console, emulatedWords } = platformOf(kernel);
  const words = [`console=${console}`, 'panic=-1', 'loglevel=5', 'log_buf_len=4M', 'mitigations=off'];
  words.push('watchdog_thresh=60', 'rcupdate.rcu_cpu_stall_timeout=150', 'norandmaps');
  if (accelerator(kernel) === 'tcg') words.push(...emulatedWords);
  // What a cloud's kernel knows of interrupts it has from ACPI, and with EFI no kernel has them from elsewhere.
  if (accelerator(kernel) === 'tcg' && !kernel.bare && !isEfi) words.push('acpi=noirq');
  return words.join(' ');
}

/** The image of a kernel that EFI firmware starts: as Debian ships it. */
export const efiImage = ({ root = '', release }: Kernel): string => join(root, 'boot', `vmlinuz-${release}`);

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

/** A machine has so many disks, so that all are alike: those that it has no file for are empty. */
const DISKS = 3;
const emptyDisk = (number: number): string[] => [
  '-drive',
  `driver=null-co,size=0,if=none,id=disk${number}`,
  '-device',
  `virtio-blk-pci,drive=disk${number}`,
];

const flash = (path: string, options: string): string[] => [
  '-drive',
  `if=pflash,format=raw,file=${inOption(path)}${options}`,
];

/** What a kernel sees of its machine before it reaches any file of the host's. */
const frame = ({ kernel, memoryMib, cpus, smap, firmware, words = [] }: Hardware): string[] => [
  ...platformOf(kernel).machine,
  ...acceleratorOptions(kernel, smap),
  ...['-smp', String(cpus), '-m', String(memoryMib), '-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio'],
  ...(firmware ? flash(FIRMWARE, ',readonly=on') : []),
  ...(firmware ? flash(firmware.memory, '') : []),
  ...(firmware?.startsDisk ? [] : ['-append', [commandLine(kernel, firmware !== undefined), ...words].join(' ')]),
  ...['-device', 'virtio-rng-pci'],
];

const files = ({ kernel, initrd, disks, outDir, firmware }: Hardware): string[] => [
  ...(firmware?.startsDisk ? [] : ['-kernel', firmware ? efiImage(kernel) : kernel.image, '-initrd', initrd]),
  ...(kernel.bare ? [] : [...shared('/', 'host', ',readonly=on,multidevs=remap'), ...shared(outDir, 'out', '')]),
  ...disks.flatMap(disk),
  ...(kernel.bare ? [] : Array.from({ length: DISKS - disks.length }, (_, i) => emptyDisk(disks.length + i)).flat()),
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
  const seen = statSync(console, { throwIfNoEntry: false })?.size ?? 0;
  const stop = new Stop(hardware, frame(hardware));
  const options = [...frame(hardware), ...files(hardware), ...stop.options(QMP_FD)];
  const consoleFd = openSync(console, 'a');
  const child = spawn(platformOf(hardware.kernel).qemu, options, { stdio: ['pipe', consoleFd, consoleFd, 'pipe'] });
  closeSync(consoleFd);
  stop.attach(child, child.stdio[QMP_FD] as Duplex);
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  let cpuSeconds = 0;
  const ticker = setInterval(() => {
    cpuSeconds = cpuSecondsOf(child.pid!) ?? cpuSeconds;
    stop.look(readFileSync(console, 'latin1').slice(seen));
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
  const again = stop.isToBeginAgain();
  return shouldEnd() || !again ? cpuSeconds : cpuSeconds + (await runQemu(hardware, console, shouldEnd));
}
