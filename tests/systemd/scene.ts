/** The units and the generator as `make install` puts them into a folder, and a machine's configurations beside them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = fileURLToPath(new URL('../../systemd/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'datto-systemd-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

export const at = (name: string): string => join(folder, name);
export const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

/** What is installed below a folder: paths. */
export const install = (): string[] => {
  execFileSync('make', [
    '-s',
    '-C',
    source,
    'install',
    `DESTDIR=${at('root')}`,
    'UNITDIR=/units',
    'GENERATORDIR=/generators',
  ]);
  return readdirSync(at('root'), { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(at(`root/${name}`)).isFile())
    .sort();
};

/** The text of an installed unit, its programs replaced by one that is here. */
const unitText = (name: string): string =>
  readFileSync(at(`root/units/${name}`), 'utf8').replace(/^(ExecStart\w*)=([+-]*)(?:\S+)/gm, '$1=$2/bin/true');

/** Writes the installed units for systemd to look at. */
export const writeUnits = (change: (text: string) => string = (text) => text): void => {
  mkdirSync(at('units'), { recursive: true });
  for (const name of readdirSync(at('root/units'))) writeFileSync(at(`units/${name}`), change(unitText(name)));
};

/** An empty folder for configurations. */
export const makeConfigs = (files: Readonly<Record<string, string | Buffer>> = {}): void => {
  rmSync(at('etc'), { recursive: true, force: true });
  mkdirSync(at('etc/backup.d'), { recursive: true, mode: 0o755 });
  for (const [name, text] of Object.entries(files)) writeFileSync(at(`etc/backup.d/${name}`), text, { mode: 0o644 });
};

export const CONFIGS = at('etc/backup.d');

/** Runs the generator on the configurations; returns its exit status, and what it complained of. */
export const generate = (fstab = '', mounts = ''): { status: number | null; stderr: string } => {
  rmSync(at('generated'), { recursive: true, force: true });
  mkdirSync(at('generated'));
  writeFileSync(at('fstab'), fstab);
  writeFileSync(at('mounts'), mounts);
  const { status, stderr } = spawnSync(
    '/bin/sh',
    [at('root/generators/datto-backup-generator'), at('generated'), at('early'), at('late')],
    {
      encoding: 'utf8',
      timeout: 20_000,
      env: { PATH: process.env.PATH, DATTO_CONFIG: CONFIGS, DATTO_FSTAB: at('fstab'), DATTO_MOUNTS: at('mounts') },
    },
  );
  return { status, stderr };
};

/** Paths of what was generated. */
export const generated = (): string[] =>
  readdirSync(at('generated'), { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(at(`generated/${name}`)).isFile())
    .sort();

/** Lines of a generated drop-in that say something. */
export const dropIn = (name: string, type: 'service' | 'timer'): string[] =>
  readFileSync(at(`generated/datto-backup@${name}.${type}.d/config.conf`), 'utf8')
    .split('\n')
    .filter((line) => /=/.test(line) && !line.startsWith('#') && !line.startsWith('SourcePath='));

const analyze = (...words: string[]): { status: number | null; stdout: string; stderr: string } => {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', words, {
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      SYSTEMD_UNIT_PATH: `${at('generated')}:${at('units')}:`,
      SYSTEMD_LOG_LEVEL: 'notice',
    },
  });
  return { status, stdout, stderr };
};

/** What systemd finds wrong with units; nothing if that is an empty text. */
export const verify = (...units: string[]): string => {
  const { status, stderr } = analyze('verify', '--man=no', ...units);
  return status === 0 ? stderr : `${status}: ${stderr}`;
};

/** How exposed a unit's process is, from 0 to 10. */
export const exposure = (unit: string): number => {
  const { stdout, stderr } = analyze('security', '--offline=yes', '--no-pager', at(`units/${unit}`));
  const [, level] = /exposure level for \S+: ([\d.]+)/.exec(stdout) ?? [];
  if (level === undefined) throw new Error(`no exposure of ${unit}: ${stderr}`);
  return Number(level);
};
