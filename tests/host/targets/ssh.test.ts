/** Restore points on another machine. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ENOENT, errnoOf, type RefusalError, type SystemError } from '../../../host/errors.js';
import { BLOCK_BYTES } from '../../../host/layout.js';
import { SshTarget } from '../../../host/targets/ssh/target.js';
import {
  addressOf,
  at,
  clean,
  factsOf,
  failure,
  makePoint,
  newFolder,
  run,
  server,
  snapshotFile,
  syscalls,
} from '../../ssh/scene.js';

const folder = newFolder('points');
const address = addressOf(folder);

test('points are made, listed, verified and removed as in a folder of this machine', () => {
  const target = new SshTarget(address, syscalls);
  assert.equal(target.points(), []);
  assert.is(target.begun(), undefined);
  const made = [makePoint(target, 1), makePoint(target, 2, [0, 7, 4095]), makePoint(target, 3, [7, 8, 2000])];
  assert.equal(
    made.map(({ name, kind }) => `${name} ${kind}`),
    ['c0ffee00-1 whole', 'c0ffee00-2 incremental', 'c0ffee00-3 incremental'],
  );
  assert.equal(target.points(), made);
  assert.equal(made[2]?.filesystem, factsOf(3).filesystem);
  assert.ok(target.storedBytes(made[1]!) < 256 * BLOCK_BYTES);
  target.remove(made[1]!);
  target.tidy(assert.unreachable);
  assert.equal(target.lost(), []);
  assert.equal(
    target.points().map(({ name }) => name),
    ['c0ffee00-1', 'c0ffee00-3'],
  );
  for (const [point, sequence] of [
    [made[0]!, 1],
    [made[2]!, 3],
  ] as const) {
    const read: Buffer[] = [];
    assert.is(target.fault(point), undefined);
    assert.is(
      target.verify(
        point,
        () => assert.unreachable(),
        () => undefined,
        (data) => read.push(Buffer.from(data)),
      ),
      0,
    );
    assert.ok(Buffer.concat(read).equals(readFileSync(snapshotFile(sequence))));
  }
  assert.match(failure(() => target.remove(made[2]!)).message, /or the newest \(on elsewhere\)$/);
});

test('datto-restore and datto-verify reach them', () => {
  const { points } = JSON.parse(run('datto-restore', 'list', '--json', address)) as { points: Array<{ name: string }> };
  assert.equal(
    points.map(({ name }) => name),
    ['c0ffee00-1', 'c0ffee00-3'],
  );
  run('datto-restore', 'copy', address, 'latest', at('restored'));
  assert.ok(readFileSync(at('restored')).equals(readFileSync(snapshotFile(3))));
  run('datto-restore', 'copy', address, 'c0ffee00-1', at('restored.1'));
  assert.ok(readFileSync(at('restored.1')).equals(readFileSync(snapshotFile(1))));
  assert.match(run('datto-verify', 'points', address), /c0ffee00-3/);
});

test('what cannot be reached or used is named, with the reason', () => {
  const points = (target: string): RefusalError | SystemError =>
    failure(() => new SshTarget(target, syscalls).points());
  for (const wrong of ['ssh:host', 'ssh:host:folder', 'ssh:-oProxyCommand=x:/a', 'ssh:a b:/c', 'ssh:$(x):/c'])
    assert.match(
      failure(() => new SshTarget(wrong, syscalls)).message,
      /it is no address of a folder elsewhere/,
      wrong,
    );
  const missing = points(addressOf(at('missing')));
  assert.is(errnoOf(missing), ENOENT);
  assert.match(missing.message, /^cannot open .*\/missing on elsewhere: No such file or directory$/);
  server.allow(`datto-receive ${newFolder('allowed')}`);
  assert.match(
    points(address).message,
    /^cannot open .*\/points: it lies elsewhere, expected a folder in .*\/allowed /,
  );
  assert.equal(new SshTarget(addressOf(at('allowed')), syscalls).points(), []);
  server.allow('datto-missing');
  assert.match(
    points(address).message,
    /^cannot reach datto-receive on elsewhere: ssh ended and printed ".*datto-missing: .*not found"; hint: install dattobd-utils/,
  );
  server.allow('echo hello everybody out there');
  assert.match(points(address).message, /^cannot understand datto-receive of elsewhere: Protocol error$/);
  server.allow(undefined);
  assert.match(points(address).message, /Permission denied \(publickey/);
  server.allow('');
});

test.after(clean);
test.run();
