/** Checks that imports go one way. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type Floors, wrongImports } from './imports.js';

/** The core, the package for programs, and the tools, each from the ground up; index.ts is a package's face. */
const FLOORS: Floors = [
  'assembly',
  'assembly/host-only',
  'host',
  'host/system',
  'host/driver',
  'host/cow',
  'host/copy',
  'host/manifest',
  'host/inspect',
  'host/image',
  'host/backup',
  'host/index.ts',
  'cli/terminal',
  'cli/inspect',
  'cli',
  'cli/bin',
  'manual',
];

const list = execFileSync('git', ['ls-files', '-z', '*.ts', '*.mts', '*.mjs'], { encoding: 'utf8' });
const paths = list.split('\0').filter(Boolean);
const wrong = wrongImports(new Map(paths.map((path) => [path, readFileSync(path, 'utf8')])), FLOORS);
for (const line of wrong) console.error(line);
process.exitCode = wrong.length > 0 ? 1 : 0;
