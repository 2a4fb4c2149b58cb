/** Whether QEMU can use the machine's own virtualisation: by trying it. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packInitrd } from './initrd.js';
import { cacheDir, type Kernel } from './kernels.js';

export type Accelerator = 'kvm' | 'tcg';

/** A kernel that KVM runs says this within a second or two. */
const PROBE_SECONDS = 10;
const MARK = 'the accelerator works';
const PROBE = `#!/bin/busybox sh
/bin/busybox echo "${MARK}"
/bin/busybox poweroff -f
`;

const QEMU_OPTIONS: Readonly<Record<Accelerator, readonly string[]>> = {
  kvm: ['-accel', 'kvm', '-cpu', 'host'],
  // It moves memory an iteration of `rep movs` at a time: without ERMS and FSRM the kernel moves eight bytes in each.
  tcg: ['-accel', 'tcg,thread=multi', '-cpu', 'max,-erms,-fsrm,-la57'],
};

const isUsable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** Boots the kernel on KVM up to its first program. /dev/kvm may be there, and accept a machine, and yet run none. */
function bootsOnKvm(kernel: Kernel): boolean {
  const work = mkdtempSync(join(cacheDir, 'vm', 'probe-'));
  try {
    const initrd = join(work, 'initrd');
    packInitrd(initrd, PROBE);
    const { stdout } = spawnSync(
      'qemu-system-x86_64',
      [...QEMU_OPTIONS.kvm, '-m', '512', '-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio'].concat(
        ['-kernel', kernel.image, '-initrd', initrd],
        ['-append', 'console=ttyS0 panic=-1 quiet'],
      ),
      { encoding: 'utf8', timeout: PROBE_SECONDS * 1000, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    return stdout.includes(MARK);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What was found stays true until the machine boots again. */
function found(kernel: Kernel): Accelerator {
  if (!isUsable('/dev/kvm')) return 'tcg';
  mkdirSync(join(cacheDir, 'vm'), { recursive: true });
  const record = join(cacheDir, 'vm', 'accelerator');
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const known = isUsable(record) ? readFileSync(record, 'utf8').split(' ') : [];
  if (known[0] === boot) return known[1] === 'kvm' ? 'kvm' : 'tcg';
  const accelerator = bootsOnKvm(kernel) ? 'kvm' : 'tcg';
  writeFileSync(record, `${boot} ${accelerator}`);
  return accelerator;
}

/**
 * The accelerator for virtual machines: VM_ACCEL if it is set, else KVM where it works.
 *
 * @param kernel what is booted to find out, once per boot of this machine
 * @throws RangeError if VM_ACCEL is neither kvm nor tcg
 */
export function accelerator(kernel: Kernel): Accelerator {
  const asked = process.env.VM_ACCEL;
  if (asked === undefined || asked === '') return found(kernel);
  if (asked === 'kvm' || asked === 'tcg') return asked;
  throw new RangeError(`Cannot use VM_ACCEL=${asked}: expected kvm or tcg`);
}

export const acceleratorOptions = (kernel: Kernel): readonly string[] => QEMU_OPTIONS[accelerator(kernel)];
