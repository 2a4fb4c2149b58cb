/** What differs between machines of different architectures: the emulator, and how it is started. */
import { spawnSync } from 'node:child_process';
import type { Architecture } from '../../scripts/debian/kernels.mjs';

export interface Platform {
  readonly qemu: string;
  /** Debian package of that program */
  readonly package: string;
  /** QEMU's options for the machine itself */
  readonly machine: readonly string[];
  /** QEMU's CPU where it is emulated */
  readonly cpu: string;
  /** added to that where nothing asks for SMAP (Kind in booted.ts) */
  readonly withoutSmap: string;
  /** the kernel's name of the first serial port */
  readonly console: string;
  /** words of the kernel's command line where the CPU is emulated */
  readonly emulatedWords: readonly string[];
}

const PLATFORMS: Readonly<Record<Architecture, Platform>> = {
  amd64: {
    qemu: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    machine: [],
    // QEMU moves memory one iteration of `rep movs` at a time: without ERMS and FSRM the kernel moves eight bytes in each.
    cpu: 'max,-erms,-fsrm,-la57',
    // QEMU leaves its translated code at both instructions around each access of the kernel's to a program's memory.
    withoutSmap: ',-smap',
    console: 'ttyS0',
    // One TSC for all CPUs.
    emulatedWords: ['tsc=reliable', 'no_timer_check'],
  },
  arm64: {
    qemu: 'qemu-system-aarch64',
    package: 'qemu-system-arm',
    machine: ['-machine', 'virt'],
    // It knows pages of 16 KiB, and does not sign return addresses, which QEMU is slow at.
    cpu: 'neoverse-n1',
    withoutSmap: '',
    console: 'ttyAMA0',
    emulatedWords: [],
  },
};

/** The architecture of this machine: programs for others are cross-compiled, and their CPUs emulated. */
export const NATIVE: Architecture = 'amd64';

export const platformOf = ({ architecture }: { readonly architecture: Architecture }): Platform =>
  PLATFORMS[architecture];

/** @throws Error that says what to install, if there is nothing here that can run machines of an architecture */
export function checkEmulator(architecture: Architecture): void {
  const { qemu, package: name } = PLATFORMS[architecture];
  if (spawnSync(qemu, ['--version']).error) throw new Error(`Cannot run ${qemu}: apt install ${name}`);
}
