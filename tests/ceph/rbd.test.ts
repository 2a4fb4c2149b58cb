import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RefusalCode } from '../../host/errors.js';
import { RefusalError } from '../../host/errors.js';
import { NbdSession } from '../../host/nbd/server.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';
import { RbdTarget } from '../../host/targets/rbd/target.js';
import type { Point, Target } from '../../host/targets/target.js';
import { backUp, contentOf, seriesOf, VOLUME_BYTES } from '../host/targets/point-run.js';
import { startCluster } from './cluster.js';

const KILLS = Number(process.env.POINT_KILLS ?? 5);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6) + 1);
const folder = mkdtempSync(join(tmpdir(), 'datto-rbd-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const syscalls = nativeSyscalls();
const cluster = await startCluster();
test.after(() => cluster.stop());

const run = (program: string, ...args: readonly string[]): Buffer =>
  execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
const rbd = (...args: readonly string[]): string => `${run('rbd', ...args)}`;
const snapshotOf = (image: string, { name }: Point): string => `rbd/${image}@datto-${name}`;

const damageOf = (target: Target, point: Point): unknown[] => {
  const runs: unknown[] = [];
  target.verify(
    point,
    (damage) => runs.push(damage),
    () => undefined,
  );
  return runs;
};

/** Each point is its snapshot: as Ceph's own program exports it, and by its sums. */
const requireRight = (target: Target, image: string): void => {
  for (const point of target.points()) {
    const exported = join(folder, 'exported');
    rmSync(exported, { force: true });
    rbd('export', '--no-progress', snapshotOf(image, point), exported);
    const wanted = contentOf(Number.parseInt(point.series.slice(0, 8), 16), Number(point.sequence));
    assert.ok(readFileSync(exported).equals(wanted), `point ${point.name}, seed ${SEED}`);
    assert.equal(damageOf(target, point), [], `sums of ${point.name}, seed ${SEED}`);
  }
};

const sequences = (target: Target): bigint[] => target.points().map(({ sequence }) => sequence);

/** One line, with the reason. */
const refuses = (call: () => unknown, code: RefusalCode, text: RegExp): void =>
  assert.throws(call, (error: unknown) => {
    assert.instance(error, RefusalError);
    assert.is((error as RefusalError).code, code, (error as RefusalError).message);
    assert.match((error as RefusalError).message, text);
    assert.not.match((error as RefusalError).message, /\n/);
    return true;
  });

const factsOf = (sequence: number): Parameters<Target['begin']>[0] => ({
  ...{ series: seriesOf(SEED), sequence: BigInt(sequence), bytes: VOLUME_BYTES },
  time: new Date(0),
});

/** Changes bytes of an image, as another program would. */
const flip = (image: string, offset: number): void => {
  const session = new NbdSession({ image: `rbd:rbd/${image}`, format: 'raw', access: 'r+', name: image }, syscalls);
  const data = Buffer.alloc(1);
  session.client.readFull(data, offset);
  session.client.write(Buffer.from([data[0]! ^ 1]), offset);
  session.client.flush();
  session.close();
};

test('each point is its snapshot, also once others are removed', () => {
  const target = new RbdTarget('rbd:rbd/plain', syscalls);
  assert.equal(target.points(), []);
  const points = [1, 2, 3, 4, 5, 6].map((sequence) => backUp(target, folder, SEED, sequence));
  assert.equal(
    points.map(({ kind }) => kind),
    ['whole', ...Array.from({ length: 5 }, () => 'incremental')],
  );
  requireRight(target, 'plain');
  for (const index of [2, 3]) target.remove(points[index]!);
  assert.equal(sequences(target), [1n, 2n, 5n, 6n]);
  requireRight(target, 'plain');
  target.remove(points[0]!);
  requireRight(target, 'plain');
  refuses(() => target.remove(points[5]!), 'NO_PREVIOUS', /the newest/);
  assert.ok(target.storedBytes(points[5]!) > 0);
  // The sums have the same snapshots, and nothing else is left.
  const names = (image: string): unknown =>
    (JSON.parse(rbd('snap', 'ls', image, '--format', 'json')) as Array<{ name: string }>).map(({ name }) => name);
  assert.equal(names('plain.sums'), names('plain'));
  const keys = Object.keys(JSON.parse(rbd('image-meta', 'list', 'plain', '--format', 'json')) as object).sort();
  assert.equal(keys, ['datto.format', ...[2, 5, 6].map((at) => `datto.point.${points[at - 1]!.name}`)]);
});

test('a new series begins with a whole point over the old content', () => {
  const target = new RbdTarget('rbd:rbd/series', syscalls);
  for (const sequence of [1, 2]) backUp(target, folder, SEED, sequence);
  assert.is(backUp(target, folder, SEED + 1, 1).kind, 'whole');
  requireRight(target, 'series');
});

test('an interrupted whole point goes on', () => {
  const target = new RbdTarget('rbd:rbd/whole', syscalls);
  const writer = target.begin(factsOf(1), undefined);
  writer.write(contentOf(SEED, 1).subarray(0, 1048576), 0);
  writer.checkpoint(1048576);
  // Lost: a later writer must not take it for zeros.
  writer.write(Buffer.alloc(1048576, 255), 8 * 1048576);
  writer.flush();
  writer.close();
  assert.equal(sequences(target), []);
  assert.is(target.begun()?.sequence, 1n);
  const again = target.begin(factsOf(1), undefined);
  assert.is(again.cursor, 1048576);
  again.discard();
  assert.is(target.begun(), undefined);
  backUp(target, folder, SEED, 1);
  requireRight(target, 'whole');
  assert.is(target.begun(), undefined);
});

test('what an interrupted run wrote is in no later point', () => {
  const target = new RbdTarget('rbd:rbd/mixture', syscalls);
  const point = backUp(target, folder, SEED, 1);
  const writer = target.begin(factsOf(2), point);
  // Everywhere, so that the changes of the next run do not cover it.
  for (let offset = 0; offset + 4096 <= VOLUME_BYTES; offset += 1048576) writer.write(Buffer.alloc(4096, 255), offset);
  writer.flush();
  writer.close();
  assert.is(target.begun(), undefined);
  assert.is(target.fault(point), undefined);
  requireRight(target, 'mixture');
  backUp(target, folder, SEED, 2);
  assert.equal(sequences(target), [1n, 2n]);
  requireRight(target, 'mixture');
});

test('what something else wrote to the head is refused, and named', () => {
  const target = new RbdTarget('rbd:rbd/foreign', syscalls);
  const point = backUp(target, folder, SEED, 1);
  assert.is(target.fault(point), undefined);
  flip('foreign', 5_000_192);
  const expected = new RegExp(
    `something else wrote rbd/foreign at byte .*hint: rbd snap rollback rbd/foreign@datto-${point.name}`,
  );
  assert.match(`${target.fault(point)}`, expected);
  refuses(() => target.begin(factsOf(2), point), 'IMAGE_CHANGED', expected);
  // The hint helps.
  rbd('snap', 'rollback', '--no-progress', `foreign@datto-${point.name}`);
  assert.is(target.fault(point), undefined);
  rbd('snap', 'create', '--no-progress', 'foreign@mine');
  refuses(
    () => target.begin(factsOf(2), point),
    'IMAGE_CHANGED',
    /newest snapshot of rbd\/foreign is 'mine', expected/,
  );
  rbd('snap', 'rm', '--no-progress', 'foreign@mine');
  rbd('resize', '--no-progress', '--size', '64M', 'foreign');
  refuses(() => target.begin(factsOf(2), point), 'IMAGE_CHANGED', /resized rbd\/foreign to 67108864 bytes/);
  rbd('resize', '--no-progress', '--allow-shrink', '--size', `${VOLUME_BYTES}B`, 'foreign');
  backUp(target, folder, SEED, 2);
  requireRight(target, 'foreign');
});

test('a damaged point is found, and where', () => {
  const target = new RbdTarget('rbd:rbd/rot', syscalls);
  const point = backUp(target, folder, SEED, 1);
  // Rot below Ceph's snapshots: the object itself, which the head and the point still share.
  const { block_name_prefix: prefix } = JSON.parse(rbd('info', 'rot', '--format', 'json')) as {
    block_name_prefix: string;
  };
  const object = `${run('rados', '--pool', 'rbd', 'ls')}`.split('\n').find((name) => name.startsWith(prefix))!;
  const file = join(folder, 'object');
  run('rados', '--pool', 'rbd', 'get', object, file);
  const bytes = readFileSync(file);
  bytes[4096]! ^= 4;
  writeFileSync(file, bytes);
  run('rados', '--pool', 'rbd', 'put', object, file);
  const block = Number.parseInt(object.slice(prefix.length + 1), 16) * 1024 + 1;
  assert.equal(damageOf(target, point), [{ start: block, count: 1 }]);
});

test('two runs do not write at once; readers may read', () => {
  const target = new RbdTarget('rbd:rbd/guarded', syscalls);
  const first = backUp(target, folder, SEED, 1);
  const reader = new NbdSession(target.exportOf(first), syscalls);
  const writer = target.begin(factsOf(2), first);
  refuses(() => target.begin(factsOf(2), first), 'BACKUP_RUNNING', /another run writes it \(client\.\d+ at /);
  writer.close();
  reader.close();
  backUp(target, folder, SEED, 2);
  requireRight(target, 'guarded');
});

test('the lock of a client that was killed while it closed the image holds up the next run only until the cluster misses it', () => {
  const target = new RbdTarget('rbd:rbd/closing', syscalls);
  backUp(target, folder, SEED, 1);
  for (const image of ['closing', 'closing.sums']) {
    const client = new NbdSession({ image: `rbd:rbd/${image}`, format: 'raw', access: 'r+', name: image }, syscalls);
    const same = Buffer.alloc(4096);
    client.client.readFull(same, 0);
    client.client.write(same, 0);
    client.client.flush();
    for (const pid of childrenOf(process.pid)) if (commandOf(pid).startsWith('qemu-nbd')) process.kill(pid, 'SIGKILL');
    client.close();
  }
  backUp(target, folder, SEED, 2);
  requireRight(target, 'closing');
});

test('wrong pools, images and missing programs are refused in one line', () => {
  refuses(() => new RbdTarget('rbd:nowhere/image', syscalls).points(), 'IMAGE_KIND', /cannot open pool 'nowhere'/);
  const used = new RbdTarget('rbd:rbd/used', syscalls);
  const point = backUp(used, folder, SEED, 1);
  const other = new NbdSession({ image: 'rbd:rbd/used', format: 'raw', access: 'r+', name: 'used' }, syscalls);
  other.client.write(contentOf(SEED, 1).subarray(0, 4096), 0);
  other.client.flush();
  for (const base of [point, undefined])
    refuses(() => used.begin(factsOf(2), base), 'IMAGE_BUSY', /client\.\d+ at .* has rbd\/used open for writing/);
  other.close();
  rbd('create', '--size', '64M', 'vm');
  flip('vm', 0);
  const vm = new RbdTarget('rbd:rbd/vm', syscalls);
  refuses(() => vm.points(), 'IMAGE_KIND', /image rbd\/vm holds something else/);
  refuses(() => vm.begin(factsOf(1), undefined), 'IMAGE_KIND', /image rbd\/vm holds something else/);
  const { PATH } = process.env;
  process.env.PATH = '/nowhere';
  try {
    refuses(() => vm.points(), 'PROGRAM_MISSING', /rbd: it is not installed; hint: apt-get install ceph-common/);
  } finally {
    process.env.PATH = PATH;
  }
});

test('a client of its own and another configuration are used', () => {
  const keyring = join(folder, 'keyring');
  run(
    'ceph',
    'auth',
    'get-or-create',
    'client.backup',
    'mon',
    'profile rbd',
    'osd',
    'profile rbd pool=rbd',
    '-o',
    keyring,
  );
  const conf = join(folder, 'backup.conf');
  writeFileSync(conf, `${readFileSync(cluster.env.CEPH_CONF!, 'utf8')}[client.backup]\nkeyring = ${keyring}\n`);
  const target = new RbdTarget(`rbd:rbd/named:id=backup:conf=${conf}`, syscalls);
  const { CEPH_CONF } = process.env;
  process.env.CEPH_CONF = '/nowhere';
  try {
    for (const sequence of [1, 2]) backUp(target, folder, SEED, sequence);
    // Enough rights to take a killed run's lock, too.
    target.begin(factsOf(3), target.points()[1]).close();
    backUp(target, folder, SEED, 3);
  } finally {
    process.env.CEPH_CONF = CEPH_CONF;
  }
  requireRight(target, 'named');
});

/** Processes below one: servers, and commands of Ceph. */
const childrenOf = (pid: number): number[] => {
  const path = `/proc/${pid}/task/${pid}/children`;
  return existsSync(path) ? readFileSync(path, 'utf8').split(' ').filter(Boolean).map(Number) : [];
};

const commandOf = (pid: number): string => {
  const path = `/proc/${pid}/cmdline`;
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

const killRounds = async (whom: 'tool' | 'server'): Promise<void> => {
  const image = `killed-${whom}`;
  const target = new RbdTarget(`rbd:rbd/${image}`, syscalls);
  const loader = fileURLToPath(import.meta.resolve('tsx'));
  const program = fileURLToPath(new URL('rbd-run.ts', import.meta.url));
  const began = performance.now();
  backUp(target, folder, SEED, 1);
  const usualMs = performance.now() - began;
  for (let round = 0; round < KILLS; round++) {
    const child = spawn(process.execPath, ['--import', loader, program, target.address, folder, `${SEED}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (text) => (said += text));
    const exit = once(child, 'exit');
    await setTimeout(Math.random() * 2 * usualMs);
    if (whom === 'tool') child.kill('SIGKILL');
    else {
      // Until the tool ends by itself, with an error: one that had flushed everything is not missed.
      while (child.exitCode === null) {
        const server = childrenOf(child.pid ?? 0).find((pid) => commandOf(pid).startsWith('qemu-nbd'));
        if (server !== undefined) process.kill(server, 'SIGKILL');
        await Promise.race([exit, setTimeout(server === undefined ? 2 : 500)]);
      }
    }
    const [code, signal] = await exit;
    if (whom === 'tool') assert.is(signal, 'SIGKILL', said);
    else assert.ok(code !== 0 && said !== '', said);
    requireRight(target, image);
  }
  backUp(target, folder, SEED, Number(target.points().at(-1)?.sequence ?? 0n) + 1);
  requireRight(target, image);
};

test('a killed run leaves complete points, and the next one heals the head', () => killRounds('tool'));
test('a killed server is an error; points stay complete, and the next run heals the head', () => killRounds('server'));

test.run();
