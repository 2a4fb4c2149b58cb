// Builds the kernel module: npm run build:kmod [-- <kernel release>] [--debug-core] [--test <folder> [--stub a.c,b.c]]
//
// The release is the running kernel's unless one is named. Headers that are not installed are downloaded from Debian's
// archive, and with them the compiler that they want (debian/kernels.mjs).
//
// The sources stay as they are: the build folder gets copies of them, of wasm3's sources, and core_wasm.c, and is then built by
// a plain `make -C <kernel> M=<folder>`. Result: build/kmod/<release>/dattobd.ko (see work-folder.mjs).
//
//   --debug-core    embed core.debug.wasm, and add the parameters of tests/vm/trap; result:
//                   build/kmod/<release>/debug-core/dattobd.ko
//   --test <folder> a test module: the sources of that folder in place of main.c, or with --stub, beside these
//                   files of the stub only; result: build/kmod/<release>/test-<name of the folder>/dattobd.ko
//   --other <folder> after a build of ours: another module, by the Kbuild of that folder, that may include our probes.h;
//                   result: build/kmod/<release>/<name of the folder>/<name of the folder>.ko
//   --sources <folder>   build nothing: fill that folder with what a plain make builds the module from, for DKMS
//   KDIR=<folder>   a kernel's own build tree, instead of headers
//   CORE_WASM=<file>   instead of build/core.wasm or build/core.debug.wasm
//   C=1             run sparse too, on what is compiled; C=2: on all

import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, release as runningRelease } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Missing } from './debian/archive.mjs';
import { commandIn, needHeaders, needSparse } from './debian/kernels.mjs';
import { fetchWasm3 } from './fetch-wasm3.mjs';
import { whyUnsupported } from './kernel-needs.mjs';
import { workFolder } from './work-folder.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stub = join(root, 'kmod-stub');
/** Its folders of sources, from the ground up. */
const WINGS = ['core', 'cow', 'io', 'control'];

/** Files of wasm3 that are not about other hosts or the operating system that it may run on. */
const WASM3 = /^(m3_(?!api_)\w+|wasm3|wasm3_defs)\.[ch]$/;

/** Returns where a program lies, or null. */
function which(program) {
  for (const folder of (process.env.PATH ?? '').split(':'))
    if (existsSync(join(folder, program))) return join(folder, program);
  return null;
}

/** Writes a file only if that changes it, so that make has nothing to do. */
function update(path, content) {
  if (existsSync(path) && readFileSync(path).equals(content)) return;
  rmSync(path, { force: true });
  writeFileSync(path, content);
}

/**
 * Makes `folder` hold copies of exactly these files, beside what make leaves there.
 *
 * @param files map from name to path
 * @param own pattern of the names that a source may have
 */
function copyAll(folder, files, own = /\.[ch]$/) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder))
    if (own.test(name) && !/\.mod\.c$|^probes\.h$/.test(name) && !files.has(name)) rmSync(join(folder, name));
  for (const [name, path] of files) update(join(folder, name), readFileSync(path));
}

/** Returns a map from name to path of the files of `folder` whose name `wanted` accepts. */
function filesOf(folder, wanted = /\.[ch]$/) {
  const names = readdirSync(folder).filter((name) => wanted.test(name) && statSync(join(folder, name)).isFile());
  return new Map(names.map((name) => [name, join(folder, name)]));
}

/**
 * Finds what to build for, and where.
 *
 * @returns { release, headers, tree, variables }: `headers` is the folder for `make -C`; with `tree`, both it and what is
 *   built lie in that tree, and make runs in it, with these variables
 */
async function findKernel(wanted) {
  const { KDIR } = process.env;
  if (KDIR) {
    const headers = realpathSync(KDIR);
    const file = join(headers, 'include/config/kernel.release');
    if (!existsSync(file)) throw new Missing(`no built kernel in KDIR=${KDIR}: make -C ${KDIR} modules_prepare`);
    return { release: readFileSync(file, 'utf8').trim(), headers };
  }
  const release = wanted ?? runningRelease();
  const installed = join('/lib/modules', release, 'build');
  if (existsSync(join(installed, 'Makefile'))) return { release, headers: realpathSync(installed) };
  const { tree, variables } = await needHeaders(release);
  return { release, headers: join(tree, 'usr/src', `linux-headers-${release}`), tree, variables };
}

/** Throws Missing if the module cannot run on a kernel. */
function checkKernel({ release, headers }) {
  const read = (name) => {
    const path = join(headers, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  };
  const why = whyUnsupported(read('include/config/auto.conf'), read('Module.symvers'));
  if (why !== undefined) throw new Missing(`Linux ${release} ${why}`);
}

/** Throws Missing if a program that a build on this machine runs is not installed. */
function checkPrograms(headers) {
  const variables = join(headers, '.kernelvariables');
  const pinned = existsSync(variables) ? /\bgcc-\d+/.exec(readFileSync(variables, 'utf8'))?.[0] : undefined;
  const needed = [
    ['make', 'make'],
    [pinned ?? 'gcc', pinned ?? 'gcc'],
    ['ld', 'binutils'],
  ];
  if (process.env.C) needed.push(['sparse', 'sparse']);
  const missing = needed.filter(([program]) => !which(program));
  if (missing.length > 0)
    throw new Missing(
      `no ${missing.map(([program]) => program).join(', ')}: ` +
        `apt install ${missing.map(([, name]) => name).join(' ')}`,
    );
}

/** Returns the C source that holds the bytes of a wasm file. */
function embed(wasm) {
  const bytes = [...readFileSync(wasm)];
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16)
    lines.push(
      `\t${bytes
        .slice(at, at + 16)
        .map((byte) => `0x${byte.toString(16).padStart(2, '0')},`)
        .join(' ')}`,
    );
  return (
    `// SPDX-License-Identifier: GPL-2.0-only\n/* Generated from ${basename(wasm)} by scripts/build-kmod.mjs. */\n\n` +
    `#include "core/core_wasm.h"\n\nconst u32 core_wasm_bytes = ${bytes.length};\n` +
    `const u8 core_wasm[] = {\n${lines.join('\n')}\n};\n`
  );
}

/** Returns the sources of the module's own folder and its wings, by their path in it. */
function moduleSources(options) {
  const sources = filesOf(stub, /\.[ch]$|^Kbuild$/);
  for (const wing of WINGS) for (const [name, path] of filesOf(join(stub, wing))) sources.set(join(wing, name), path);
  if (options['debug-core'] && !options.test)
    for (const [name, path] of filesOf(join(root, 'tests/vm/trap'))) sources.set(name, path);
  if (!options.test) return sources;
  const kept = options.stub?.split(',');
  for (const name of [...sources.keys()])
    if (name.endsWith('.c') && (kept ? !kept.includes(name) : name === 'main.c')) sources.delete(name);
  for (const [name, path] of filesOf(resolve(options.test))) sources.set(name, path);
  return sources;
}

/** Fills the folder that make is run on. */
function prepare(folder, options) {
  const core = options['debug-core'] ? 'core_debug_wasm.c' : 'core_wasm.c';
  const wasm = process.env.CORE_WASM ?? join(root, 'build', options['debug-core'] ? 'core.debug.wasm' : 'core.wasm');
  if (!existsSync(wasm)) throw new Missing(`no ${wasm}: npm run build:core`);
  const wasm3 = fetchWasm3();
  const sources = moduleSources(options).set('wasm3.defines', join(root, 'wasm3-binding/wasm3.defines'));
  const inFolder = (name) =>
    new Map([...sources].filter(([path]) => dirname(path) === name).map(([path, from]) => [basename(path), from]));
  copyAll(folder, inFolder('.'), /^(?!(stub|core_(debug_)?wasm)\.c$).*\.[ch]$/);
  for (const wing of WINGS) copyAll(join(folder, wing), inFolder(wing));
  for (const name of ['compat', 'probes', 'shim']) copyAll(join(folder, name), filesOf(join(stub, name)));
  copyAll(join(folder, 'wasm3'), filesOf(wasm3, WASM3));
  update(join(folder, core), Buffer.from(embed(wasm)));
}

/**
 * Runs make on a folder and copies the module that it leaves there; nobody else may build in that folder meanwhile.
 *
 * @param kernel see findKernel
 * @param module path of the module in the folder
 */
function make(kernel, folder, variables, module, result) {
  // The same path, seen from the tree that make runs in.
  const seen = (path) => (kernel.tree ? `/${relative(kernel.tree, path)}` : path);
  // A module's BTF would need pahole and the kernel's vmlinux, and nothing reads ours.
  const all = [`M=${seen(folder)}`, 'CONFIG_DEBUG_INFO_BTF_MODULES=', ...(kernel.variables ?? []), ...variables];
  const command = ['make', `-j${availableParallelism()}`, '--no-print-directory', '-C', seen(kernel.headers)];
  const whole = [...(kernel.tree ? commandIn(kernel.tree) : []), ...command, ...all, 'modules'];
  const script = 'from=$1 to=$2; shift 2; "$@" && cp "$from" "$to.new" && mv "$to.new" "$to"';
  const locked = [join(folder, '.lock'), 'sh', '-c', script, 'sh', module, result, ...whole];
  const { status } = spawnSync('flock', locked, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  console.log(result);
}

function buildOurs(kernel, places, options) {
  const name = options.test ? `test-${basename(options.test)}` : '';
  const result = join(places.results, name, options['debug-core'] ? 'debug-core' : '');
  const folder = join(places.work, name, 'obj');
  prepare(folder, options);
  mkdirSync(result, { recursive: true });
  const { C } = process.env;
  const variables = [...(options['debug-core'] ? ['DATTOBD_DEBUG_CORE=1'] : []), ...(C ? [`C=${C}`] : [])];
  make(kernel, folder, variables, join(folder, 'dattobd.ko'), join(result, 'dattobd.ko'));
}

function buildOther(kernel, places, options) {
  const name = basename(options.other);
  const folder = join(places.work, name);
  copyAll(folder, filesOf(resolve(options.other), /\.[ch]$|^Kbuild$/));
  copyFileSync(join(places.work, 'obj/probes.h'), join(folder, 'probes.h'));
  mkdirSync(join(places.results, name), { recursive: true });
  make(kernel, folder, [], join(folder, `${name}.ko`), join(places.results, name, `${name}.ko`));
}

async function build() {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      'debug-core': { type: 'boolean' },
      test: { type: 'string' },
      stub: { type: 'string' },
      other: { type: 'string' },
      sources: { type: 'string' },
    },
  });
  if (options.sources) return prepare(resolve(options.sources), options);
  const kernel = await findKernel(positionals[0]);
  checkKernel(kernel);
  if (!kernel.tree) checkPrograms(kernel.headers);
  else if (process.env.C) await needSparse(kernel.release);
  const results = join(workFolder('build/kmod'), kernel.release);
  const places = { results, work: kernel.tree ? join(kernel.tree, 'build', kernel.release) : results };
  if (options.other) buildOther(kernel, places, options);
  else buildOurs(kernel, places, options);
}

build().catch((error) => {
  console.error(`Cannot build the module: ${error.message}`);
  process.exit(1);
});
