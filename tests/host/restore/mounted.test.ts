/** Points of real filesystems, mounted, and files of them. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { restoreFile } from '../../../host/restore/file.js';
import { mountPoint } from '../../../host/restore/mount.js';
import type { OpenPoint } from '../../../host/restore/point.js';
import { findPoint, requirePoints } from '../../../host/restore/point.js';
import { openSource } from '../../../host/restore/source.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { buildTools } from '../../../scripts/build-cli.js';
import { backUp } from './points.js';
import { change, leftovers, makeVolume, refusal, scratch, sh, whyNoMounts } from './scene.js';

const KILLS = Number(process.env.RESTORE_KILLS ?? 5);
const why = whyNoMounts();
if (why !== undefined) console.log(`skipped: mounted restore points (${why})`);
const syscalls = nativeSyscalls();

/** Every kind of file, and all that one may carry. */
const FILES = `mkdir -p kept/deep/er; printf one >kept/deep/er/file; ln kept/deep/er/file kept/name
  printf %8000s x >kept/long; truncate -s 8M kept/holes; printf end >>kept/holes
  ln -s /etc kept/etc; ln -s ../../../etc/shadow kept/deep/shadow; mkfifo kept/fifo; mknod kept/null c 1 3
  setfattr -n user.note -v blue kept/long; setfacl -m u:12:rx kept/deep; chown -R 1234:56 kept/deep; chmod 4750 kept/deep/er/file
  touch -h -d 2001-02-03T04:05:06.789 kept/etc kept/long kept/deep/er; printf other >kept/deep/er/changing`;

/** All that a copy must have, as text; not what differs between filesystems. */
const portrait = (path: string): string =>
  sh(
    `cd "$1"; find . -printf '%P %y %m %U:%G %T@ %l %n\\n' | sort
    find . -type f | sort | xargs md5sum; find . ! -type l | sort | xargs getfattr -hd -m ^user; find . ! -type l | sort | xargs getfacl -pn
    stat -c %i name deep/er/file | uniq | wc -l`,
    path,
  );

const withPoint = (address: string, name: string, run: (opened: OpenPoint) => void): void => {
  const source = openSource(address, syscalls);
  const opened = source.open(findPoint(requirePoints(source, assert.unreachable), address, name));
  try {
    run(opened);
  } finally {
    opened.close();
  }
};

/** A volume with two restore points; the second one has another file. */
const makePoints = (type: 'ext4' | 'xfs'): { folder: string; kept: string } => {
  const volume = makeVolume(type, type);
  change(volume, FILES);
  const kept = join(scratch, `${type}.kept`);
  change(volume, `cp -a kept ${kept}`);
  const folder = join(scratch, `${type}.points`);
  backUp(folder, volume, 1);
  sh('cp --sparse=always "$1" "$1.1"', volume);
  change(volume, 'printf another >kept/deep/er/changing');
  backUp(folder, volume, 2, `${volume}.1`);
  return { folder, kept };
};

for (const type of why === undefined ? (['ext4', 'xfs'] as const) : []) {
  const { folder, kept } = makePoints(type);
  const mounted = join(scratch, `${type}.here`);
  mkdirSync(mounted);
  const output = join(scratch, `${type}.output`);
  const restore = (point: string, path: string, destination = output, force = false): void =>
    withPoint(folder, point, (opened) => restoreFile(opened, { path, destination, force }, syscalls));

  test(`${type}: a point is mounted read-only, and umount is all that ends it`, () => {
    withPoint(folder, 'c0ffee00-1', (opened) => mountPoint(opened, mounted, syscalls));
    assert.is(portrait(join(mounted, 'kept')), portrait(kept));
    assert.match(sh('touch "$1/x" 2>&1 || :', mounted), /Read-only file system/);
    assert.match(
      refusal(() => withPoint(folder, 'latest', (opened) => mountPoint(opened, mounted, syscalls))),
      /not empty/,
    );
    sh('umount "$1"', mounted);
    assert.is(leftovers(), '');
    withPoint(folder, 'latest', (opened) => mountPoint(opened, mounted, syscalls));
    assert.is(readFileSync(join(mounted, 'kept/deep/er/changing'), 'utf8'), 'another');
    sh('umount "$1"', mounted);
    assert.is(leftovers(), '');
  });

  test(`${type}: a folder is copied with all that its files carry`, () => {
    restore('c0ffee00-1', '/kept');
    assert.is(portrait(output), portrait(kept));
    assert.ok(Number(sh('stat -c %b "$1"', join(output, 'holes'))) < 100, 'holes stay holes');
    assert.match(
      refusal(() => restore('latest', '/kept')),
      /^OUTPUT_EXISTS /,
    );
    assert.match(
      refusal(() => restore('latest', '/kept', output, true)),
      /^IMAGE_KIND .* is a folder, expected a regular file/,
    );
    rmSync(output, { recursive: true });
    assert.is(leftovers(), '');
  });

  test(`${type}: what a filesystem cannot keep is not left out silently`, () => {
    const plain = join(scratch, `${type}.plain`);
    sh('mkdir "$1"; mount -t ramfs none "$1"', plain);
    try {
      const said = refusal(() => restore('latest', '/kept/long', join(plain, 'here')));
      assert.match(
        said,
        /^PROGRAM_FAILED cannot restore \/kept\/long of .*plain\/here'.*; expected a destination whose/,
      );
      assert.is(readdirSync(plain).join(), '');
      restore('latest', '/kept/deep/er/changing', join(plain, 'here'));
      assert.is(readFileSync(join(plain, 'here'), 'utf8'), 'another');
    } finally {
      sh('umount "$1"', plain);
    }
    assert.is(leftovers(), '');
  });

  test(`${type}: a file is copied, a link as a link, and one on the way is not followed`, () => {
    restore('latest', '/kept/deep/er/changing');
    assert.is(readFileSync(output, 'utf8'), 'another');
    assert.match(
      refusal(() => restore('c0ffee00-1', '/kept/deep/er/changing')),
      /^OUTPUT_EXISTS /,
    );
    restore('c0ffee00-1', '//kept/./deep/er/changing', output, true);
    assert.is(readFileSync(output, 'utf8'), 'other');
    rmSync(output);
    restore('latest', '/kept/deep/shadow');
    assert.is(sh('readlink "$1"', output), '../../../etc/shadow\n');
    rmSync(output);
    // A link that is there already is not written through.
    symlinkSync('/etc/passwd', output);
    assert.match(
      refusal(() => restore('latest', '/kept/long')),
      /^OUTPUT_EXISTS /,
    );
    assert.match(
      refusal(() => restore('latest', '/kept/long', output, true)),
      /^IMAGE_KIND .* symbolic link/,
    );
    rmSync(output);
    assert.match(
      refusal(() => restore('latest', '/kept/etc/passwd')),
      /\/kept\/etc is a symbolic link to \/etc, which is not followed/,
    );
    assert.match(
      refusal(() => restore('latest', '/kept/../../etc/passwd')),
      /without \.\./,
    );
    assert.match(
      refusal(() => restore('latest', 'kept/long')),
      /expected an absolute path/,
    );
    assert.match(
      refusal(() => restore('latest', '/kept/no/file')),
      /there is no \/kept\/no$/,
    );
    assert.match(
      refusal(() => restore('latest', '/kept/long/file')),
      /\/kept\/long is not a folder$/,
    );
    assert.not(existsSync(output));
    assert.equal(
      readdirSync(scratch).filter((name) => name.endsWith('.partial')),
      [],
    );
    assert.is(leftovers(), '');
  });
}

if (why === undefined) {
  test('a point without a filesystem is refused, and nothing is left', () => {
    const volume = join(scratch, 'blank');
    writeFileSync(volume, Buffer.alloc(1048576, 0x5a));
    const folder = join(scratch, 'blank.points');
    backUp(folder, volume, 1);
    const output = join(scratch, 'blank.output');
    const file = (): void =>
      withPoint(folder, 'latest', (opened) =>
        restoreFile(opened, { path: '/a', destination: output, force: false }, syscalls),
      );
    assert.match(refusal(file), /^FILESYSTEM_UNKNOWN .*restore point c0ffee00-1 .*expected ext4 or xfs/);
    mkdirSync(join(scratch, 'blank.here'));
    const mount = (): void =>
      withPoint(folder, 'latest', (opened) => mountPoint(opened, join(scratch, 'blank.here'), syscalls));
    assert.match(refusal(mount), /^FILESYSTEM_UNKNOWN /);
    assert.is(leftovers(), '');
  });

  test('a restore of files that is killed at any moment leaves nothing mounted, and no copy under its name', async () => {
    await buildTools(join(scratch, 'tools'));
    const tool = join(scratch, 'tools/datto-restore.mjs');
    const output = join(scratch, 'killed');
    const source = join(scratch, 'xfs.kept');
    for (let round = 0; round < KILLS; round++) {
      const child = spawn(tool, ['file', join(scratch, 'xfs.points'), 'c0ffee00-1', '/kept', output], {
        stdio: 'ignore',
      });
      const over = new Promise((resolve) => child.on('exit', resolve));
      // It takes about a second, most of it mounted.
      const limit = setTimeout(() => child.kill('SIGKILL'), 300 + (700 * round) / KILLS);
      const status = await over;
      clearTimeout(limit);
      sh('rmdir "$TMPDIR"/datto-restore-* 2>/dev/null || :');
      assert.is(leftovers(), '', `round ${round}`);
      // The kill may come after the copy has its name.
      if (existsSync(output)) assert.is(portrait(output), portrait(source));
      else assert.is.not(status, 0);
      rmSync(output, { recursive: true, force: true });
    }
    sh('rm -rf "$1"/.killed.*.partial', scratch);
  });
}

test.after(() => {
  sh('umount "$1"/*.here 2>/dev/null || :', scratch);
  rmSync(scratch, { recursive: true, force: true });
});
test.run();
