/** The machine that systemd boots from a root filesystem with our packages. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Deadline } from '../runner/clock.js';
import { unpackedKernel } from '../vm/boot-image.js';
import { type Kernel, nativeToolchain } from '../vm/kernels.js';
import { NATIVE } from '../vm/platform.js';
import { runQemu } from '../vm/qemu.js';

/** Seconds of the reference machine for all boots together: an emulated CPU reads the whole root volume again and again. */
const LIMIT_SECONDS = 7200;
const BOOTS = 4;

/** Text of a file, empty if there is none. */
export const readIfThere = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** Copies the kernel and the initramfs of a release from /boot of the root volume. */
function copyBoot(disk: string, release: string, boot: string): void {
  for (const name of [`vmlinuz-${release}`, `initrd.img-${release}`])
    execFileSync('debugfs', ['-R', `dump /boot/${name} ${join(boot, name)}`, disk], { stdio: 'ignore' });
}

/**
 * Boots the machine again and again, until its script leaves a status; each time with the kernel that the script asked for last, and with
 * the initramfs that the last boot left.
 *
 * @param work folder of its disks root.img, data.img, backup.img, and of boot/
 * @param out folder that it sees as /out, with guest.sh; its file `kernel` names the release to boot
 * @returns that status; empty if there is none
 */
export async function bootAll(work: string, out: string): Promise<string> {
  const boot = join(work, 'boot');
  const image = join(work, 'vmlinux');
  const disks = ['root', 'data', 'backup'].map((name) => join(work, `${name}.img`));
  const deadline = new Deadline(LIMIT_SECONDS);
  for (let n = 1; n <= BOOTS && readIfThere(join(out, 'status')) === '' && !deadline.over(); n++) {
    writeFileSync(join(out, 'boot'), `${n}\n`);
    const release = readIfThere(join(out, 'kernel')).trim();
    copyBoot(disks[0]!, release, boot);
    writeFileSync(image, unpackedKernel(readFileSync(join(boot, `vmlinuz-${release}`))) ?? '');
    const toolchain = nativeToolchain;
    const kernel: Kernel = {
      name: release,
      release,
      image,
      buildEnv: {},
      bare: false,
      architecture: NATIVE,
      toolchain,
    };
    const initrd = join(boot, `initrd.img-${release}`);
    const machine = { kernel, initrd, disks, memoryMib: 2048, cpus: 2, smap: true, outDir: out };
    const hardware = { ...machine, words: ['root=/dev/vda', 'rw'] };
    await runQemu(hardware, join(out, 'console'), () => deadline.over());
  }
  return readIfThere(join(out, 'status')).trim();
}
