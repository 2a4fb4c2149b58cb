/**
 * Kernels to test on: Debian's own images, downloaded and unpacked under .cache/kernels (scripts/debian/kernels.mjs). Nothing
 * is installed on this machine.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  type Architecture,
  needHeaders,
  needImage,
  needPrograms,
  newestRelease,
  type Toolchain,
} from '../../scripts/debian/kernels.mjs';
import { workFolder } from '../../scripts/work-folder.mjs';
import { unpackedKernel } from './boot-image.js';
import { NATIVE } from './platform.js';

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
  /** variables that `npm run build:kmod` needs beside the release */
  readonly buildEnv: Readonly<Record<string, string>>;
  /** cannot reach its host's files */
  readonly bare: boolean;
  readonly architecture: Architecture;
  readonly toolchain: Toolchain;
}

export class KernelError extends Error {}

export const projectDir = resolve(import.meta.dirname, '../..');
export const cacheDir = join(projectDir, '.cache');
const kernelsDir = workFolder('.cache/kernels');
/** For machines of this machine's architecture. */
export const nativeToolchain: Toolchain = { busybox: '/bin/busybox', compiler: ['gcc'], project: projectDir };

/** Kernels that the tests run on. */
interface Series {
  readonly name: string;
  /** of Debian */
  readonly suite: string;
  /** its releases; the group is a number that says how new one is */
  readonly releases: RegExp;
  /** npm test runs each scenario on a "main" one and one on each "whole" one; test:all runs all on both, and some on the others */
  readonly share?: 'main' | 'whole';
  /** see Kernel */
  readonly bare?: boolean;
  /** by default this machine's; a kernel of another one is bare, since its machine cannot run the host's programs */
  readonly architecture?: Architecture;
}

const ARM64 = { bare: true, architecture: 'arm64' } as const;

const SERIES: readonly Series[] = [
  { name: '6.1', suite: 'bookworm', releases: /^6\.1\.0-(\d+)-amd64$/, share: 'main' },
  { name: '6.12', suite: 'bookworm', releases: /^6\.12\.(\d+)\+deb12-amd64$/, share: 'main' },
  { name: '5.10', suite: 'bullseye', releases: /^5\.10\.0-(\d+)-amd64$/, share: 'whole' },
  { name: '6.12-deb13', suite: 'trixie', releases: /^6\.12\.(\d+)\+deb13-amd64$/ },
  { name: '7.3', suite: 'trixie', releases: /^7\.3\.(\d+)\+deb13-amd64$/, share: 'whole' },
  { name: '6.1-rt', suite: 'bookworm', releases: /^6\.1\.0-(\d+)-rt-amd64$/ },
  { name: '7.3-rt', suite: 'trixie', releases: /^7\.3\.(\d+)\+deb13-rt-amd64$/ },
  { name: '5.10-cloud', suite: 'bullseye', releases: /^5\.10\.0-(\d+)-cloud-amd64$/, bare: true },
  { name: '6.1-cloud', suite: 'bookworm', releases: /^6\.1\.0-(\d+)-cloud-amd64$/, bare: true },
  { name: '6.12-cloud', suite: 'bookworm', releases: /^6\.12\.(\d+)\+deb12-cloud-amd64$/, bare: true },
  { name: '7.3-cloud', suite: 'trixie', releases: /^7\.3\.(\d+)\+deb13-cloud-amd64$/, bare: true },
  { name: '6.1-arm64', suite: 'bookworm', releases: /^6\.1\.0-(\d+)-arm64$/, ...ARM64 },
  { name: '6.12-arm64', suite: 'trixie', releases: /^6\.12\.(\d+)\+deb13-arm64$/, ...ARM64 },
  { name: '6.12-arm64-16k', suite: 'trixie', releases: /^6\.12\.(\d+)\+deb13-arm64-16k$/, ...ARM64 },
  { name: '7.3-arm64', suite: 'trixie', releases: /^7\.3\.(\d+)\+deb13-arm64$/, ...ARM64 },
];

export const seriesNames: readonly string[] = SERIES.map(({ name }) => name);
const find = (name: string): Series | undefined => SERIES.find((series) => series.name === name);
export const shareOf = (name: string): 'main' | 'whole' | 'some' =>
  find(name)?.share ?? (name === 'debug' ? 'whole' : 'some');
export const isBare = (name: string): boolean => find(name)?.bare ?? false;
export const architectureOf = (name: string): Architecture => find(name)?.architecture ?? NATIVE;

/** The image that is booted, unpacked: an emulated CPU takes seconds for that at each boot, and QEMU 7.2 does not know EFI zboot images. */
function bootImage(release: string, image: string): string {
  const plain = join(kernelsDir, `vmlinux-${release}`);
  if (existsSync(plain)) return plain;
  const kernelItself = unpackedKernel(readFileSync(image));
  if (kernelItself === undefined) return image;
  writeFileSync(`${plain}.${process.pid}`, kernelItself);
  renameSync(`${plain}.${process.pid}`, plain);
  return plain;
}

/** The newest release of a series when it was first asked for. */
async function releaseOf({ name, suite, releases }: Series): Promise<string> {
  const record = join(kernelsDir, `${name}.release`);
  if (existsSync(record)) return readFileSync(record, 'utf8').trim();
  const release = await newestRelease(suite, architectureOf(name), releases);
  mkdirSync(dirname(record), { recursive: true });
  writeFileSync(record, `${release}\n`);
  return release;
}

async function debianKernel(series: Series): Promise<Kernel> {
  const { name, bare = false } = series;
  const architecture = architectureOf(name);
  const release = await releaseOf(series);
  const { tree, image } = await needImage(release);
  await needHeaders(release);
  return {
    name,
    release,
    image: bootImage(release, image),
    root: tree,
    buildEnv: {},
    bare,
    architecture,
    toolchain: architecture === NATIVE ? nativeToolchain : await needPrograms(release, projectDir),
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
    bare: false,
    architecture: NATIVE,
    toolchain: nativeToolchain,
  };
}

/**
 * Returns a kernel, downloading it first if it is not in the cache.
 *
 * @param name "6.1" or another of `seriesNames`, or "debug" for the tree that KDIR names
 * @throws KernelError if there is no such kernel
 */
export async function kernel(name: string): Promise<Kernel> {
  if (name === 'debug') return debugKernel();
  const series = find(name);
  if (!series) throw new KernelError(`Cannot use kernel ${name}: expected ${seriesNames.join(', ')} or debug`);
  return debianKernel(series);
}
