/** Builds what the guests run: the small C programs, statically, and the module for each kernel. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Kernel, projectDir } from './kernels.js';

const sources = join(projectDir, 'tests/vm/programs');
export const programsDir = join(projectDir, 'build/tests/vm');
/** dbdctl for an initramfs: static, and without Node */
export const bootProgram = join(projectDir, 'build/boot/dbdctl');

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Builds the core and the tools anew if a source of theirs is newer. */
export function buildTools(): void {
  const newest = (folder: string): number =>
    Math.max(
      ...readdirSync(join(projectDir, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => modified(join(projectDir, folder, name))),
    );
  const built = Math.min(
    ...['build/core.wasm', 'build/core.debug.wasm', 'dist/dbdctl.mjs'].map((name) => modified(join(projectDir, name))),
  );
  if (Math.max(...['assembly', 'host', 'cli'].map(newest)) > built) {
    execFileSync('npm', ['run', '-s', 'build'], { cwd: projectDir, stdio: ['ignore', 'ignore', 'inherit'] });
  }
}

/** Compiles what is newer than what was compiled from it: tests/vm/programs/*.c, and what an initramfs runs. */
export function buildPrograms(): void {
  execFileSync('npm', ['run', '-s', 'build:boot'], { cwd: projectDir, stdio: ['ignore', 'ignore', 'inherit'] });
  mkdirSync(programsDir, { recursive: true });
  const headers = Math.max(
    ...readdirSync(sources)
      .filter((n) => n.endsWith('.h'))
      .map((n) => modified(join(sources, n))),
  );
  for (const source of readdirSync(sources).filter((n) => n.endsWith('.c'))) {
    const from = join(sources, source);
    const to = join(programsDir, source.slice(0, -2));
    if (modified(to) > Math.max(modified(from), headers)) continue;
    execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-Werror', '-static', '-pthread', '-o', to, from], {
      stdio: 'inherit',
    });
  }
}

/** Compiles the client of the C library, and the library. */
export function buildClient(): void {
  const lib = join(projectDir, 'build/lib');
  execFileSync('make', ['-s', '-C', join(projectDir, 'host/libdattobd'), `OUT=${lib}`], { stdio: 'inherit' });
  execFileSync(
    'gcc',
    [
      '-std=c99',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-o',
      join(programsDir, 'client'),
      join(projectDir, 'tests/lib/client.c'),
      `-I${join(lib, 'include/dattobd')}`,
      `-L${lib}`,
      `-Wl,-rpath,${lib}`,
      '-ldattobd',
    ],
    { stdio: 'inherit' },
  );
}

/**
 * Builds the module for a kernel.
 *
 * @param debugCore embed the core's debug build
 * @returns path of dattobd.ko
 */
export function buildModule(kernel: Kernel, debugCore: boolean): string {
  const options = debugCore ? ['--debug-core'] : [];
  execFileSync('npm', ['run', '-s', 'build:kmod', '--', kernel.release, ...options], {
    cwd: projectDir,
    env: { ...process.env, ...kernel.buildEnv },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return modulePath(kernel, debugCore);
}

export function modulePath(kernel: Kernel, debugCore: boolean): string {
  return join(projectDir, 'build/kmod', kernel.release, debugCore ? 'debug-core' : '', 'dattobd.ko');
}

/**
 * Builds tests/vm/erasable for a kernel, after the module: it takes over what that found out about the kernel.
 *
 * @returns path of erasable.ko
 */
export function buildErasable(kernel: Kernel): string {
  const module = join(projectDir, 'build/kmod', kernel.release);
  cpSync(join(projectDir, 'tests/vm/erasable'), join(module, 'erasable'), {
    recursive: true,
    preserveTimestamps: true,
  });
  const headers = kernel.buildEnv.KDIR ?? join(module, 'headers');
  execFileSync(
    'make',
    [
      '-s',
      '-C',
      headers,
      `M=${join(module, 'erasable')}`,
      `KCFLAGS=-I${join(module, 'obj')}`,
      'CONFIG_DEBUG_INFO_BTF_MODULES=',
      'modules',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  return erasablePath(kernel);
}

export function erasablePath(kernel: Kernel): string {
  return join(projectDir, 'build/kmod', kernel.release, 'erasable/erasable.ko');
}
