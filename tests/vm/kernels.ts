/**
 * Kernels to test on: Debian's own images and headers, downloaded with apt and unpacked side by side into one tree
 * under .cache/kernels/root. Nothing is installed on this machine.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { workFolder } from '../../scripts/work-folder.mjs';

/** A kernel that can be booted and built for. */
export interface Kernel {
  /** what the user calls it: "6.1", "6.12" or "debug" */
  readonly name: string;
  /** as in `uname -r` */
  readonly release: string;
  /** path of the bootable image */
  readonly image: string;
  /** tree that holds lib/modules/<release>; absent where everything needed is built in */
  readonly root?: string;
  /** variables that tell `npm run build:kmod` what to build for */
  readonly buildEnv: Readonly<Record<string, string>>;
}

export class KernelError extends Error {}

export const projectDir = resolve(import.meta.dirname, '../..');
export const cacheDir = join(projectDir, '.cache');
const kernelsDir = workFolder('.cache/kernels');
const kernelsRoot = join(kernelsDir, 'root');

/** The Debian series that the tests run on, and how the newest release of each is found. */
const SERIES: Readonly<Record<string, () => string>> = {
  '6.1': newest61,
  '6.12': newest612,
};

export const seriesNames: readonly string[] = Object.keys(SERIES);

function apt(tool: 'apt-cache' | 'apt-get', args: readonly string[], cwd = kernelsDir): string {
  return execFileSync(tool, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26 });
}

/** The release that the meta package linux-image-amd64 of Debian 12 depends on. */
function newest61(): string {
  const found = /^\s*Depends: linux-image-(6\.1\.\S+)$/m.exec(apt('apt-cache', ['depends', 'linux-image-amd64']));
  if (!found?.[1])
    throw new KernelError(
      'Cannot find the 6.1 kernel: linux-image-amd64 of Debian 12 is not known to apt; run "apt-get update"',
    );
  return found[1];
}

/** The highest 6.12 kernel rebuilt for Debian 12. */
function newest612(): string {
  const names = apt('apt-cache', ['pkgnames', 'linux-image-6.12.']).split('\n');
  const minors = names
    .map((n) => /^linux-image-6\.12\.(\d+)\+deb12-amd64$/.exec(n)?.[1])
    .filter((n) => n !== undefined)
    .map(Number);
  if (minors.length === 0)
    throw new KernelError('Cannot find a 6.12 kernel of bookworm-security; run "apt-get update"');
  return `6.12.${Math.max(...minors)}+deb12-amd64`;
}

/** Names of the packages that make one release bootable and buildable. */
function packagesOf(release: string): string[] {
  const flavourless = release.replace(/-amd64$/, '');
  const headers = `linux-headers-${release}`;
  const kbuild = /^\s*Depends: (linux-kbuild-\S+)$/m.exec(apt('apt-cache', ['depends', headers]))?.[1];
  if (!kbuild) throw new KernelError(`Cannot find the kbuild package that ${headers} depends on; run "apt-get update"`);
  return [`linux-image-${release}`, headers, `linux-headers-${flavourless}-common`, kbuild];
}

function download(release: string): void {
  const packages = packagesOf(release);
  const debs = join(kernelsDir, `debs-${release}`);
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs, { recursive: true });
  console.error(`downloading ${packages.join(', ')}`);
  apt('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', ...packages], debs);
  for (const deb of readdirSync(debs)) {
    // The debug symbols of a kernel are a package of their own, so everything here is needed.
    execFileSync('dpkg-deb', ['-x', join(debs, deb), kernelsRoot]);
  }
  rmSync(debs, { recursive: true, force: true });
}

/** How a kernel is compressed, by its first bytes, and what takes that apart; the end of a stream is not that of the file. */
const COMPRESSIONS: readonly (readonly [magic: Buffer, command: string])[] = [
  [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), 'xz'],
  [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), 'zstd'],
];
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

/** The kernel in a bootable image; undefined if none is found. */
function unpacked(image: Buffer): Buffer | undefined {
  for (const [magic, command] of COMPRESSIONS) {
    for (let at = image.indexOf(magic); at >= 0; at = image.indexOf(magic, at + 1)) {
      const { stdout } = spawnSync(command, ['-dc'], { input: image.subarray(at), maxBuffer: 1 << 28 });
      if (stdout?.subarray(0, ELF.length).equals(ELF)) return stdout;
    }
  }
  return undefined;
}

/** The image that is booted: unpacked here, since an emulated CPU takes seconds for it at each boot. */
function bootImage(release: string): string {
  const image = join(kernelsRoot, 'boot', `vmlinuz-${release}`);
  const plain = join(kernelsDir, `vmlinux-${release}`);
  if (existsSync(plain)) return plain;
  const kernelItself = unpacked(readFileSync(image));
  if (kernelItself === undefined) return image;
  writeFileSync(`${plain}.${process.pid}`, kernelItself);
  renameSync(`${plain}.${process.pid}`, plain);
  return plain;
}

function debianKernel(series: string): Kernel {
  const record = join(kernelsDir, `${series}.release`);
  mkdirSync(kernelsRoot, { recursive: true });
  if (!existsSync(record)) {
    const release = SERIES[series]!();
    download(release);
    execFileSync('depmod', ['-b', kernelsRoot, release]);
    writeFileSync(record, `${release}\n`);
  }
  const release = readFileSync(record, 'utf8').trim();
  return {
    name: series,
    release,
    image: bootImage(release),
    root: kernelsRoot,
    buildEnv: { KROOT: kernelsRoot },
  };
}

/** A kernel that somebody built from source, with all that the test bed needs built in (docs/TESTING.md). */
function debugKernel(): Kernel {
  const tree = process.env.KDIR;
  if (!tree)
    throw new KernelError('Cannot use --kernel debug: KDIR is not set, expected the folder of a built kernel tree');
  const image = join(tree, 'arch/x86/boot/bzImage');
  if (!existsSync(image))
    throw new KernelError(`Cannot use --kernel debug: ${image} does not exist, expected a built kernel`);
  return {
    name: 'debug',
    release: readFileSync(join(tree, 'include/config/kernel.release'), 'utf8').trim(),
    image,
    buildEnv: { KDIR: tree },
  };
}

/**
 * Returns a kernel, downloading it first if it is not in the cache.
 *
 * @param name "6.1", "6.12", or "debug" for the tree that KDIR names
 * @throws KernelError if there is no such kernel
 */
export function kernel(name: string): Kernel {
  if (name === 'debug') return debugKernel();
  if (!(name in SERIES))
    throw new KernelError(`Cannot use kernel ${name}: expected ${seriesNames.join(', ')} or debug`);
  return debianKernel(name);
}
