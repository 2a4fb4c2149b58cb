/** Builds what the guests run: the small C programs, statically, and the module for each kernel. */
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Toolchain } from '../../scripts/debian/kernels.mjs';
import { workFolder } from '../../scripts/work-folder.mjs';
import { runCommand } from '../runner/command.js';
import { type Kernel, nativeToolchain, projectDir } from './kernels.js';
import { NATIVE } from './platform.js';

const sources = join(projectDir, 'tests/vm/programs');
const library = join(projectDir, 'libdattobd');
export const programsDir = join(projectDir, 'build/tests/vm');
/** Where the programs of a kernel's machines are. */
export const programsOf = ({ name, architecture }: Kernel): string =>
  architecture === NATIVE ? programsDir : join(programsDir, name);
/** What bare machines have of them. */
export const barePrograms: readonly string[] = ['ioctls', 'transitions', 'load'];
/** dbdctl for an initramfs: static, and without Node */
export const bootProgram = join(projectDir, 'build/boot/dbdctl');
/** A build that takes longer hangs. */
const LIMIT_SECONDS = 1200;

const WARNINGS = ['-Wall', '-Wextra', '-Werror'];

/** Runs a program; what it prints is shown only if it fails. @throws Error if it fails */
async function run(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const options = { cwd: projectDir, env: { ...process.env, ...env }, limitSeconds: LIMIT_SECONDS };
  const { status, output, overdue } = await runCommand(command, options);
  if (status === 0) return output;
  throw new Error(`Cannot run ${command.join(' ')}: ${overdue ?? `status ${status}`}\n${output}`);
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Builds the core and the tools. */
export async function buildTools(): Promise<void> {
  await run(['npm', 'run', '-s', 'build']);
}

/** Compiles those of tests/vm/programs, with libdattobd, that are newer than what was compiled from them. */
async function compile(names: readonly string[], to: string, { compiler, project }: Toolchain): Promise<void> {
  mkdirSync(to, { recursive: true });
  const seen = (path: string): string => join(project, relative(projectDir, path));
  const libraryC = join(library, 'libdattobd.c');
  const headers = readdirSync(sources).filter((name) => name.endsWith('.h'));
  const newest = Math.max(...[...headers.map((name) => join(sources, name)), libraryC].map(modified));
  const options = ['-O2', ...WARNINGS, '-static', '-pthread', `-I${seen(library)}`];
  for (const name of names) {
    const from = join(sources, `${name}.c`);
    const program = join(to, name);
    if (modified(program) > Math.max(modified(from), newest)) continue;
    await run([...compiler, ...options, '-o', ...[program, from, libraryC].map(seen)]);
  }
}

/** Compiles what the guests of this machine's architecture run: tests/vm/programs/*.c, and what an initramfs runs. */
export async function buildPrograms(): Promise<void> {
  await run(['npm', 'run', '-s', 'build:boot']);
  const names = readdirSync(sources).filter((name) => name.endsWith('.c'));
  await compile(
    names.map((name) => name.slice(0, -2)),
    programsDir,
    nativeToolchain,
  );
}

/** Compiles what the guests of another architecture run. */
export const buildForeignPrograms = (kernel: Kernel): Promise<void> =>
  compile(barePrograms, programsOf(kernel), kernel.toolchain);

/** Compiles wasm3 for Node: a guest cannot, where the project is read-only. */
export async function buildWasm3(): Promise<void> {
  await run(['npm', 'run', '-s', 'build:wasm3']);
}

/** Compiles the client of the C library, and the library. */
export async function buildClient(): Promise<void> {
  const lib = join(projectDir, 'build/lib');
  await run(['npm', 'run', '-s', 'build:lib']);
  const from = join(projectDir, 'tests/lib/client.c');
  const options = [`-I${join(lib, 'include/dattobd')}`, `-L${lib}`, `-Wl,-rpath,${lib}`, '-ldattobd'];
  await run(['gcc', '-std=c99', ...WARNINGS, '-o', join(programsDir, 'client'), from, ...options]);
}

/**
 * Builds the module for a kernel.
 *
 * @param debugCore embed the core's debug build
 * @returns path of dattobd.ko
 */
export async function buildModule(kernel: Kernel, debugCore: boolean): Promise<string> {
  const options = debugCore ? ['--debug-core'] : [];
  // Debug information would make the module fifteen times as large, for every guest to read.
  const env = { KCFLAGS: '-Werror -g0', ...kernel.buildEnv };
  await run(['npm', 'run', '-s', 'build:kmod', '--', kernel.release, ...options], env);
  return modulePath(kernel, debugCore);
}

export function modulePath(kernel: Kernel, debugCore: boolean): string {
  return join(workFolder('build/kmod'), kernel.release, debugCore ? 'debug-core' : '', 'dattobd.ko');
}

/**
 * Builds tests/vm/erasable for a kernel, after the module: it takes over what that found out about the kernel.
 *
 * @returns path of erasable.ko
 */
export async function buildErasable(kernel: Kernel): Promise<string> {
  const other = join(projectDir, 'tests/vm/erasable');
  await run(['npm', 'run', '-s', 'build:kmod', '--', kernel.release, '--other', other], kernel.buildEnv);
  return erasablePath(kernel);
}

export function erasablePath(kernel: Kernel): string {
  return join(workFolder('build/kmod'), kernel.release, 'erasable/erasable.ko');
}
