/** Restore points of restic in an S3 bucket, behind the real gateway of a Ceph cluster. borg has no such repositories. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusalError } from '../../host/errors.js';
import * as volume from '../chunks/volume.js';
import { startCluster } from './cluster.js';

const KEY = { id: 'a-key', secret: 'a-secret' };
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6) + 1);
const cluster = await startCluster(KEY);
test.after(() => cluster.stop());

volume.setPasswords();
Object.assign(process.env, { AWS_ACCESS_KEY_ID: KEY.id, AWS_SECRET_ACCESS_KEY: KEY.secret });
const folder = volume.scratchFolder();
const repository = `s3:${cluster.s3}/bucket`;
volume.makeRepository('restic', repository);
const target = volume.targetIn('restic', folder, 'volume', undefined, 60, repository);

const rados = (...words: readonly string[]): string =>
  execFileSync('rados', ['-p', 'default.rgw.buckets.data', ...words], { encoding: 'utf8' });

test('each point is its snapshot, also once two are removed in the middle', () => {
  for (let sequence = 1; sequence <= 6; sequence++) {
    const { readBytes } = volume.backUp(target, folder, SEED, sequence);
    assert.ok(sequence === 1 || readBytes < volume.VOLUME_BYTES / 2, `${readBytes} bytes of snapshot ${sequence}`);
  }
  const points = target.points();
  target.remove([points[2]!, points[3]!]);
  assert.equal(volume.sequences(target), [1, 2, 5, 6]);
  for (const point of target.points()) volume.requireRight(target, point);
});

test('a wrong key is an error in one line, and makes no point', () => {
  process.env.AWS_SECRET_ACCESS_KEY = 'another';
  try {
    volume.backUp(target, folder, SEED, 7);
    assert.unreachable();
  } catch (error) {
    assert.instance(error, RefusalError);
    assert.is((error as RefusalError).code, 'PROGRAM_FAILED');
    assert.not.match((error as RefusalError).message, /\n/);
  } finally {
    process.env.AWS_SECRET_ACCESS_KEY = KEY.secret;
  }
  assert.equal(volume.sequences(target), [1, 2, 5, 6]);
});

test('a flipped bit in an object of the cluster is found', () => {
  const file = join(folder, 'object');
  const sizeOf = (name: string): number => Number(/size (\d+)/.exec(rados('stat', name))![1]);
  const names = rados('ls')
    .split('\n')
    .filter((name) => /_data\/|__shadow/.test(name));
  const [largest] = names.sort((a, b) => sizeOf(b) - sizeOf(a));
  rados('get', largest!, file);
  const bytes = readFileSync(file);
  bytes[Math.floor(bytes.length / 2)]! ^= 4;
  writeFileSync(file, bytes);
  rados('put', largest!, file);
  const damaged = target.points().map((point) =>
    target.verify(
      point,
      undefined,
      () => undefined,
      () => undefined,
    ),
  );
  assert.ok(
    damaged.some((blocks) => blocks > 0),
    `${largest}`,
  );
});

test.run();
