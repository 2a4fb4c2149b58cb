import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusalError } from '../../../host/errors.js';
import { isMountPoint } from '../../../host/system/mounts.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { chunkAddressOf, isChunkAddress, withoutPassword } from '../../../host/targets/chunks/address.js';
import { bytesOfChunk, chunkCount, chunksOf, pathOfChunk } from '../../../host/targets/chunks/chunk.js';
import { fromFields, toFields } from '../../../host/targets/chunks/facts.js';
import { ChunkTarget } from '../../../host/targets/chunks/target.js';
import { nextTimes, readTimes, timeAfter, writeTimes } from '../../../host/targets/chunks/times.js';
import { ChunkView } from '../../../host/targets/chunks/view.js';
import { scratchFolder } from '../../chunks/volume.js';

const folder = scratchFolder();
const syscalls = nativeSyscalls();
const project = fileURLToPath(new URL('../../../', import.meta.url));
execFileSync('make', ['-s', '-C', join(project, 'chunkview')]);
const program = join(project, 'build/chunkview');
const GEOMETRY = { volumeBytes: 300 * 4096 + 5, chunkBytes: 4096 };
const RUN = 'ab'.repeat(16);
const TIME = 1_796_000_000_123_456_789n;
const times = join(folder, 'times');
const device = join(folder, 'device');
const [view, joined] = ['view', 'joined'].map((name) => join(folder, name)) as [string, string];
for (const path of [view, joined]) mkdirSync(path);
const content = Buffer.alloc(GEOMETRY.volumeBytes);
for (let at = 0; at < content.length; at++) content[at] = (at * 31 + (at >> 12)) & 0xff;
writeFileSync(device, content);

const refuses = (call: () => unknown, text: RegExp): void =>
  assert.throws(call, (error: unknown) => {
    assert.instance(error, RefusalError);
    assert.match((error as RefusalError).message, text);
    return true;
  });

test('addresses name an engine and a repository; others are refused', () => {
  for (const repository of ['/srv/backup', 's3:https://host/bucket', 'sftp:user@host:/srv', 'rest:https://host/'])
    assert.equal(chunkAddressOf(`restic:${repository}`), { engine: 'restic', repository });
  for (const repository of ['/srv/backup', 'ssh://user@host:22/./backup', 'user@host:backup'])
    assert.equal(chunkAddressOf(`borg:${repository}`), { engine: 'borg', repository });
  refuses(() => chunkAddressOf('rbd:pool/image'), /cannot use rbd:pool\/image: it is no address of a repository/);
  refuses(() => chunkAddressOf('restic:'), /names no repository/);
  refuses(() => chunkAddressOf('borg:backup'), /its path is relative/);
  refuses(() => chunkAddressOf('restic:./backup'), /its path is relative/);
  refuses(() => chunkAddressOf('borg:/srv/backup::archive'), /names an archive/);
  refuses(() => chunkAddressOf('restic:/srv/back\nup'), /control character/);
  refuses(() => chunkAddressOf('restic: /srv'), /begins or ends with a blank/);
  assert.equal(['restic:x', 'borg:x', 'rbd:a/b', '/srv'].map(isChunkAddress), [true, true, false, false]);
  assert.is(withoutPassword('rest:https://me:word@host/x'), 'rest:https://me:***@host/x');
  const options = { address: 'restic:/srv', volume: '../x', stateFolder: folder, syscalls };
  refuses(() => new ChunkTarget(options), /cannot keep volume '\.\.\/x'/);
});

test('blocks are in chunks, the last of which ends with the volume', () => {
  const geometry = { volumeBytes: 3 * 16384 + 100, chunkBytes: 16384 };
  assert.is(chunkCount(geometry), 4);
  assert.equal(
    [0, 3].map((chunk) => bytesOfChunk(geometry, chunk)),
    [16384, 100],
  );
  const runs = [
    { start: 12, count: 50 },
    { start: 3, count: 2 },
    { start: 4, count: 1 },
  ];
  assert.equal(chunksOf(runs, geometry), [0, 1, 3]);
  assert.equal(chunksOf([{ start: 16, count: 1 }], geometry), []);
  assert.equal([0, 255, 256, 0xabcdef12].map(pathOfChunk), ['0000/00/00', '0000/00/ff', '0000/01/00', 'abcd/ef/12']);
});

test('facts are read as they were written; those of others are none', () => {
  const facts = {
    ...{ volume: 'a-b.c', series: 'a'.repeat(32), sequence: 2n ** 64n - 1n, bytes: 4096, chunkBytes: 4096 },
    ...{ time: new Date(5), run: RUN, stamp: TIME, isIncremental: true },
  };
  assert.equal(fromFields(toFields(facts)), facts);
  assert.equal(fromFields([...toFields(facts), 'state=complete']), facts);
  assert.is(fromFields(toFields(facts).slice(1)), undefined);
  for (let field = 1; field < toFields(facts).length; field++)
    assert.is(fromFields(toFields(facts).map((text, at) => (at === field ? `${text} ` : text))), undefined);
  assert.not.match(toFields(facts).join(), /,.*,.*,.*,.*,.*,.*,.*,.*,.*,/);
});

test('times only ascend, and a damaged file of them is none', () => {
  assert.ok(timeAfter([], 5) === 5_000_000n);
  assert.ok(timeAfter([TIME], 5) > TIME);
  assert.ok(timeAfter([TIME, TIME + 5n], Number(TIME / 1_000_000n)) > TIME + 5n);
  const first = nextTimes(GEOMETRY, RUN, TIME, undefined, undefined);
  const second = nextTimes(GEOMETRY, 'cd'.repeat(16), TIME + 9n, first, [0, 300]);
  assert.equal([second.chunks[0], second.chunks[1], second.chunks[300]], [TIME + 9n, TIME, TIME + 9n]);
  assert.is(first.chunks[0], TIME);
  writeTimes(times, second);
  assert.equal(readTimes(times), second);
  const bytes = readFileSync(times);
  for (const at of [0, 9, 13, 20, 27, 35, 50, 90, 127, 128, bytes.length - 1]) {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 1;
    writeFileSync(times, damaged);
    assert.is(readTimes(times), undefined, `byte ${at}`);
  }
  for (const size of [0, 100, 128, bytes.length - 8, bytes.length + 8]) {
    writeFileSync(times, Buffer.concat([bytes, Buffer.alloc(8)]).subarray(0, size));
    assert.is(readTimes(times), undefined, `${size} bytes`);
  }
  unlinkSync(times);
  assert.is(readTimes(times), undefined);
  writeTimes(times, { ...second, run: undefined });
  assert.is(readTimes(times)?.run, undefined);
  linkSync(times, `${times}.2`);
  rmSync(`${times}.2`);
});

const openView = (): ChunkView => ChunkView.ofVolume(device, times, 'facts\n', view, syscalls);

test('a view has each chunk with its size, its time and a number of its own', () => {
  writeTimes(times, nextTimes(GEOMETRY, RUN, TIME + 5n, nextTimes(GEOMETRY, RUN, TIME, undefined, undefined), [7]));
  const opened = openView();
  try {
    assert.equal(readdirSync(view).sort(), ['0000', 'datto-facts']);
    assert.equal(readdirSync(join(view, '0000')), ['00', '01']);
    const names = ['00', '01'].flatMap((sub) =>
      readdirSync(join(view, '0000', sub)).map((name) => `0000/${sub}/${name}`),
    );
    assert.equal(
      names,
      Array.from({ length: 301 }, (_, chunk) => pathOfChunk(chunk)),
    );
    const stats = names.map((name) => statSync(join(view, name), { bigint: true }));
    stats.forEach((stat, chunk) => {
      assert.is(stat.size, BigInt(bytesOfChunk(GEOMETRY, chunk)));
      const time = chunk === 7 ? TIME + 5n : TIME;
      assert.equal([stat.mtimeNs, stat.ctimeNs, stat.uid, stat.mode & 0o7777n], [time, time, 0n, 0o400n]);
    });
    const inodes = stats.map(({ ino }) => ino);
    assert.equal(
      inodes,
      [...new Set(inodes)].sort((a, b) => (a < b ? -1 : 1)),
    );
    assert.ok(Buffer.concat(names.map((name) => readFileSync(join(view, name)))).equals(content));
    assert.is(readFileSync(join(view, 'datto-facts'), 'utf8'), 'facts\n');
    assert.ok(statSync(join(view, 'datto-facts'), { bigint: true }).mtimeNs > TIME + 5n);
    for (const name of ['0', '0001', '0x00', ' 000', '0000/2', '0000/02', '0000/00/0', '0000/00/0A', '0000/01/2d', 'x'])
      assert.not.ok(existsSync(join(view, name)), name);
    for (const name of ['datto-facts', '0000/00/00', 'new'])
      assert.throws(() => writeFileSync(join(view, name), 'x'), /EROFS/);
  } finally {
    assert.equal(opened.close(), { bytes: GEOMETRY.volumeBytes, errors: 0 });
  }
  assert.not.ok(isMountPoint(view));
  assert.is(opened.close(), undefined);
});

test('a view reads the volume each time: nothing is from a cache', () => {
  const opened = openView();
  const changed = Buffer.from(content);
  changed[3 * 4096]! ^= 255;
  try {
    assert.ok(readFileSync(join(view, '0000/00/03')).equals(content.subarray(3 * 4096, 4 * 4096)));
    writeFileSync(device, changed);
    assert.ok(readFileSync(join(view, '0000/00/03')).equals(changed.subarray(3 * 4096, 4 * 4096)));
  } finally {
    assert.equal(opened.close(), { bytes: 2 * 4096, errors: 0 });
    writeFileSync(device, content);
  }
});

test('a chunk that cannot be read is an error of that chunk only, and is counted', () => {
  const opened = openView();
  try {
    truncateSync(device, 300 * 4096);
    assert.throws(() => readFileSync(join(view, '0000/01/2c')), /EIO/);
    assert.ok(readFileSync(join(view, '0000/01/2b')).equals(content.subarray(299 * 4096, 300 * 4096)));
  } finally {
    writeFileSync(device, content);
    assert.equal(opened.close(), { bytes: 4096, errors: 1 });
  }
});

test('chunks are one file again; one that is missing or too short is an error there', () => {
  const chunks = join(folder, 'chunks');
  for (const sub of ['00', '01']) mkdirSync(join(chunks, '0000', sub), { recursive: true });
  for (let chunk = 0; chunk <= 300; chunk++)
    writeFileSync(join(chunks, pathOfChunk(chunk)), content.subarray(chunk * 4096, (chunk + 1) * 4096));
  let opened = ChunkView.joining(chunks, GEOMETRY, joined, syscalls);
  assert.equal(readdirSync(joined), ['volume']);
  assert.ok(readFileSync(join(joined, 'volume')).equals(content));
  assert.throws(() => writeFileSync(join(joined, 'volume'), 'x'), /EROFS/);
  assert.is(opened.close()?.errors, 0);
  truncateSync(join(chunks, pathOfChunk(7)), 4095);
  unlinkSync(join(chunks, pathOfChunk(299)));
  opened = ChunkView.joining(chunks, GEOMETRY, joined, syscalls);
  const fd = openSync(join(joined, 'volume'), 'r');
  const piece = Buffer.alloc(4096);
  try {
    const failing = Array.from({ length: 301 }, (_, chunk) => chunk).filter((chunk) => {
      try {
        return readSync(fd, piece, 0, Math.min(4096, bytesOfChunk(GEOMETRY, chunk)), chunk * 4096) === 0;
      } catch {
        return true;
      }
    });
    // What the kernel reads ahead together fails together.
    assert.ok(failing.includes(7) && failing.includes(299) && failing.length < 100, `${failing}`);
  } finally {
    opened.close();
  }
});

test('a view that is killed leaves a mount that the next one replaces', () => {
  const first = openView();
  const pids = execFileSync('pgrep', ['-f', `chunkview.*${view}`], { encoding: 'utf8' })
    .trim()
    .split('\n');
  for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
  while (pids.some((pid) => existsSync(`/proc/${pid}/exe`)));
  assert.ok(isMountPoint(view));
  const second = openView();
  assert.ok(readFileSync(join(view, '0000/00/00')).equals(content.subarray(0, 4096)));
  assert.is(second.close()?.errors, 0);
  assert.is(first.close(), undefined);
  assert.not.ok(isMountPoint(view));
});

test('a view ends with its input, as its parent does, though files of it are open', async () => {
  const args = ['--times', times, '--facts', 'x', device, view];
  const served = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exit = once(served, 'exit');
  await once(served.stdout, 'data');
  const fd = openSync(join(view, '0000/00/00'), 'r');
  served.stdin.destroy();
  assert.equal(await exit, [0, null]);
  assert.not.ok(isMountPoint(view));
  assert.throws(() => readSync(fd, Buffer.alloc(10)));
});

test('what cannot be used is refused in one line', () => {
  const run = (...args: string[]): string => {
    try {
      execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
      return 'no error';
    } catch (error) {
      const { stderr, status } = error as { stderr: string; status: number };
      return `${status} ${stderr}`;
    }
  };
  const show = (file: string, of = device): string => run('--times', file, '--facts', 'x', of, view);
  assert.match(show(device), /^1 chunkview: cannot use .*device: no file of times, expected one of version 1\n$/);
  assert.match(show('/nowhere'), /^1 chunkview: cannot open \/nowhere: No such file or directory\n$/);
  assert.match(show(times, '/nowhere'), /^1 chunkview: cannot open \/nowhere: No such file or directory\n$/);
  assert.match(show(times, times), /^1 chunkview: cannot use .*times: it is smaller than the file of times says\n$/);
  writeFileSync(`${times}.cut`, readFileSync(times).subarray(0, -8));
  assert.match(show(`${times}.cut`), /^1 chunkview: cannot use .*: its sizes do not fit\n$/);
  for (const size of ['0', '-1', '1x', '99999999999999999999'])
    assert.match(run('--join', '--bytes', size, '--chunk-bytes', '4096', folder, joined), /^2 chunkview: cannot join/);
  assert.match(run(), /^2 usage:/);
  assert.match(execFileSync(program, ['--help'], { encoding: 'utf8' }), /^usage:/);
  refuses(() => ChunkView.ofVolume('/nowhere', times, 'x', view, syscalls), /cannot run chunkview: .*No such file/);
});

test.run();
