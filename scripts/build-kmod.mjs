// Builds the kernel module: npm run build:kmod [-- <kernel release>] [--debug-core] [--test <folder> [--stub a.c,b.c]]
//
// The sources stay as they are: the build folder gets links to them, to wasm3's sources, and core_wasm.c, and is then built by
// a plain `make -C <kernel> M=<folder>`. Result: build/kmod/<release>/dattobd.ko (see work-folder.mjs).
//
//   --debug-core    embed core.debug.wasm, which takes little more than to link; result: build/kmod/<release>/debug-core/dattobd.ko
//   --test <folder> a test module: the sources of that folder in place of main.c, or with --stub, beside these
//                   files of the stub only; result: build/kmod/<release>/test-<name of the folder>/dattobd.ko
//   KROOT=<folder>  where lib/modules/ and usr/src/ of unpacked kernel packages lie, instead of /
//   KDIR=<folder>   a kernel's own build tree, instead of installed headers
//   CORE_WASM=<file>   instead of build/core.wasm or build/core.debug.wasm
//   C=1             run sparse too, on what is compiled; C=2: on all

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, release as runningRelease } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fetchWasm3 } from './fetch-wasm3.mjs';
import { workFolder } from './work-folder.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stub = join(root, 'kmod-stub');

/** Something is missing; the message names it and what installs it. */
class Missing extends Error {}

/** Returns where a program lies, or null. */
function which(program) {
  for (const folder of (process.env.PATH ?? '').split(':'))
    if (existsSync(join(folder, program))) return join(folder, program);
  return null;
}

/** Writes a file only if that changes it, so that make has nothing to do. */
function update(path, text) {
  if (!existsSync(path) || lstatSync(path).isSymbolicLink() || readFileSync(path, 'utf8') !== text) {
    rmSync(path, { force: true });
    writeFileSync(path, text);
  }
}

/** Makes `folder` hold links to exactly these files, beside files that are no links; `files` maps names to targets. */
function linkAll(folder, files) {
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (lstatSync(path).isSymbolicLink() && files.get(name) !== readlinkSync(path)) rmSync(path);
  }
  for (const [name, target] of files) if (!existsSync(join(folder, name))) symlinkSync(target, join(folder, name));
}

/** Returns a map from name to path of the files of `folder` whose name `wanted` accepts. */
function filesOf(folder, wanted = /\.[ch]$/) {
  const names = readdirSync(folder).filter((name) => wanted.test(name) && statSync(join(folder, name)).isFile());
  return new Map(names.map((name) => [name, join(folder, name)]));
}

/** Follows a link of an unpacked package: absolute targets lie in the same tree. */
function resolveIn(tree, path) {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return path;
  const target = readlinkSync(path);
  return target.startsWith('/') ? join(tree, target) : resolve(dirname(path), target);
}

/**
 * Returns the folder for `make -C` of a kernel whose packages are unpacked in `tree`.
 *
 * Debian's headers are entered through a Makefile that includes another one by its absolute path. In an unpacked
 * tree that path leads nowhere, so a view is prepared: links to everything, and that Makefile corrected.
 */
function headersView(tree, release, view) {
  const headers = resolveIn(tree, join(tree, 'lib/modules', release, 'build'));
  if (!existsSync(join(headers, 'Makefile')))
    throw new Missing(
      `no headers in ${headers}: dpkg-deb -x linux-headers-${release}_*.deb ${tree} (from apt download)`,
    );
  const links = new Map(readdirSync(headers).map((name) => [name, join(headers, name)]));
  links.delete('Makefile');
  linkAll(view, links);
  const makefile = readFileSync(join(headers, 'Makefile'), 'utf8');
  update(join(view, 'Makefile'), makefile.replaceAll('include /usr/src/', `include ${join(tree, 'usr/src')}/`));
  return view;
}

/** Returns { release, kernel }: what to build for, and the folder for `make -C`. */
function findKernel(wanted, out) {
  const { KDIR, KROOT } = process.env;
  if (KDIR) {
    const kernel = realpathSync(KDIR);
    const file = join(kernel, 'include/config/kernel.release');
    if (!existsSync(file)) throw new Missing(`no built kernel in KDIR=${KDIR}: make -C ${KDIR} modules_prepare`);
    return { release: readFileSync(file, 'utf8').trim(), kernel };
  }
  const release = wanted ?? runningRelease();
  if (KROOT) return { release, kernel: headersView(realpathSync(KROOT), release, join(out, release, 'headers')) };
  const kernel = join('/lib/modules', release, 'build');
  if (!existsSync(join(kernel, 'Makefile')))
    throw new Missing(`no headers of kernel ${release}: apt install linux-headers-${release}`);
  return { release, kernel: realpathSync(kernel) };
}

/** Throws Missing if a program that the build of this kernel runs is not installed. */
function checkPrograms(kernel) {
  const variables = join(kernel, '.kernelvariables');
  const pinned = existsSync(variables) ? /\bgcc-\d+/.exec(readFileSync(variables, 'utf8'))?.[0] : undefined;
  const needed = [
    ['make', 'make'],
    [pinned ?? 'gcc', pinned ?? 'gcc'],
    ['ld', 'binutils'],
    ['flock', 'util-linux'],
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
    `#include "core_wasm.h"\n\nconst u32 core_wasm_bytes = ${bytes.length};\n` +
    `const u8 core_wasm[] = {\n${lines.join('\n')}\n};\n`
  );
}

/** Returns the sources of the module's own folder, by name. */
function moduleSources(options) {
  const sources = filesOf(stub, /\.[ch]$|^Kbuild$/);
  if (!options.test) return sources;
  const kept = options.stub?.split(',');
  for (const name of [...sources.keys()])
    if (name.endsWith('.c') && (kept ? !kept.includes(name) : name === 'main.c')) sources.delete(name);
  for (const [name, path] of filesOf(resolve(options.test))) sources.set(name, path);
  return sources;
}

/** Fills the folder that make is run on. */
function prepare(folder, options) {
  const wasm = process.env.CORE_WASM ?? join(root, 'build', options['debug-core'] ? 'core.debug.wasm' : 'core.wasm');
  if (!existsSync(wasm)) throw new Missing(`no ${wasm}: npm run build:core`);
  const wasm3 = fetchWasm3();
  linkAll(folder, moduleSources(options).set('wasm3.defines', join(root, 'wasm3-binding/wasm3.defines')));
  linkAll(join(folder, 'shim'), filesOf(join(stub, 'shim')));
  linkAll(join(folder, 'probes'), filesOf(join(stub, 'probes')));
  linkAll(join(folder, 'wasm3'), filesOf(wasm3));
  update(join(folder, options['debug-core'] ? 'core_debug_wasm.c' : 'core_wasm.c'), embed(wasm));
}

function build() {
  const { values: options, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'debug-core': { type: 'boolean' }, test: { type: 'string' }, stub: { type: 'string' } },
  });
  const out = workFolder('build/kmod');
  const { release, kernel } = findKernel(positionals[0], out);
  checkPrograms(kernel);

  const place = options.test ? join(out, release, `test-${basename(options.test)}`) : join(out, release);
  const result = options['debug-core'] ? join(place, 'debug-core') : place;
  const folder = join(place, 'obj');
  prepare(folder, options);
  mkdirSync(result, { recursive: true });

  // A module's BTF would need pahole and the kernel's vmlinux, and nothing reads ours.
  const variables = [
    `M=${folder}`,
    'CONFIG_DEBUG_INFO_BTF_MODULES=',
    ...(options['debug-core'] ? ['DATTOBD_DEBUG_CORE=1'] : []),
    ...(process.env.C ? [`C=${process.env.C}`] : []),
  ];
  const make = ['make', `-j${availableParallelism()}`, '--no-print-directory', '-C', kernel, ...variables, 'modules'];
  // Nobody else may build in this folder before the module is copied.
  const script = 'from=$1 to=$2; shift 2; "$@" && cp "$from" "$to.new" && mv "$to.new" "$to"';
  const [built, module] = [join(folder, 'dattobd.ko'), join(result, 'dattobd.ko')];
  const command = [join(folder, '.lock'), 'sh', '-c', script, 'sh', built, module, ...make];
  const { status } = spawnSync('flock', command, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
  console.log(module);
}

try {
  build();
} catch (error) {
  console.error(`Cannot build the module: ${error.message}`);
  process.exit(1);
}
