/** The tools as they are shipped, run with a driver made up by a preloaded library. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildTools } from '../../scripts/build-cli.js';

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables of fake-kernel.c and fake-files.c, by name. */
export type Fakes = Readonly<Record<`FAKE_${string}`, string>>;

export const folder = mkdtempSync(join(tmpdir(), 'datto-tools-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const compile = (name: string): string => {
  const library = join(folder, `${name}.so`);
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  execFileSync('gcc', ['-Wall', '-Werror', '-shared', '-fPIC', '-o', library, source, '-ldl']);
  return library;
};
const libraries = ['fake-files', 'fake-kernel'].map(compile);
await buildTools(join(folder, 'tools'));

/** Path of a file in the tests' folder. */
export const at = (name: string): string => join(folder, name);

export type Tool = 'dbdctl' | 'update-img' | 'datto-inspect' | 'datto-verify' | 'datto-backup';

export const toolPath = (tool: Tool): string => join(folder, 'tools', `${tool}.mjs`);

/** A driver that keeps state, for those who compile it (backup-scene.ts). */
export const statefulDriver = join(folder, 'fake-driver.so');

/** The environment in which a tool meets the fakes. */
export const environment = (fakes: Fakes): Record<string, string | undefined> => ({
  PATH: process.env.PATH,
  LD_PRELOAD: [...(fakes.FAKE_MACHINE === undefined ? [] : [statefulDriver]), ...libraries].join(' '),
  DATTO_SCRIPTS: at('scripts'),
  ...fakes,
});

/** Runs a tool to its end. */
export const runTool = (tool: Tool, args: readonly string[], fakes: Fakes = {}): Outcome => {
  const { status, stdout, stderr } = spawnSync(toolPath(tool), args, {
    encoding: 'utf8',
    cwd: folder,
    timeout: 20_000,
    env: environment(fakes),
  });
  return { status, stdout, stderr };
};

/** The ioctls that a tool issued, one line each: number, strings, words of 8 bytes. */
export const readLog = (path: string): string[] => {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  rmSync(path);
  return lines;
};
