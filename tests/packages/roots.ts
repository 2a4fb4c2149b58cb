/**
 * Root filesystems of Debian as an administrator has them, in .cache/packages/<suite>: made by debootstrap, with a kernel, its headers,
 * DKMS, and Debian's own Node, and nothing of ours. The kernel is that of the last point release; /etc/apt/updates.list, which apt does not
 * read by itself, has the security updates too.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mirrors, run } from '../../scripts/debian/archive.mjs';
import { commandIn } from '../../scripts/debian/kernels.mjs';
import { cacheDir } from '../vm/kernels.js';

/** The suites, and what builds the initramfs there: each of the two tools that have hooks of ours is met once. */
const INITRAMFS = { bookworm: 'initramfs-tools', trixie: 'dracut' } as const;
export type Suite = keyof typeof INITRAMFS;
export const suites = Object.keys(INITRAMFS) as Suite[];

const BASE = ['systemd-sysv', 'udev', 'kmod'];
const PACKAGES = [
  'linux-image-amd64',
  'linux-headers-amd64',
  'dkms',
  'openssl',
  'nodejs',
  'e2fsprogs',
  'procps',
  'gcc',
];

/** Returns the folder of a suite's root filesystem, which nobody may change, after making it if it is not there. */
export async function rootOf(suite: Suite): Promise<string> {
  const root = join(cacheDir, 'packages', suite);
  if (existsSync(root)) return root;
  const part = `${root}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  const { main, security } = await mirrors();
  await run('debootstrap', ['--variant=minbase', `--include=${BASE.join(',')}`, suite, part, main]);
  const sources = `deb ${main} ${suite} main\n`;
  writeFileSync(join(part, 'etc/apt/sources.list'), sources);
  writeFileSync(join(part, 'etc/apt/updates.list'), `${sources}deb ${security} ${suite}-security main\n`);
  const inside = async (...command: string[]): Promise<void> => {
    const [program, ...words] = [...commandIn(part), 'env', 'DEBIAN_FRONTEND=noninteractive', ...command];
    await run(program!, words);
  };
  await inside('apt-get', '-qq', 'update');
  await inside('apt-get', '-qq', '-y', '--no-install-recommends', 'install', ...PACKAGES, INITRAMFS[suite]);
  await inside('apt-get', 'clean');
  renameSync(part, root);
  return root;
}
