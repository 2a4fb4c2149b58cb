/** Restore points on another machine, and what does not end as it should. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusalError } from '../../host/errors.js';
import { BLOCK_BYTES } from '../../host/layout.js';
import { SshTarget } from '../../host/targets/ssh/target.js';
import type { PointDamage } from '../../host/targets/target.js';
import {
  addressOf,
  at,
  BYTES,
  clean,
  content,
  factsOf,
  failure,
  newFolder,
  SERIES,
  snap,
  snapshotFile,
  syscalls,
  tools,
} from './scene.js';

test('a second one that writes is refused, one that reads is not', () => {
  const locked = addressOf(newFolder('locked'));
  const [first, second] = [new SshTarget(locked, syscalls), new SshTarget(locked, syscalls)];
  first.tidy(assert.unreachable);
  const refused = failure(() => second.tidy(assert.unreachable));
  assert.is((refused as RefusalError).code, 'BACKUP_RUNNING');
  assert.equal(second.points(), []);
  first.close();
  second.tidy(assert.unreachable);
  second.close();
});

test('a whole copy that was killed goes on from its checkpoint, whichever side was killed; no point is lost', async () => {
  const other = newFolder('killed');
  const script = at('copy.mts');
  const root = new URL('../../', import.meta.url).pathname;
  snap(4);
  // Stops after a checkpoint in the middle, for good.
  writeFileSync(
    script,
    `import { readFileSync } from 'node:fs';
     import { nativeSyscalls } from '${root}host/system/syscalls.js';
     import { SshTarget } from '${root}host/targets/ssh/target.js';
     const target = new SshTarget(process.argv[2], nativeSyscalls());
     const writer = target.begin({ series: '${SERIES}', sequence: 4n, time: new Date(0), bytes: ${BYTES} }, undefined);
     const data = readFileSync('${snapshotFile(4)}');
     for (let at = writer.cursor; at < ${BYTES / 4}; at += 1048576) writer.write(data.subarray(at, at + 1048576), at);
     writer.checkpoint(${BYTES / 4});
     console.log('ready');
     setInterval(() => writer.write(data.subarray(${BYTES / 4}, ${BYTES / 4 + 1048576}), ${BYTES / 4}), 1);`,
  );
  for (const victim of ['tool', 'datto-receive']) {
    const child = spawn(process.execPath, ['--import', 'tsx', script, addressOf(other)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const over = new Promise((resolve) => child.once('exit', resolve));
    if (victim === 'tool') child.kill('SIGKILL');
    else execFileSync('pkill', ['-KILL', '-f', `${tools}/datto-receive.mjs`]);
    await over;
    const target = new SshTarget(addressOf(other), syscalls);
    const begun = target.begun();
    assert.is(begun?.sequence, 4n, victim);
    assert.ok((begun?.storedBytes ?? 0) >= BYTES / 4 - BYTES / 8);
    assert.equal(target.points(), []);
  }
  const target = new SshTarget(addressOf(other), syscalls);
  target.tidy(assert.unreachable);
  const writer = target.begin({ ...factsOf(4), filesystem: undefined } as never, undefined);
  assert.is(writer.cursor, BYTES / 4);
  const data = readFileSync(snapshotFile(4));
  writer.write(data.subarray(BYTES / 4), BYTES / 4);
  const point = writer.commit();
  const damage: PointDamage[] = [];
  assert.is(
    target.verify(
      point,
      (one) => damage.push(one),
      () => undefined,
    ),
    0,
  );
});

test('a flipped bit is found', () => {
  const [file] = readdirSync(join(at('killed'), 'points')).filter((name) => name.endsWith('.qcow2'));
  const path = join(at('killed'), 'points', file!);
  const bytes = readFileSync(path);
  const place = bytes.indexOf(readFileSync(snapshotFile(4)).subarray(20 * BLOCK_BYTES, 21 * BLOCK_BYTES));
  assert.ok(place > 0);
  bytes[place + 100]! ^= 4;
  writeFileSync(path, bytes);
  const { status, stdout } = spawnSync(join(tools, 'datto-verify.mjs'), ['points', addressOf(at('killed'))], {
    encoding: 'utf8',
  });
  assert.is(status, 3);
  assert.match(stdout, /block 20\b/);
  const target = new SshTarget(addressOf(at('killed')), syscalls);
  assert.match(target.fault(target.points()[0]!) ?? '', /something else wrote .* on elsewhere$/);
});

test('a run whose connection breaks reports why, and closes its point without another error', () => {
  const target = new SshTarget(addressOf(newFolder('broken')), syscalls);
  const writer = target.begin(factsOf(1), undefined);
  writer.write(content.subarray(0, 1048576), 0);
  writer.flush();
  execFileSync('pkill', ['-KILL', '-f', `${tools}/datto-receive.mjs`]);
  const first = failure(() => writer.flush());
  assert.match(first.message, /^cannot reach datto-receive on elsewhere: ssh ended/);
  assert.is(
    failure(() => writer.flush()),
    first,
  );
  writer.close();
  writer.discard();
});

test('a reader that gives up in the middle does not take the rest for the next reply', () => {
  const target = new SshTarget(addressOf(at('killed')), syscalls);
  const point = target.points()[0]!;
  const stop = (): never => {
    throw new RefusalError('NO_SPACE', 'enough');
  };
  assert.is(
    failure(() =>
      target.verify(
        point,
        () => undefined,
        () => undefined,
        stop,
      ),
    ).message,
    'enough',
  );
  assert.equal(target.points(), [point]);
});

test('a disk that is full is named by the call after, and what was written is removed', () => {
  if (process.getuid?.() !== 0) return;
  const small = newFolder('small');
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=700', 'small', small]);
  try {
    const target = new SshTarget(addressOf(small), syscalls);
    const writer = target.begin(factsOf(1), undefined);
    for (let offset = 0; offset < BYTES / 2; offset += 1048576)
      writer.write(content.subarray(offset, offset + 1048576), offset);
    assert.match(failure(() => writer.flush()).message, /No space left on device$/);
    // Whatever is tried, it becomes no point.
    assert.match(failure(() => writer.commit()).message, /No space left on device$/);
    writer.discard();
    assert.equal(target.points(), []);
    assert.is(target.begun(), undefined);
    assert.not(existsSync(join(small, 'points/new.qcow2')));
    assert.ok(statSync(small).isDirectory());
  } finally {
    spawnSync('sleep', ['0.2']);
    execFileSync('umount', ['-l', small]);
  }
});

test.after(clean);
test.run();
