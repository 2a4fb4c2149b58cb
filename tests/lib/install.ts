/** The C library, installed with its own Makefile below a folder that is removed afterwards. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PREFIX = '/opt/datto';

const source = fileURLToPath(new URL('../../libdattobd/', import.meta.url));

export const folder = mkdtempSync(join(tmpdir(), 'libdattobd-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const root = join(folder, 'root');

/** Path of a file in the tests' folder. */
export const at = (name: string): string => join(folder, name);

/** Path of an installed file, from PREFIX on. */
export const installed = (name: string): string => join(root, PREFIX, name);

/** Runs a program to its end and gives what it printed; a failure throws, with what it said. */
export const output = (program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string =>
  execFileSync(program, args, { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } });

/** What pkg-config says of the installed library. */
export const pkgConfig = (...args: string[]): string =>
  output('pkg-config', [...args, 'libdattobd'], {
    PKG_CONFIG_PATH: installed('lib/pkgconfig'),
    PKG_CONFIG_SYSROOT_DIR: root,
  }).trim();

/** Compiles and links a program against the installed library, as its user would. */
export const compile = (program: string, options: readonly string[], file: string, flags = ''): string => {
  const path = at(program);
  const words = `${pkgConfig('--cflags')} ${flags} ${pkgConfig('--libs')}`.split(/\s+/).filter((word) => word !== '');
  output('gcc', ['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-o', path, ...options, file, ...words]);
  return path;
};

/** Path of a source of these tests. */
export const sourceOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

output('make', ['-s', '-C', source, `OUT=${at('out')}`, `PREFIX=${PREFIX}`, `DESTDIR=${root}`, 'install']);
