/** Restore points on another machine, mounted, and files of them. Needs root, loop devices and FUSE. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildTools } from '../../scripts/build-cli.js';
import { backUp } from '../host/restore/points.js';
import { change, leftovers, makeVolume, scratch, sh, whyNoMounts } from '../host/restore/scene.js';
import { startServer } from './server.js';

const why = whyNoMounts();
if (why !== undefined) throw new Error(`cannot mount restore points: ${why}`);

const tools = join(scratch, 'tools');
await buildTools(tools);
const server = await startServer(join(scratch, 'sshd'), tools);
const tool = join(tools, 'datto-restore.mjs');
const folder = join(scratch, 'points');
const address = `ssh:elsewhere:${folder}`;
const mounted = join(scratch, 'here');
mkdirSync(mounted);
const restore = (...args: readonly string[]): string => execFileSync(tool, args, { encoding: 'utf8' });

/** What has to do with the connections. */
const processes = (): string =>
  spawnSync('pgrep', ['-fa', '-r', 'R,S,D', 'datto-receive.mjs|nbdfuse'], { encoding: 'utf8' }).stdout;

const volume = makeVolume('ext4', 'ext4');
change(volume, 'mkdir kept; head -c 9000000 /dev/urandom >kept/big; printf one >kept/small; md5sum kept/big >sum');
backUp(folder, volume, 1);
sh('cp --sparse=always "$1" "$1.1"', volume);
change(volume, 'printf another >kept/small');
backUp(folder, volume, 2, `${volume}.1`);

test('a point is mounted read-only, as it was, and umount is all that ends it', () => {
  restore('mount', address, 'c0ffee00-1', mounted);
  sh('cd "$1"; md5sum --quiet -c sum', mounted);
  assert.is(readFileSync(join(mounted, 'kept/small'), 'utf8'), 'one');
  assert.match(sh('touch "$1/x" 2>&1 || :', mounted), /Read-only file system/);
  sh('umount "$1"', mounted);
  assert.is(leftovers(), '');
  assert.is(processes(), '');
});

test('a file and a folder are copied', () => {
  const output = join(scratch, 'output');
  restore('file', address, 'latest', '/kept/small', output);
  assert.is(readFileSync(output, 'utf8'), 'another');
  rmSync(output);
  restore('file', address, 'latest', '/kept', output);
  sh('cd "$1"; mkdir sums; mv output sums/kept; cp "$2" sums/sum; cd sums; md5sum --quiet -c sum', scratch, sumFile());
  assert.is(leftovers(), '');
  assert.is(processes(), '');
});

/** The sums that the filesystem has of itself. */
const sumFile = (): string => {
  const path = join(scratch, 'sum');
  rmSync(path, { force: true });
  restore('file', address, 'latest', '/sum', path);
  return path;
};

test('a point that is not there, and a connection that is refused, are named; nothing is left', () => {
  const refused = (...args: readonly string[]): string => {
    const { status, stderr } = spawnSync(tool, args, { encoding: 'utf8' });
    assert.is.not(status, 0);
    return stderr;
  };
  assert.match(refused('mount', address, 'c0ffee00-9', mounted), /c0ffee00-9/);
  server.allow(undefined);
  assert.match(
    refused('mount', address, 'latest', mounted),
    /^datto-restore: cannot reach datto-receive .*Permission denied/,
  );
  server.allow('');
  assert.is(leftovers(), '');
});

test('a connection that breaks gives errors, not other bytes', () => {
  restore('mount', address, 'latest', mounted);
  execFileSync('pkill', ['-KILL', '-f', `${tools}/datto-receive.mjs`]);
  assert.match(
    sh('echo 3 >/proc/sys/vm/drop_caches; cat "$1/kept/big" 2>&1 >/dev/null || :', mounted),
    /Input\/output error/,
  );
  sh('umount "$1"', mounted);
  assert.is(leftovers(), '');
  assert.is(processes(), '');
});

test.after(() => {
  sh('umount "$1" 2>/dev/null || :', mounted);
  server.stop();
  rmSync(scratch, { recursive: true, force: true });
});
test.run();
