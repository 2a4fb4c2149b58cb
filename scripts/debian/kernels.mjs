// Debian's kernels: which suite one belongs to, the newest of a series, and a tree per suite that holds them unpacked, under
// .cache/kernels/<suite>, together with the programs that build modules for them.
//
// A module is built with the compiler of its kernel's suite, whatever this machine runs: the tree is the root of a small system
// of that suite, in which the compiler runs by chroot.

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

/** Returns the suite of a kernel of Debian's, or undefined. */
const suiteOf = (release) => RELEASES.find(([pattern]) => pattern.test(release))?.[1];

/** Returns the tree that holds the kernels of a suite. */
const treeOf = (suite) => workFolder(`.cache/kernels/${suite}`);

/**
 * Returns the words before a command that runs in a tree, with this machine's /proc and /dev.
 *
 * @throws Missing if this user may not do that here
 */
export function commandIn(tree) {
  const ways = [
    ['unshare', '--mount'],
    ['unshare', '--mount', '--map-root-user'],
  ];
  const way = ways.find(([program, ...options]) => spawnSync(program, [...options, 'true']).status === 0);
  if (!way) throw new Missing('this user may make no mount namespace, expected root, or user namespaces to be allowed');
  const script = 'for name in proc dev; do mount --rbind /$name "$1/$name" || exit; done; exec chroot "$@"';
  return [...way, 'sh', '-c', script, 'sh', tree];
}

const archives = new Map();

/** Returns the archive of a suite; its lists are as new as this process. */
function archiveOf(suite) {
  if (!archives.has(suite)) archives.set(suite, Archive.open(suite, SUITES[suite].hasBackports));
  return archives.get(suite);
}

/**
 * Returns the highest release of a suite that a pattern matches, whose first group is a number to be compared.
 */
export async function newestRelease(suite, pattern) {
  const names = await alone(`${treeOf(suite)}.lock`, async () => (await archiveOf(suite)).names('linux-image-'));
  const found = names
    .map((name) => pattern.exec(name.slice('linux-image-'.length)))
    .filter((match) => match !== null)
    .sort((a, b) => Number(a[1]) - Number(b[1]));
  if (found.length === 0) throw new Missing(`no kernel of ${suite} in Debian's archive matches ${pattern}`);
  return found.at(-1)[0];
}

/** Makes the tree of a suite unless it is there. */
async function prepareTree(suite) {
  const tree = treeOf(suite);
  if (existsSync(tree)) return;
  const partial = `${tree}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(join(partial, 'tmp'), { recursive: true });
  const { compiler, libraries } = SUITES[suite];
  console.error(`downloading ${compiler} of Debian ${suite}, to build modules with`);
  await (await archiveOf(suite)).unpackWithDependencies([...PROGRAMS, compiler, ...libraries], partial);
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
 * Unpacks packages into the tree of a suite, once.
 *
 * @param what a name for them together
 * @param find returns the packages' names
 */
async function need(suite, what, find) {
  const tree = treeOf(suite);
  const record = join(tree, 'unpacked', what);
  const unpack = async () => {
    if (existsSync(record)) return;
    await prepareTree(suite);
    const archive = await archiveOf(suite);
    const names = await find(archive);
    console.error(`downloading ${names.join(', ')}`);
    await archive.unpack(names, tree);
    mkdirSync(dirname(record), { recursive: true });
    writeFileSync(record, '');
  };
  if (!existsSync(record)) await alone(`${tree}.lock`, unpack);
  return tree;
}

function suiteOrThrow(release) {
  const suite = suiteOf(release);
  if (suite) return suite;
  throw new Missing(`${release} is no kernel of Debian's that is known here: install its headers, or set KDIR`);
}

/**
 * Unpacks the headers of a kernel of Debian's, unless they are there.
 *
 * @returns the tree that they are in
 */
export function needHeaders(release) {
  const headers = `linux-headers-${release}`;
  return need(suiteOrThrow(release), headers, async (archive) => {
    const others = await archive.depends(headers);
    return [headers, ...others.filter((name) => /^linux-(headers|kbuild)-/.test(name))];
  });
}

/** Unpacks sparse into the tree of a kernel's suite, unless it is there. */
export function needSparse(release) {
  return need(suiteOrThrow(release), 'sparse', async () => ['sparse']);
}

/**
 * Unpacks a kernel of Debian's with its modules, unless it is there.
 *
 * @returns { tree, image }: the tree that holds lib/modules/<release>, and the path of the bootable image
 */
export async function needImage(release) {
  const image = `linux-image-${release}`;
  const tree = await need(suiteOrThrow(release), image, async (archive) => {
    // From 7.1 on the package that has this name holds nothing itself.
    const others = await archive.depends(image);
    return [image, ...others.filter((name) => /^linux-(base|binary|modules)-/.test(name))];
  });
  const modules = join(tree, 'lib/modules', release);
  if (!existsSync(join(modules, 'modules.dep'))) await run('depmod', ['-b', tree, release]);
  const places = [join(tree, 'boot', `vmlinuz-${release}`), join(modules, 'vmlinuz')];
  return { tree, image: places.find((path) => existsSync(path)) };
}
