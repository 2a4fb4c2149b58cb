/**
 * What nearly every script runs, again and again. In a guest these files lie in memory over the host's, and in the state that machines
 * go on from (booted.ts): to open a file of the host's takes several requests to QEMU.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const PROGRAMS = [
  'bash awk sed grep cmp timeout nice basename cat cp cut dd env head ln ls md5sum mkdir mkfifo mv od rm seq sleep sort stat sync',
  'tail touch tr true truncate wc mount umount findmnt losetup blockdev fallocate fsfreeze fstrim dmesg dmsetup insmod rmmod modprobe',
  'mkfs.ext4 e2fsck resize2fs filefrag mkfs.xfs xfs_repair xfs_growfs udevadm',
].flatMap((names) => names.split(' '));
/** Links of the root, and what programs and udev read when they start. */
const FILES = [
  '/bin',
  '/sbin',
  '/lib',
  '/lib64',
  '/lib64/ld-linux-x86-64.so.2',
  '/etc/ld.so.cache',
  '/etc/mke2fs.conf',
];
const FOLDERS = ['/usr/lib/udev/rules.d', '/etc/udev'];
const PATH = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Puts a file of this machine's, or a link, where it is below a folder. */
function add(folder: string, path: string): void {
  const name = join(realpathSync(dirname(path)), path.slice(path.lastIndexOf('/') + 1));
  const to = join(folder, name);
  if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) return;
  mkdirSync(dirname(to), { recursive: true });
  if (!lstatSync(name).isSymbolicLink()) return copyFileSync(name, to);
  const target = readlinkSync(name);
  symlinkSync(target, to);
  if (!lstatSync(realpathSync(name)).isDirectory()) add(folder, resolve(dirname(name), target));
}

/** Copies them, and the libraries that they need, as far as this machine has them. */
export function addHotFiles(folder: string): void {
  const programs = PROGRAMS.flatMap(
    (name) => PATH.map((path) => join(path, name)).find((path) => existsSync(path)) ?? [],
  );
  const { stdout } = spawnSync('ldd', programs, { encoding: 'utf8' });
  const libraries = [...stdout.matchAll(/ (\/\S+) \(0x/g)].map(([, path]) => path!);
  for (const path of [...FILES, ...programs, ...new Set(libraries)]) if (existsSync(path)) add(folder, path);
  for (const path of FOLDERS)
    if (existsSync(path)) cpSync(path, join(folder, path), { recursive: true, verbatimSymlinks: true });
}
