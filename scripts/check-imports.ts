/** Checks that imports, and the includes and calls of the kernel module, go one way. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Floors } from './graph.js';
import { wrongImports } from './imports.js';
import { wrongWings } from './wings.js';

/** The core, the package for programs, and the tools, each from the ground up; index.ts is a package's face. */
const FLOORS: Floors = [
  'assembly',
  'assembly/host-only',
  'host',
  'host/system',
  'host/nbd',
  'host/driver',
  'host/cow',
  'host/copy',
  'host/manifest',
  'host/disk',
  'host/targets',
  'host/inspect',
  'host/image',
  'host/backup',
  'host/restore',
  'host/receive',
  'host/config',
  'host/report',
  'host/index.ts',
  'cli/terminal',
  'cli/inspect',
  'cli/backup',
  'cli/restore',
  'cli',
  'cli/bin',
  'manual',
  'page',
];

/** The kernel module's folder, whose own files all use, its wings, and what starts them. */
const MODULE = 'kmod-stub';
const WINGS: Floors = [MODULE, ...['core', 'cow', 'io', 'control', 'main.c'].map((name) => `${MODULE}/${name}`)];

const textsOf = (...patterns: string[]): Map<string, string> => {
  const list = execFileSync('git', ['ls-files', '-z', ...patterns], { encoding: 'utf8' });
  const paths = list.split('\0').filter(Boolean);
  return new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]));
};

const wrong = [
  ...wrongImports(textsOf('*.ts', '*.mts', '*.mjs'), FLOORS),
  ...wrongWings(textsOf(`${MODULE}/*.[ch]`, `:!${MODULE}/probes`, `:!${MODULE}/shim`), MODULE, WINGS),
];
for (const line of wrong) console.error(line);
process.exitCode = wrong.length > 0 ? 1 : 0;
