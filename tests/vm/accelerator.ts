/** Whether QEMU can use the machine's own virtualisation: by trying it. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packInitrd } from './initrd.js';
import { cacheDir, type Kernel } from './kernels.js';
import { NATIVE, platformOf } from './platform.js';

export type Accelerator = 'kvm' | 'tcg';

/** A kernel that KVM runs says this within a second or two. */
const PROBE_SECONDS = 10;
const MARK = 'the accelerator works';
const PROBE = `#!/bin/busybox sh
/bin/busybox echo "${MARK}"
/bin/busybox poweroff -f
`;

const KVM_OPTIONS: readonly string[] = ['-accel', 'kvm', '-cpu', 'host'];

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
    packInitrd(kernel, initrd, PROBE);
    const { qemu, machine, console } = platformOf(kernel);
    const { stdout } = spawnSync(
      qemu,
      [...KVM_OPTIONS, ...machine, '-m', '512', '-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio'].concat(
        ['-kernel', kernel.image, '-initrd', initrd],
        ['-append', `console=${console} panic=-1 quiet`],
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
 * The accelerator for virtual machines: VM_ACCEL if it is set, else KVM where it works. Another architecture is always emulated.
 *
 * @param kernel what is booted to find out, once per boot of this machine
 * @throws RangeError if VM_ACCEL is neither kvm nor tcg
 */
export function accelerator(kernel: Kernel): Accelerator {
  if (kernel.architecture !== NATIVE) return 'tcg';
  const asked = process.env.VM_ACCEL;
  if (asked === undefined || asked === '') return found(kernel);
  if (asked === 'kvm' || asked === 'tcg') return asked;
  throw new RangeError(`Cannot use VM_ACCEL=${asked}: expected kvm or tcg`);
}

/** QEMU's options for CPUs. @param smap see Kind in booted.ts */
export function acceleratorOptions(kernel: Kernel, smap: boolean): readonly string[] {
  if (accelerator(kernel) === 'kvm') return KVM_OPTIONS;
  const { cpu, withoutSmap } = platformOf(kernel);
  return ['-accel', 'tcg,thread=multi', '-cpu', smap ? cpu : cpu + withoutSmap];
}
