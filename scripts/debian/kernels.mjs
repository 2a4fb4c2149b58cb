// Debian's kernels: the suite and the architecture of each, the newest of a series, and trees that hold them unpacked, together
// with the programs that build modules for them: .cache/kernels/<suite>, and .cache/kernels/<suite>-arm64.
//
// A module is built with the compiler of its kernel's suite, whatever this machine runs: the tree is the root of a small amd64
// system of that suite, in which the compiler runs by chroot. For another architecture this is a cross compiler.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { workFolder } from '../work-folder.mjs';
import { Archive, Missing, run } from './archive.mjs';

/** The suites, and the compiler that each builds its kernels with. */
const SUITES = {
  bullseye: { compiler: 'gcc-10', libraries: ['libelf1', 'libssl1.1'] },
  bookworm: { compiler: 'gcc-12', libraries: ['libelf1', 'libssl3'] },
  trixie: { compiler: 'gcc-14', libraries: ['libelf1t64', 'libssl3t64'], hasBackports: true },
};

/**
 * The architectures of kernels: what compiles for each on amd64, by packages and the prefix of their programs, and the variables
 * that make needs.
 */
const ARCHITECTURES = {
  amd64: { prefix: '', packages: (compiler) => [compiler], variables: [] },
  arm64: {
    prefix: 'aarch64-linux-gnu-',
    packages: (compiler) => [`${compiler}-aarch64-linux-gnu`, 'binutils-aarch64-linux-gnu', 'libc6-dev-arm64-cross'],
    variables: ['ARCH=arm64', 'CROSS_COMPILE=aarch64-linux-gnu-'],
  },
};
/** A release that names no other architecture is of this one. */
const NATIVE = 'amd64';

/** What a build of a module runs besides. */
const PROGRAMS = [
  'base-files',
  'dash',
  'coreutils',
  'sed',
  'grep',
  'mawk',
  'findutils',
  'diffutils',
  'perl-base',
].concat(['make', 'binutils']);

/** How a release, as `uname -r` prints it, names its suite. */
const RELEASES = [
  [/^5\.10\.0-\d+-/, 'bullseye'],
  [/^6\.1\.0-\d+-/, 'bookworm'],
  [/\+deb12-/, 'bookworm'],
  [/\+deb13-/, 'trixie'],
];

/** Returns the system that builds for the kernels of a suite and an architecture. */
const systemFor = (suite, architecture) => ({
  suite,
  architecture,
  name: architecture === NATIVE ? suite : `${suite}-${architecture}`,
});

/** Returns the tree that holds a system and the kernels that it builds for. */
const treeOf = (system) => workFolder(`.cache/kernels/${system.name}`);

/** The folder of a tree in which a command sees the project, if it is to. */
const PROJECT = '/project';

/**
 * Returns the words before a command that has mounts of its own.
 *
 * @throws Missing if this user may not do that here
 */
export function mountNamespace() {
  const ways = [
    ['unshare', '--mount'],
    ['unshare', '--mount', '--map-root-user'],
  ];
  const way = ways.find(([program, ...options]) => spawnSync(program, [...options, 'true']).status === 0);
  if (!way) throw new Missing('this user may make no mount namespace, expected root, or user namespaces to be allowed');
  return way;
}

/**
 * Returns the words before a command that runs in a tree, with this machine's /proc and /dev.
 *
 * @param project folder that the command sees as /project; none if undefined
 */
export function commandIn(tree, project) {
  const mounts = ['/proc', '/proc', '/dev', '/dev', ...(project === undefined ? [] : [project, PROJECT])];
  const script =
    'tree=$1; shift; while [ "$1" != -- ]; do mkdir -p "$tree$2" && mount --rbind "$1" "$tree$2" || exit; shift 2; done; ' +
    'shift; exec chroot "$tree" "$@"';
  return [...mountNamespace(), 'sh', '-c', script, 'sh', tree, ...mounts, '--'];
}

const archives = new Map();

/** Returns the archive of a system; its lists are as new as this process. */
function archiveOf({ name, suite, architecture }) {
  const architectures = [...new Set([NATIVE, architecture])];
  const { hasBackports } = SUITES[suite];
  if (!archives.has(name)) archives.set(name, Archive.open(name, { suite, hasBackports, architectures }));
  return archives.get(name);
}

/**
 * Returns the highest release of a suite and an architecture that a pattern matches, whose first group is a number to be compared.
 */
export async function newestRelease(suite, architecture, pattern) {
  const system = systemFor(suite, architecture);
  const names = await alone(`${treeOf(system)}.lock`, async () => (await archiveOf(system)).names('linux-image-'));
  const found = names
    .map((name) => pattern.exec(name.slice('linux-image-'.length)))
    .filter((match) => match !== null)
    .sort((a, b) => Number(a[1]) - Number(b[1]));
  if (found.length === 0) throw new Missing(`no kernel of ${suite} in Debian's archive matches ${pattern}`);
  return found.at(-1)[0];
}

/** Makes the tree of a system unless it exists. */
async function prepareTree(system) {
  const tree = treeOf(system);
  if (existsSync(tree)) return;
  const partial = `${tree}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(join(partial, 'tmp'), { recursive: true });
  const { compiler, libraries } = SUITES[system.suite];
  const compilers = ARCHITECTURES[system.architecture].packages(compiler);
  console.error(`downloading ${compilers[0]} of Debian ${system.suite}, to build modules with`);
  await (await archiveOf(system)).unpackWithDependencies([...PROGRAMS, ...compilers, ...libraries], partial);
  symlinkSync('mawk', join(partial, 'usr/bin/awk'));
  for (const name of ['proc', 'dev']) mkdirSync(join(partial, name), { recursive: true });
  renameSync(partial, tree);
}

/** Calls `step` while no other process does, whom this one waits for; the lock goes with this process. */
async function alone(file, step) {
  mkdirSync(dirname(file), { recursive: true });
  const holder = spawn('flock', [file, 'sh', '-c', 'echo locked; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(holder, 'close');
  await once(holder.stdout, 'data');
  try {
    return await step();
  } finally {
    holder.stdin.end();
    await ended;
  }
}

/**
 * Unpacks packages into the tree of a system, once.
 *
 * @param what a name for them together
 * @param find returns the packages' names
 */
async function need(system, what, find) {
  const tree = treeOf(system);
  const record = join(tree, 'unpacked', what);
  const unpack = async () => {
    if (existsSync(record)) return;
    await prepareTree(system);
    const archive = await archiveOf(system);
    const names = await find(archive);
    console.error(`downloading ${names.join(', ')}`);
    await archive.unpack(names, tree);
    mkdirSync(dirname(record), { recursive: true });
    writeFileSync(record, '');
  };
  if (!existsSync(record)) await alone(`${tree}.lock`, unpack);
  return tree;
}

/**
 * Returns the system that builds for a kernel of Debian's.
 *
 * @throws Missing if the release is none of Debian's
 */
function systemOf(release) {
  const suite = RELEASES.find(([pattern]) => pattern.test(release))?.[1];
  const architecture = /-arm64(-16k)?$/.test(release) ? 'arm64' : NATIVE;
  if (suite) return systemFor(suite, architecture);
  throw new Missing(`${release} is no kernel of Debian's that is known here: install its headers, or set KDIR`);
}

/**
 * Unpacks the headers of a kernel of Debian's, unless they are there.
 *
 * @returns { tree, variables }: the tree that they are in, and the variables that make needs there
 */
export async function needHeaders(release) {
  const headers = `linux-headers-${release}`;
  const system = systemOf(release);
  const tree = await need(system, headers, async (archive) => {
    const others = await archive.depends(headers);
    return [headers, ...others.filter((name) => /^linux-(headers|kbuild)-/.test(name))];
  });
  return { tree, variables: ARCHITECTURES[system.architecture].variables };
}

/** Unpacks sparse into the tree of a kernel, unless it is there. */
export function needSparse(release) {
  return need(systemOf(release), 'sparse', async () => ['sparse']);
}

/**
 * Unpacks what programs for a kernel's machine are made with, unless it is there.
 *
 * @param project the project's folder, which the compiler reads and writes
 * @returns { busybox, compiler, project }: the path of a static busybox, the words before the arguments of a C compiler, and the
 *   project's folder as the compiler sees it
 */
export async function needPrograms(release, project) {
  const system = systemOf(release);
  const tree = await need(system, 'busybox', async () => [`busybox-static:${system.architecture}`]);
  const { prefix } = ARCHITECTURES[system.architecture];
  return {
    busybox: join(tree, 'bin/busybox'),
    compiler: [...commandIn(tree, project), `${prefix}${SUITES[system.suite].compiler}`],
    project: PROJECT,
  };
}

/**
 * Unpacks a kernel of Debian's with its modules, unless it is there.
 *
 * @returns { tree, image }: the tree that holds lib/modules/<release>, and the path of the bootable image
 */
export async function needImage(release) {
  const image = `linux-image-${release}`;
  const tree = await need(systemOf(release), image, async (archive) => {
    // From 7.1 on the package that has this name holds nothing itself.
    const others = await archive.depends(image);
    return [image, ...others.filter((name) => /^linux-(base|binary|modules)-/.test(name))];
  });
  const modules = join(tree, 'lib/modules', release);
  if (!existsSync(join(modules, 'modules.dep'))) await run('depmod', ['-b', tree, release]);
  const places = [join(tree, 'boot', `vmlinuz-${release}`), join(modules, 'vmlinuz')];
  return { tree, image: places.find((path) => existsSync(path)) };
}
