/** datto-backup into repositories of restic and borg: the driver is made up, the rest is not. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  backup,
  device,
  FAKES,
  FOLDER,
  machine,
  makeMachine,
  VOLUME,
  volume,
  writeVolume,
} from '../cli/backup-scene.js';
import type { Tool } from '../cli/tool.js';
import { at, environment, toolPath } from '../cli/tool.js';

copyFileSync(
  fileURLToPath(new URL('../../build/chunkview', import.meta.url)),
  join(dirname(toolPath('datto-backup')), 'chunkview'),
);

const LIMIT_MS = 300_000;
const PASSWORDS = { RESTIC_PASSWORD: 'secret', BORG_PASSPHRASE: 'secret' };
const ENGINES = {
  restic: (repository: string) => ['restic', '-r', repository, 'init'],
  borg: (repository: string) => ['borg', 'init', '-e', 'repokey', repository],
} as const;

interface Result {
  readonly kind: string;
  readonly copied_bytes: number;
  readonly point: string;
  readonly removed_points: string[];
}

const run = (target: string, options: readonly string[] = ['--keep', 'latest2']) =>
  spawnSync(toolPath('datto-backup'), ['--json', ...options, VOLUME, target], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    env: { ...environment(FAKES), ...PASSWORDS },
  });
const backUp = (target: string): Result => {
  const { status, stdout, stderr } = run(target);
  assert.is(status, 0, stderr);
  return JSON.parse(stdout) as Result;
};

/** The volume as an engine has it, chunk after chunk: without anything of ours. */
const restored: Record<keyof typeof ENGINES, (repository: string, point: string) => Buffer> = {
  restic: (repository, point) => {
    rmSync(at('restored'), { recursive: true, force: true });
    execFileSync(
      'restic',
      [
        '-q',
        '-r',
        repository,
        'restore',
        '--tag',
        `sequence=${point.split('-')[1]}`,
        '--target',
        at('restored'),
        'latest',
      ],
      {
        env: { ...process.env, ...PASSWORDS },
      },
    );
    return chunksBelow(at('restored'));
  },
  borg: (repository, point) => {
    rmSync(at('restored'), { recursive: true, force: true });
    execFileSync('mkdir', [at('restored')]);
    execFileSync('borg', ['extract', `${repository}::datto-${point}`], {
      cwd: at('restored'),
      env: { ...process.env, ...PASSWORDS },
    });
    return chunksBelow(at('restored'));
  },
};
const chunksBelow = (folder: string): Buffer =>
  execFileSync('sh', ['-c', `find "$0" -type f -name '[0-9a-f][0-9a-f]' | LC_ALL=C sort | xargs cat`, folder], {
    maxBuffer: 2 ** 30,
  });

for (const engine of ['restic', 'borg'] as const) {
  test(`${engine}: each run makes a point of what changed, beside a folder, and removes those that are not to be kept`, () => {
    makeMachine(engine);
    const repository = at(`${engine}-repository`);
    const [program = '', ...words] = ENGINES[engine](repository);
    execFileSync(program, words, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...PASSWORDS } });
    const target = `${engine}:${repository}`;
    assert.is(backUp(target).kind, 'whole');
    assert.is(backup().status, 0);
    const removed: number[] = [];
    for (const block of [10, 300, 700]) {
      writeVolume([block]);
      const { kind, point, removed_points, copied_bytes } = backUp(target);
      assert.is(kind, 'incremental');
      assert.ok(copied_bytes < volume().length, `${copied_bytes}`);
      assert.ok(restored[engine](repository, point).equals(volume()));
      removed.push(removed_points.length);
    }
    assert.equal(removed, [0, 1, 1]);
    assert.is(device()?.sequence, 5);
    const { status, stdout } = run(target, []);
    assert.is(status, 22);
    assert.match(stdout, /it is for restore points; hint: --keep latest7 /);
    const tool = (name: Tool, ...words: readonly string[]) =>
      spawnSync(toolPath(name), words, {
        encoding: 'utf8',
        timeout: LIMIT_MS,
        env: { ...environment({}), ...PASSWORDS },
      });
    const listed = tool('datto-restore', 'list', '--json', target);
    const { points } = JSON.parse(listed.stdout) as { points: Array<{ name: string; bytes: number }> };
    assert.equal(
      points.map(({ name, bytes }) => [name.replace(/.*-/, ''), bytes]),
      [
        ['4', volume().length],
        ['5', volume().length],
      ],
    );
    assert.match(tool('datto-restore', 'list', target).stdout, / 4 MiB +-$/m);
    const copied = tool('datto-restore', 'copy', target, 'latest', at(`${engine}-copy`));
    assert.is(copied.status, 0, copied.stderr);
    assert.match(copied.stdout, /read back; all as it was backed up\n$/);
    assert.ok(readFileSync(at(`${engine}-copy`)).equals(volume()));
    const verified = tool('datto-verify', 'points', target);
    assert.equal([verified.status, verified.stdout.match(/, 0 blocks have rotted\n/g)?.length], [0, 2]);
    execFileSync('mkdir', ['-p', at('mounted')]);
    const mounted = tool('datto-restore', 'mount', target, 'latest', at('mounted'));
    assert.is(mounted.status, 22);
    assert.match(mounted.stderr, /^datto-restore: cannot find files in /);
    const limited = run(target, ['--keep', 'days7', '--rate', '5M']);
    assert.is(limited.status, 22);
    assert.match(limited.stdout, /cannot use --rate with [^ ]*: its engine reads the volume itself; hint: /);
    assert.is(backup().status, 0, FOLDER);
  });
}

test('a repository that cannot be opened is an error before a snapshot is taken', () => {
  const before = device();
  const { status, stdout } = run(`restic:${machine('nothing')}`);
  assert.is.not(status, 0);
  assert.match(stdout, /restic/);
  assert.equal(device(), before);
});

test.run();
