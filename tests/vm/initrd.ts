/** What a machine boots from: its first root file system, and for some a disk that holds its real one. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { barePrograms, bootProgram } from './build.js';
import { addHotFiles } from './hot.js';
import { cacheDir, type Kernel, projectDir } from './kernels.js';
import type { FileSystemType } from './scenarios.js';

/** A machine whose root filesystem is on /dev/vda. */
export interface RootDisk {
  readonly fs: FileSystemType;
  /** the module that its initrd loads where there is something to reload */
  readonly module: string;
}

export const guestDir = join(projectDir, 'tests/vm/guest');
/** What the first program needs before it can reach the rest over 9p, and what nearly every script needs; loaded in this order with what each depends on. */
const BOOT_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay', 'ext4', 'xfs', 'loop'];
/** What is loaded in each machine, not in the state that it may go on from (booted.ts): its disks, and what makes its random numbers its own. */
const LATE_MODULES = ['virtio_blk', 'virtio_rng'];

function bootModules(kernel: Kernel, names: readonly string[]): string[] {
  if (!kernel.root) return [];
  const found = new Set<string>();
  for (const name of names) {
    const lines = execFileSync('modprobe', ['-d', kernel.root, '-S', kernel.release, '--show-depends', name], {
      encoding: 'utf8',
    });
    for (const line of lines.split('\n')) {
      const path = /^insmod (\S+)/.exec(line)?.[1];
      if (path) found.add(path);
    }
  }
  return [...found];
}

/** Copies to a folder's program, executable. */
function addProgram(from: string, to: string): void {
  copyFileSync(from, to);
  chmodSync(to, 0o755);
}

/** Copies modules and those that they need to a tree's folder, in the order in which they are to be loaded. */
function addModules(tree: string, kernel: Kernel, names: readonly string[], late: readonly string[] = []): void {
  const early = bootModules(kernel, names);
  copyModules(join(tree, 'modules'), early);
  copyModules(
    join(tree, 'modules/late'),
    bootModules(kernel, late).filter((path) => !early.includes(path)),
  );
}

function copyModules(folder: string, paths: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  paths.forEach((path, i) => {
    const name = join(folder, `${String(i).padStart(2, '0')}-${basename(path).replace(/\.(xz|zst)$/, '')}`);
    if (path.endsWith('.xz')) writeFileSync(name, execFileSync('xz', ['-dc', path], { maxBuffer: 1 << 26 }));
    else copyFileSync(path, name);
  });
}

/** What boot/ puts into an initramfs of a real host, and the module where modprobe finds it. */
function addReload(tree: string, kernel: Kernel, module: string): void {
  const modules = join(tree, 'lib/modules', kernel.release);
  mkdirSync(modules, { recursive: true });
  copyFileSync(module, join(modules, 'dattobd.ko'));
  writeFileSync(join(modules, 'modules.dep'), 'dattobd.ko:\n');
  addProgram(join(projectDir, 'boot/datto-reload'), join(tree, 'bin/datto-reload'));
  addProgram(bootProgram, join(tree, 'bin/dbdctl'));
}

const initrds = new Map<string, string>();

/** @returns path of the first root file system of such machines, which is written once and goes with this process */
export function initrdOf(kernel: Kernel, root: RootDisk | undefined): string {
  const kind = `${kernel.name}-${root?.fs ?? 'host'}`;
  const known = initrds.get(kind);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(cacheDir, 'vm', 'initrd-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, kind);
  writeInitrd(kernel, root, path);
  initrds.set(kind, path);
  return path;
}

/** Busybox, the modules that reach a machine's files, and guest/init or guest/root/initrd. */
function writeInitrd(kernel: Kernel, root: RootDisk | undefined, to: string): void {
  const tree = mkdtempSync(`${to}.`);
  for (const dir of ['bin', 'modules', 'proc', 'sys', 'dev', 'lower', 'upper', 'root', 'out'])
    mkdirSync(join(tree, dir));
  addProgram(kernel.toolchain.busybox, join(tree, 'bin/busybox'));
  addProgram(join(guestDir, root ? 'root/initrd' : 'init'), join(tree, 'init'));
  if (root) addReload(tree, kernel, root.module);
  else addHotFiles(join(tree, 'hot'));
  addModules(tree, kernel, root ? [...BOOT_MODULES, root.fs] : BOOT_MODULES, LATE_MODULES);
  pack(tree, to);
}

/** What a bare guest needs beside its script: what its filesystems are on, and what its programs want. */
const BARE_MODULES = ['virtio_pci', 'virtio_blk', 'virtio_rng', 'ext4', 'xfs', 'loop'];

/**
 * Writes the first root file system of a machine that cannot reach its host's files (guest/bare/init).
 *
 * @param script what it runs
 * @param job text of its file of variables
 * @param programs folder of the static programs that it has
 * @param module our module for its kernel
 */
export function writeBareInitrd(
  kernel: Kernel,
  to: string,
  { script, job, programs, module }: Readonly<Record<'script' | 'job' | 'programs' | 'module', string>>,
): void {
  const tree = mkdtempSync(`${to}.`);
  for (const dir of ['bin', 'modules', 'proc', 'sys', 'dev', 'run', 'tmp']) mkdirSync(join(tree, dir));
  addProgram(kernel.toolchain.busybox, join(tree, 'bin/busybox'));
  addProgram(join(guestDir, 'bare/init'), join(tree, 'init'));
  addProgram(join(guestDir, 'bare/udevadm'), join(tree, 'bin/udevadm'));
  for (const name of barePrograms) addProgram(join(programs, name), join(tree, 'bin', name));
  addModules(tree, kernel, BARE_MODULES);
  copyFileSync(module, join(tree, 'dattobd.ko'));
  copyFileSync(script, join(tree, 'scenario.sh'));
  writeFileSync(join(tree, 'job'), job);
  pack(tree, to);
}

/** Makes a filesystem on the image of a disk. */
export function makeFileSystem(fs: FileSystemType, image: string): void {
  if (fs === 'ext4') execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', image]);
  else execFileSync('mkfs.xfs', ['-q', image]);
}

/** Writes a first root file system that holds busybox and a script, its first program. */
export function packInitrd(kernel: Kernel, to: string, init: string): void {
  const tree = mkdtempSync(`${to}.`);
  for (const dir of ['bin', 'dev']) mkdirSync(join(tree, dir));
  addProgram(kernel.toolchain.busybox, join(tree, 'bin/busybox'));
  writeFileSync(join(tree, 'init'), init, { mode: 0o755 });
  pack(tree, to);
}

/** Makes an archive of a folder, and removes that. The same files make the same archive. */
function pack(tree: string, to: string): void {
  const script =
    'find . -exec touch -h -d @0 {} + && find . | LC_ALL=C sort | cpio -o -H newc --quiet --reproducible >"$1"';
  execFileSync('sh', ['-c', script, 'sh', to], { cwd: tree });
  rmSync(tree, { recursive: true });
}

/** Makes a filesystem on an image, with a small root: busybox, guest/root/*, and the folders that it mounts things on. */
export function writeRootDisk(fs: FileSystemType, image: string): void {
  // mkfs.xfs knows no spaces in a path.
  const tree = mkdtempSync(join(tmpdir(), 'root-disk-'));
  for (const dir of ['bin', 'sbin', 'proc', 'sys', 'dev', 'lower', 'tools', 'mnt', 'etc/datto/dla'])
    mkdirSync(join(tree, dir), { recursive: true });
  addProgram('/bin/busybox', join(tree, 'bin/busybox'));
  symlinkSync('busybox', join(tree, 'bin/sh'));
  for (const name of ['init', 'modprobe']) addProgram(join(guestDir, 'root', name), join(tree, 'sbin', name));
  if (fs === 'ext4') execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', '-d', tree, image]);
  else {
    writeFileSync(join(tree, 'prototype'), `${prototype(tree)}\n`);
    execFileSync('mkfs.xfs', ['-q', '-p', join(tree, 'prototype'), image]);
  }
  rmSync(tree, { recursive: true });
}

/** The same tree for mkfs.xfs, which reads it from a text. */
function prototype(tree: string): string {
  const file = (path: string): string => `---755 0 0 ${join(tree, path)}`;
  const folder = (...entries: string[]): string => ['d--755 0 0', ...entries, '$'].join('\n');
  const empty = ['proc', 'sys', 'dev', 'lower', 'tools', 'mnt'].map((name) => `${name} ${folder()}`);
  return [
    '/',
    '0 0',
    folder(
      `bin ${folder(`busybox ${file('bin/busybox')}`, 'sh l--777 0 0 busybox')}`,
      `sbin ${folder(`init ${file('sbin/init')}`, `modprobe ${file('sbin/modprobe')}`)}`,
      `etc ${folder(`datto ${folder(`dla ${folder()}`)}`)}`,
      ...empty,
    ),
  ].join('\n');
}
