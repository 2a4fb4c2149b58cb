/** The machine that systemd boots from a root filesystem with our packages. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Deadline } from '../runner/clock.js';
import { unpackedKernel } from '../vm/boot-image.js';
import { type Kernel, nativeToolchain } from '../vm/kernels.js';
import { NATIVE } from '../vm/platform.js';
import { runQemu } from '../vm/qemu.js';

/** Seconds of the reference machine for all boots together: an emulated CPU reads the whole root volume again and again. */
const LIMIT_SECONDS = 3600;
const BOOTS = 2;

/** The file of /boot with that beginning. */
const bootFile = (boot: string, prefix: string): string => {
  const name = readdirSync(boot).find((file) => file.startsWith(prefix));
  if (name === undefined) throw new Error(`Cannot boot: no ${prefix}* in ${boot}`);
  return name;
};

/** Text of a file, empty if there is none. */
export const readIfThere = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/**
 * Boots the machine again and again, until its script leaves a status; each time with the initramfs that the last boot left.
 *
 * @param work folder of its disks root.img, data.img, backup.img, and of boot/
 * @param out folder that it sees as /out, with guest.sh
 * @returns that status; empty if there is none
 */
export async function bootAll(work: string, out: string): Promise<string> {
  const boot = join(work, 'boot');
  const image = join(work, 'vmlinux');
  writeFileSync(image, unpackedKernel(readFileSync(join(boot, bootFile(boot, 'vmlinuz-')))) ?? '');
  const release = bootFile(boot, 'vmlinuz-').slice('vmlinuz-'.length);
  const toolchain = nativeToolchain;
  const kernel: Kernel = { name: release, release, image, buildEnv: {}, bare: false, architecture: NATIVE, toolchain };
  const disks = ['root', 'data', 'backup'].map((name) => join(work, `${name}.img`));
  const initrd = join(boot, bootFile(boot, 'initrd.img-'));
  const deadline = new Deadline(LIMIT_SECONDS);
  for (let n = 1; n <= BOOTS && readIfThere(join(out, 'status')) === '' && !deadline.over(); n++) {
    writeFileSync(join(out, 'boot'), `${n}\n`);
    const machine = { kernel, initrd, disks, memoryMib: 2048, cpus: 2, smap: true, outDir: out };
    const hardware = { ...machine, words: ['root=/dev/vda', 'rw'] };
    await runQemu(hardware, join(out, 'console'), () => deadline.over());
    const dump = `dump -p /boot/initrd.img-${release} ${initrd}`;
    execFileSync('debugfs', ['-R', dump, disks[0]!], { stdio: 'ignore' });
  }
  return readIfThere(join(out, 'status')).trim();
}
