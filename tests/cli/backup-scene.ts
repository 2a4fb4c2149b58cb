/** A volume, a driver that keeps state, and a folder for images: for runs of datto-backup. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import type { Fakes, Outcome } from './tool.js';
import { at, environment, runTool, statefulDriver, toolPath } from './tool.js';

export const VOLUME = '/dev/fake-origin';
export const NR_BLOCKS = 1024;
export const BLOCK = 4096;
const NUMBER = '259:4077';
const EXT4_MAGIC = 0xef53;

const source = fileURLToPath(new URL('fake-driver.c', import.meta.url));
execFileSync('gcc', ['-Wall', '-Werror', '-shared', '-fPIC', '-o', statefulDriver, source, '-ldl']);

export const machine = (name: string): string => at(`machine/${name}`);
export const FOLDER = at('backups');
export const inFolder = (name: string): string => `${FOLDER}/${name}`;
export const [IMAGE, FRESH, REPLACED] = ['volume.img', 'volume.img.new', 'volume.img.replaced'].map(inFolder) as [
  string,
  string,
  string,
];

export const FAKES: Fakes = {
  FAKE_DRIVER: '1',
  FAKE_MACHINE: at('machine'),
  FAKE_SNAPSHOT: machine('snapshot'),
};
export const CLONES: Fakes = { FAKE_CLONE: '1' };

export const mountAs = (options: string): void => {
  const line = `31 1 ${NUMBER} / ${machine('mount')} ${options} shared:1 - ext4 ${VOLUME} ${options}\n`;
  writeFileSync(machine('mounts'), `22 1 0:20 / /proc rw - proc proc rw\n${line}`);
};

export const volume = (): Buffer => readFileSync(machine('origin'));

/** Writes to the volume: random bytes into so many blocks, or where it is told. */
export const writeVolume = (blocks: readonly number[]): void => {
  const content = volume();
  for (const block of blocks) randomFillSync(content, block * BLOCK, BLOCK);
  writeFileSync(machine('origin'), content);
};

/**
 * A new volume, half of it zeros, and an empty folder.
 *
 * @param filesystem its id, 16 characters at most
 */
export const makeMachine = (filesystem = ''): void => {
  for (const name of ['machine', 'backups']) rmSync(at(name), { recursive: true, force: true });
  for (const path of [at('machine'), machine('mount'), FOLDER]) mkdirSync(path);
  const content = Buffer.alloc(NR_BLOCKS * BLOCK);
  randomFillSync(content, 0, content.length / 2);
  content.writeUInt16LE(EXT4_MAGIC, 1024 + 56);
  content.fill(0, 1024 + 104, 1024 + 120).write(filesystem, 1024 + 104, 'latin1');
  writeFileSync(machine('origin'), content);
  writeFileSync(machine('number'), `${NUMBER}\n`);
  mountAs('rw,relatime');
};

export const backup = (options: readonly string[] = [], fakes: Fakes = {}): Outcome =>
  runTool('datto-backup', [...options, VOLUME, FOLDER], { ...FAKES, ...fakes });

/** What a run prints with --json that made a restore point. */
export interface PointResult {
  readonly kind: string;
  readonly copied_bytes: number;
  readonly point: string;
  readonly removed_points: string[];
}

/** A run into another target than the folder, in a process of its own: other programs take part, and their time. */
export const backUpTo = (target: string, options: readonly string[], limitMs: number): Outcome =>
  spawnSync(toolPath('datto-backup'), ['--json', ...options, VOLUME, target], {
    encoding: 'utf8',
    timeout: limitMs,
    env: environment(FAKES),
  });

/** A run that must succeed. */
export const backUp = (options: readonly string[] = [], fakes: Fakes = {}): Outcome => {
  const outcome = backup(options, fakes);
  assert.is(outcome.status, 0, outcome.stderr);
  return outcome;
};

/** A configured backup by the name `data`. */
export const CONFIG = at('etc/backup.d/data.conf');

/** What is known of its runs. */
export const RECORD = at('state/backup/data.json');

/** Configures the backup of the volume, or of something else, into the folder. */
export const configure = (more = '', volume = VOLUME): void => {
  mkdirSync(at('etc/backup.d'), { recursive: true });
  writeFileSync(CONFIG, `volume = ${volume}\nfolder = ${FOLDER}\n${more}`, { mode: 0o644 });
};

export interface FakeDevice {
  readonly state: number;
  readonly error: number;
  readonly sequence: number;
  readonly series: string;
  readonly cow: string;
}

export const device = (): FakeDevice | undefined => {
  if (!existsSync(machine('device'))) return undefined;
  const [state, error, sequence, series = '', cow = ''] = readFileSync(machine('device'), 'utf8').trim().split(' ');
  return { state: Number(state), error: Number(error), sequence: Number(sequence), series, cow };
};

export const changeDevice = (change: Partial<FakeDevice>): void => {
  const changed = { ...device(), ...change };
  const { state, error, sequence, series, cow } = changed;
  writeFileSync(machine('device'), `${state} ${error} ${sequence} ${series} ${cow}\n`);
};

export const imageState = (): { state: string; series: string; sequence: string; previous?: { kind: string } } =>
  JSON.parse(readFileSync(`${IMAGE}.datto-state`, 'utf8')) as ReturnType<typeof imageState>;

/** COW files, by their paths from the root of the volume. */
export const cowFiles = (): string[] =>
  readdirSync(machine('mount'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => lstatSync(machine(`mount/${name}`)).isFile() && !name.endsWith('/volume.json'),
  );

/** Names and content of everything that a run could change. */
export const everything = (): ReadonlyArray<readonly [string, string]> =>
  [FOLDER, at('machine')].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name}`)
      .filter((path) => lstatSync(path).isFile() && path !== machine('status'))
      .map((path) => [path, readFileSync(path, 'latin1')] as const),
  );

/** The image is the volume; the device notes changes; nothing is left of what the run needed. */
export const assertGood = (where = ''): void => {
  assert.ok(readFileSync(IMAGE).equals(volume()), `${where}: image`);
  const { state = 0, error, series, sequence, cow = '' } = device() ?? {};
  assert.equal([state, error], [2, 0], where);
  const known = imageState();
  assert.equal([known.state, known.series, known.sequence], ['CLEAN', series, `${sequence}`], where);
  assert.equal(cowFiles(), [cow.slice(1)], where);
  assert.equal(
    readdirSync(FOLDER).filter((name) => /\.part(ial)?$/.test(name) || name.startsWith('volume.img.new')),
    [],
    where,
  );
};
