/** The tools as they are shipped, run with a driver made up by a preloaded library. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildTools } from '../../scripts/build-cli.js';
import { type Outcome, ToolRuns } from './tool-runs.js';

export type { Outcome };

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

export type Tool =
  | 'dbdctl'
  | 'update-img'
  | 'datto-inspect'
  | 'datto-verify'
  | 'datto-backup'
  | 'datto-restore'
  | 'datto-receive';

export const toolPath = (tool: Tool): string => join(folder, 'tools', `${tool}.mjs`);

/** A driver that keeps state, for those who compile it (backup-scene.ts). */
export const statefulDriver = join(folder, 'fake-driver.so');

/** What every tool meets, beside the fakes that a run asks for. */
const common = (preloaded: readonly string[]): Record<string, string | undefined> => ({
  PATH: process.env.PATH,
  LD_PRELOAD: preloaded.join(' '),
  DATTO_SCRIPTS: at('scripts'),
  DATTO_CONFIG: at('etc/backup.d'),
  DATTO_STATE: at('state'),
  DATTO_HOOKS: at('etc/hooks.d'),
});
const preloadedFor = (fakes: Fakes): string[] =>
  fakes.FAKE_MACHINE === undefined ? libraries : [statefulDriver, ...libraries];

/** The environment in which a tool meets the fakes. */
export const environment = (fakes: Fakes): Record<string, string | undefined> => ({
  ...common(preloadedFor(fakes)),
  ...fakes,
});

const runProcess = (tool: Tool, args: readonly string[], fakes: Fakes): Outcome => {
  const { status, stdout, stderr } = spawnSync(toolPath(tool), args, {
    encoding: 'utf8',
    cwd: folder,
    timeout: 20_000,
    env: environment(fakes),
  });
  return { status, stdout, stderr };
};

/** What these do is counted from the start of a process, or ends it. */
const NEED_PROCESS: readonly (keyof Fakes)[] = ['FAKE_FULL', 'FAKE_INTERRUPT', 'FAKE_KILL_AT', 'FAKE_STEPS'];
/** U+FFFD: what the command line of the process has there is looked at. */
const needsProcess = (args: readonly string[], fakes: Fakes): boolean =>
  NEED_PROCESS.some((name) => fakes[name] !== undefined) || args.some((word) => word.includes('\ufffd'));

mkdirSync(join(folder, 'runs'));
const runs = new Map<string, ToolRuns>();
const runsWith = (preloaded: readonly string[]): ToolRuns => {
  const key = preloaded.join(' ');
  const known = runs.get(key) ?? new ToolRuns(join(folder, 'runs', `${runs.size}`), common(preloaded));
  runs.set(key, known);
  return known;
};

/** Tools that have run as a process of their own. */
const started = new Set<Tool>();

/** Runs a tool to its end: the first time, and where that is the point, in a process of its own, else in one for many runs. */
export const runTool = (tool: Tool, args: readonly string[], fakes: Fakes = {}): Outcome => {
  if (!started.has(tool) || needsProcess(args, fakes)) {
    started.add(tool);
    return runProcess(tool, args, fakes);
  }
  return runsWith(preloadedFor(fakes)).run(toolPath(tool), args, folder, fakes);
};

/** The ioctls that a tool issued, one line each: number, strings, words of 8 bytes. */
export const readLog = (path: string): string[] => {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  rmSync(path);
  return lines;
};
