/** The commands of docs/RESTORE.md, as they stand there, on other paths and devices. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildTools } from '../../../scripts/build-cli.js';
import { backUp } from './points.js';
import { change, leftovers, makeVolume, scratch, sh, whyNoMounts, withLoop } from './scene.js';

const why = whyNoMounts();
if (why !== undefined) console.log(`skipped: the recipes of docs/RESTORE.md (${why})`);

const text = readFileSync(fileURLToPath(new URL('../../../docs/RESTORE.md', import.meta.url)), 'utf8');
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [
      section.split('\n')[0] ?? '',
      [...section.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, code = '']) => code),
    ]),
);

const NAMES = ['/backup', '/data', '/mnt', '/media', '/restored', '/root', '/home'];

/** Runs blocks of a section as one script: each path is one below `root`, each device a loop device of it. */
const run = (title: string, root: string, devices: Readonly<Record<string, string>>, blocks = [0]): string => {
  const code = blocks.map((index) => sections.get(title)?.[index] ?? assert.unreachable(title)).join('');
  // Not the path in the volume.
  const moved = code.replace(/(?<!file \S+ \S+ )(?<= |^)(\/\w+)/gm, (path: string) =>
    NAMES.includes(path) ? `${root}${path}` : path,
  );
  const script = Object.entries(devices).reduce((all, [name, device]) => all.replaceAll(name, device), moved);
  const functions = `datto-restore() { "${join(scratch, 'tools/datto-restore.mjs')}" "$@"; }; dbdctl() { :; }`;
  return execFileSync('bash', ['-e', '-c', `${functions}\n${script}`], { encoding: 'utf8', cwd: root });
};

if (why === undefined) {
  const root = join(scratch, 'recipes');
  for (const name of NAMES) mkdirSync(join(root, name), { recursive: true });
  await buildTools(join(scratch, 'tools'));
  const volume = makeVolume('volume', 'ext4');
  const folder = join(root, 'backup/data');
  change(volume, 'mkdir -p etc home/alice; echo one | tee etc/fstab home/alice/letter');
  backUp(folder, volume, 1);
  sh('cp --sparse=always "$1" "$1.1"', volume);
  change(volume, 'echo two | tee etc/fstab home/alice/letter');
  backUp(folder, volume, 2, `${volume}.1`);
  const content = (path: string): string => readFileSync(join(root, path), 'utf8');
  const device = join(scratch, 'device');
  test('what there is', () => {
    const [, shown = ''] = sections.get('What there is') ?? [];
    const withoutSizes = (table: string): string => table.replace(/\d+ KiB|stored/g, '').replace(/ +/g, ' ');
    assert.is(withoutSizes(run('What there is', root, {})), withoutSizes(shown));
  });

  test('one file', () => {
    run('One file', root, {});
    assert.is(content('root/fstab.restored'), 'two\n');
    assert.is(content('home/alice.restored/letter'), 'one\n');
  });

  test('look around', () => {
    assert.match(run('Look around', root, {}), /is mounted on .*\n[\s\S]*alice\n$/);
    assert.is(leftovers(), '');
  });

  test('a whole volume, onto a device and into a file', () => {
    sh('truncate -s 64M "$1"; mkfs.ext4 -q "$1"', device);
    withLoop(device, (loop) => {
      sh('mount "$1" "$2"', loop, join(root, 'data'));
      run('A whole volume', root, { '/dev/sdb1': loop });
      assert.is(content('data/etc/fstab'), 'two\n');
    });
    run('A whole volume', root, {}, [1]);
    sh('cmp "$1" "$2"', volume, join(root, 'restored/data.img'));
  });

  test('on another machine', () => {
    const disk = join(scratch, 'disk');
    sh('truncate -s 64M "$1"; mkfs.ext4 -q -d "$2" "$1"; mkdir "$3/media/disk"', disk, join(root, 'backup'), root);
    withLoop(disk, (other) =>
      withLoop(device, (loop) => {
        assert.match(run('On another machine', root, { '/dev/sdc1': other, '/dev/sdb1': loop }), /read back/);
        sh('cmp -n "$(stat -c %s "$1")" "$1" "$2"', volume, loop);
        sh('umount "$1"', join(root, 'media/disk'));
      }),
    );
  });
}

test.after(() => rmSync(scratch, { recursive: true, force: true }));
test.run();
