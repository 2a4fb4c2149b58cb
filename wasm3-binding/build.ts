// Builds wasm3, as the kernel stub builds it, and binding.c into one shared library.
//
// WASM3_SOURCE takes another tree of wasm3, WASM3_CFLAGS adds compiler flags, CC takes another compiler. Nothing is done
// if the library was built from the same inputs.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv, env, exit, pid } from 'node:process';
import { fileURLToPath } from 'node:url';
import { fetchWasm3 } from '../scripts/fetch-wasm3.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** m3_validate exists in newer trees only. */
const UNITS = ['bind', 'code', 'compile', 'core', 'env', 'exec', 'function', 'info', 'module', 'parse', 'validate'];

/** The kernel's way of compiling, as far as user space allows: no vector or floating-point registers, wrapping integers. */
const FLAGS = [
  '-O2',
  '-std=gnu11',
  '-fPIC',
  '-shared',
  '-fvisibility=hidden',
  '-mgeneral-regs-only',
  '-fno-strict-aliasing',
  '-fno-strict-overflow',
  '-fno-common',
  '-foptimize-sibling-calls',
  '-w',
];

function compilerFlags(): string[] {
  const defines = readFileSync(join(here, 'wasm3.defines'), 'utf8').split('\n').filter(Boolean);
  const extra = (env.WASM3_CFLAGS ?? '').split(' ').filter(Boolean);
  return [...FLAGS, ...defines.map((define) => `-D${define}`), ...extra];
}

function digest(parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 16);
}

/**
 * Builds the library if need be.
 *
 * @returns its absolute path
 * @throws Error if the sources cannot be had or do not compile, or if there is no compiler
 */
export function buildLibrary(): string {
  const source = fetchWasm3();
  const compiler = env.CC ?? 'gcc';
  const flags = compilerFlags();
  const headers = readdirSync(source)
    .filter((name) => name.endsWith('.h'))
    .sort();
  const units = UNITS.map((name) => `m3_${name}.c`).filter((name) => existsSync(join(source, name)));
  const files = [...headers, ...units].map((name) => join(source, name)).concat(join(here, 'binding.c'));
  const key = digest([compiler, ...flags, ...files.map((file) => readFileSync(file))]);
  const library = join(here, 'build', `wasm3-${key}.so`);
  if (existsSync(library)) return library;

  mkdirSync(dirname(library), { recursive: true });
  const partial = `${library}.${pid}`;
  const inputs = [join(here, 'binding.c'), ...units.map((name) => join(source, name))];
  try {
    execFileSync(compiler, [...flags, `-I${source}`, '-o', partial, ...inputs], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const reason = missing ? `no ${compiler}, expected one: apt-get install gcc libc6-dev` : `${compiler} failed`;
    throw new Error(`Cannot build wasm3: ${reason}`, { cause: error });
  }
  renameSync(partial, library);
  return library;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(buildLibrary());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    exit(1);
  }
}
