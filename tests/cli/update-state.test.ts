import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeCowFile, UUID } from '../host/cow-maker.js';
import type { Fakes, Outcome } from './tool.js';
import { at, folder, runTool } from './tool.js';
import { BLOCK, COW, expected, IMAGE, makeInfo, makeScene, run, update } from './update-scene.js';

const STATE = `${IMAGE}.datto-state`;
const CLONE: Fakes = { FAKE_CLONE: '1' };
const ALL = Array.from({ length: 512 }, (_, block) => [block, 1n] as const);

const state = (): Record<string, unknown> => JSON.parse(readFileSync(STATE, 'utf8')) as Record<string, unknown>;
const rollback = (fakes: Fakes = {}, ...options: string[]): Outcome => run(['--rollback', ...options, IMAGE], fakes);
/** Files beside the image that belong to it. */
const companions = (): string[] => readdirSync(folder).filter((name) => name.startsWith('image.'));

/** Snapshot 3 and COW file 2 after `makeScene` and an update to snapshot 2. */
const nextSnapshot = (blocks: readonly number[]): void => {
  makeCowFile(COW, { nrSectors: 4096, seqid: 2n, entries: blocks.map((block) => [block, 1n] as const) });
  makeInfo({ deviceSeqid: 3n });
};

/** An image of which about half is copied: the process dies in the middle of the write that has this number. */
const interruptedScene = (step: number, options: string[] = [], fakes: Fakes = {}): ReturnType<typeof makeScene> => {
  const scene = makeScene({ entries: ALL });
  assert.is(update({ ...fakes, FAKE_KILL_AT: `${step}` }, options).status, null);
  assert.is(state().state, 'UPDATING');
  return scene;
};

const assertRefused = (outcome: Outcome, words: RegExp, status = 22): void => {
  assert.equal([outcome.status, outcome.stdout], [status, ''], outcome.stderr);
  assert.match(outcome.stderr, words);
};

test('a first update adopts the image, and a state file tells what it is from then on', () => {
  makeScene();
  assert.match(run(['--status', IMAGE]).stdout, /: unknown, there is no state file\n$/);
  const before = new Date().toISOString();
  assert.is(update().status, 0);
  const { mtime, time, sum, ...rest } = state();
  assert.match(`${sum}`, /^[0-9a-f]{64}$/);
  assert.equal(rest, {
    ...{ format: 'dattobd image state', version: 1, state: 'CLEAN' },
    ...{ series: UUID.toString('hex'), sequence: '2', bytes: 2097152 },
  });
  assert.is(mtime, `${statSync(IMAGE, { bigint: true }).mtimeNs}`);
  assert.ok(before <= `${time}` && `${time}` <= new Date().toISOString(), `${time}`);
  assert.match(run(['--status', IMAGE]).stdout, /image: snapshot 2 of series 0011[0-9a-f]+, since /);
  assert.equal(companions(), ['image.datto-state']);
});

test('an image of another series, or of another snapshot of it, is refused before anything is written', () => {
  makeScene();
  update();
  const before = readFileSync(IMAGE);
  makeCowFile(COW, { nrSectors: 4096, seqid: 3n, entries: ALL });
  makeInfo({ deviceSeqid: 4n });
  assertRefused(update(), /it is snapshot 2, expected 3\n$/);
  const uuid = Buffer.alloc(16, 9);
  makeCowFile(COW, { nrSectors: 4096, uuid, entries: ALL });
  makeInfo({ deviceUuid: uuid });
  assertRefused(update(), /it is of series 0011[0-9a-f]+, expected 0909.*use --adopt\n$/);
  const refused = update({}, ['--json']);
  assert.is((JSON.parse(refused.stdout) as { error: { code: string } }).error.code, 'IMAGE_SERIES');
  assert.ok(readFileSync(IMAGE).equals(before));
  assert.is(update({}, ['--adopt']).status, 0);
  assert.equal([state().series, state().sequence], ['09'.repeat(16), '2']);
});

test('an image that something else wrote is refused, until the user vouches for it', () => {
  makeScene();
  update();
  utimesSync(IMAGE, 1, 1);
  nextSnapshot([5]);
  assertRefused(update(), /something else wrote it after .* use --adopt\n$/);
  assert.match(run(['--status', IMAGE]).stdout, /; but something else wrote it since\n$/);
  assert.is(update({}, ['--adopt']).status, 0);
});

test('a state file that is damaged is refused, not guessed at', () => {
  makeScene();
  update();
  const text = readFileSync(STATE, 'utf8');
  for (const damaged of ['', text.slice(0, -20), text.replace('CLEAN', 'GLEAN'), text.replace(/"2"/, '2'), '[]']) {
    writeFileSync(STATE, damaged);
    assertRefused(update(), /it is not a state file/);
  }
});

test('a state file with a single wrong digit is refused; one without a sum is used as far as it can be right', () => {
  const scene = interruptedScene(9, ['--checkpoint', '1']);
  const text = readFileSync(STATE, 'utf8');
  for (const [from, to] of [
    [/"cursor": \d/, '"cursor": 9'],
    [/"changedBlocks": 5/, '"changedBlocks": 4'],
    [/"bytes": 2/, '"bytes": 3'],
    [/"sequence": "1"/, '"sequence": "0"'],
  ] as const) {
    const damaged = text.replace(from, to);
    assert.is.not(damaged, text);
    writeFileSync(STATE, damaged);
    assertRefused(update(), /it is not a state file \(its sum does not fit\); if you move it away/);
  }
  const { sum: _sum, ...old } = JSON.parse(text) as Record<string, unknown>;
  writeFileSync(STATE, JSON.stringify({ ...old, cursor: 1e15 }));
  assertRefused(update(), /it is not a state file \(cursor beyond the end of the image\)/);
  // Not even if the size of the image is wrong too.
  writeFileSync(STATE, JSON.stringify({ ...old, cursor: 1e15, bytes: 1e15 }));
  assert.is(update().status, 0);
  assert.ok(readFileSync(IMAGE).equals(scene.snapshot));
});

test('an update that was interrupted goes on, says so, and keeps its three lines', () => {
  const scene = interruptedScene(9, ['--checkpoint', '1']);
  const { status, stdout, stderr } = update();
  assert.is(status, 0);
  assert.is(stdout, 'snapshot is 512 blocks large\ncopying blocks\ncopying complete: 512 blocks changed, 0 errors\n');
  assert.match(
    stderr,
    /^update-img: the last update of .* from snapshot 1 to 2 was interrupted; resuming at offset \d+\n$/,
  );
  assert.ok(readFileSync(IMAGE).equals(scene.snapshot));
});

test('a resumed update copies from its cursor on only', () => {
  // The second is the deprecated name: it works, and nothing is printed about it.
  for (const option of ['--checkpoint', '--cursor']) {
    const scene = makeScene({ entries: ALL });
    const failed = update({ FAKE_BAD_READ: `${300 * BLOCK}` }, [option, '1']);
    assert.is(failed.status, 5, option);
    assert.match(failed.stderr, /^update-img: cannot read [^\n]+\n$/);
    assert.is(state().cursor, 1048576, option);
    const result = JSON.parse(update({}, ['--json']).stdout) as Record<string, unknown>;
    assert.equal([result.action, result.copied_bytes], ['resume', 1048576]);
    assert.ok(readFileSync(IMAGE).equals(scene.snapshot));
  }
});

test('an interrupted update is not mixed up with the next one, and what to do is said', () => {
  interruptedScene(5);
  nextSnapshot([7]);
  assertRefused(
    update(),
    /an update from snapshot 1 to 2 was interrupted, and this leads from 2 to 3; give the COW files .* --also/,
  );
  interruptedScene(9, [], CLONE);
  nextSnapshot([7]);
  assertRefused(update(), /`update-img --rollback .*` restores snapshot 1\n$/);
});

test('--also: an image that was interrupted, or missed a snapshot, catches up in one go', () => {
  for (const interrupted of [true, false]) {
    const scene = makeScene();
    if (interrupted) assert.is(update({ FAKE_KILL_AT: '7' }).status, null);
    makeCowFile(at('cow-1'), { nrSectors: 4096, entries: [1, 2, 300].map((block) => [block, 1n] as const) });
    nextSnapshot([2, 7, 301]);
    const { status, stdout, stderr } = update({}, ['--also', at('cow-1')]);
    assert.is(status, 0, stderr);
    assert.match(stdout, /: 5 blocks changed, 0 errors\n$/);
    assert.ok(readFileSync(IMAGE).equals(expected(scene, [1, 2, 7, 300, 301])));
    assert.equal([state().state, state().sequence], ['CLEAN', '3']);
  }
  assertRefused(update({}, ['--also', COW]), /has number 2 of its series, expected 1\n$/);
});

for (const [name, fakes] of [
  ['an undo log', {}],
  ['a clone', CLONE],
] as const) {
  test(`--keep-previous and --rollback with ${name}`, () => {
    const scene = makeScene({ entries: ALL });
    assert.is(update(fakes, ['--keep-previous']).status, 0);
    assert.ok(readFileSync(IMAGE).equals(scene.snapshot));
    assert.match(run(['--status', IMAGE]).stdout, /snapshot 1 is kept and can be restored\n$/);
    const { status, stdout, stderr } = rollback(fakes);
    assert.is(status, 0, stderr);
    assert.match(stdout, /image is snapshot 1 again/);
    assert.ok(readFileSync(IMAGE).equals(scene.image));
    assert.equal(companions(), ['image.datto-state']);
    assertRefused(rollback(fakes), /no previous image is kept; .*: snapshot 1 of series/);
    assert.is(update(fakes).status, 0);
    assert.ok(readFileSync(IMAGE).equals(scene.snapshot));
  });

  test(`an interrupted update is rolled back with ${name}`, () => {
    const scene = makeScene({ entries: ALL });
    assert.is(update({ ...fakes, FAKE_BAD_READ: `${400 * BLOCK}` }, ['--keep-previous']).status, 5);
    assert.is(state().state, 'UPDATING');
    assert.is(rollback(fakes).status, 0);
    assert.ok(readFileSync(IMAGE).equals(scene.image));
  });

  test(`the image before is kept once only, with ${name}`, () => {
    makeScene();
    update(fakes, ['--keep-previous']);
    const second = readFileSync(IMAGE);
    assert.ok(companions().some((name) => name.endsWith('-1')));
    update(fakes, ['--keep-previous']);
    assert.ok(
      companions().some((name) => name.endsWith('-1')),
      'an update that is done again loses nothing',
    );
    nextSnapshot([4, 5]);
    assert.is(update(fakes, ['--keep-previous']).status, 0);
    assert.equal(
      companions()
        .filter((name) => /-\d+$/.test(name))
        .map((name) => name.slice(-2)),
      ['-2'],
    );
    assert.is(rollback(fakes).status, 0);
    assert.ok(readFileSync(IMAGE).equals(second));
  });
}

test('a clone is a safety net where it costs nothing, and goes when the update is complete', () => {
  makeScene();
  assert.is(update(CLONE).status, 0);
  assert.equal(companions(), ['image.datto-state']);
  interruptedScene(9, [], CLONE);
  assert.is(rollback(CLONE).status, 0);
  assert.equal([state().state, state().sequence], ['CLEAN', '1']);
  interruptedScene(5, ['--no-safety-clone'], CLONE);
  assertRefused(rollback(CLONE), /no previous image is kept/);
});

test('an undo log that is damaged is refused before the first byte is written', () => {
  makeScene({ entries: ALL });
  update({}, ['--keep-previous']);
  const image = readFileSync(IMAGE);
  const log = `${IMAGE}.datto-undo-1`;
  const whole = readFileSync(log);
  for (const offset of [
    0,
    9,
    16,
    4096,
    4100,
    4105,
    4113,
    4120,
    4128,
    1048576 + 5000,
    whole.length - 1,
    whole.length - 20,
  ]) {
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(offset) ^ 1, offset);
    writeFileSync(log, damaged);
    assertRefused(rollback(), /it is damaged at/);
  }
  writeFileSync(log, whole.subarray(0, -32));
  assertRefused(rollback(), /it is damaged at/);
  assert.ok(readFileSync(IMAGE).equals(image));
  writeFileSync(log, whole);
  utimesSync(IMAGE, 1, 1);
  assertRefused(rollback(), /something else wrote it/);
  assert.is(rollback({}, '--adopt').status, 0);
});

test('two at once: the second is told, and changes nothing', async () => {
  makeScene();
  const holder = spawn('flock', [IMAGE, 'sh', '-c', 'echo held; read line'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  try {
    assertRefused(update(), /another process is working on it\n$/, 16);
    assertRefused(rollback(), /another process is working on it\n$/, 16);
    assert.is(runTool('datto-verify', ['scrub', IMAGE]).status, 16);
    assert.is(existsSync(STATE), false);
  } finally {
    holder.stdin.end('\n');
    await new Promise((resolve) => holder.once('exit', resolve));
  }
  assert.is(update().status, 0);
});

test('--dry-run checks the state, and leaves no file behind', () => {
  makeScene();
  assert.is(update(CLONE, ['--dry-run', '--keep-previous']).status, 0);
  assert.equal(companions(), []);
  update();
  nextSnapshot([3]);
  makeInfo({ deviceSeqid: 5n });
  assertRefused(update({}, ['--dry-run']), /has number 2 of its series, expected 4\n$/);
});

test('--verify compares what was copied and a sample of the rest, and remembers what it finds', () => {
  const scene = makeScene();
  const differing = update({}, ['--verify']);
  assert.is(differing.status, 5, differing.stderr);
  assert.match(differing.stdout, /compared 3 changed blocks and 509 others: 509 differ\n$/);
  assert.match(differing.stderr, /blocks 3 to 299 differ from the snapshot, though not listed as changed\n/);
  assertRefused(update(), /found to differ from snapshot 2 .* --adopt\n$/);
  assert.match(run(['--status', IMAGE]).stdout, /not snapshot 2 of series/);

  writeFileSync(IMAGE, scene.snapshot);
  const same = update({}, ['--adopt', '--verify', '--sample', '100']);
  assert.is(same.status, 0);
  assert.match(same.stdout, /compared 3 changed blocks and 100 others: 0 differ\n$/);
});

test('--manifest makes one, which updates and rollbacks keep in step with the image', () => {
  const manifest = `${IMAGE}.datto-manifest`;
  for (const fakes of [{}, CLONE]) {
    makeScene();
    assert.match(update(fakes, ['--manifest']).stdout, /\nroot [0-9a-f]{64}\n$/);
    const second = readFileSync(manifest);
    nextSnapshot([2, 9, 511]);
    assert.is(update(fakes, ['--keep-previous']).status, 0);
    const third = readFileSync(manifest);
    assert.ok(!third.equals(second));
    assert.is(runTool('datto-verify', ['scrub', IMAGE]).status, 0);
    // What was carried on is what would be made anew.
    assert.is(runTool('datto-verify', ['manifest', IMAGE]).status, 0);
    assert.ok(readFileSync(manifest).equals(third));
    assert.is(rollback(fakes).status, 0);
    assert.ok(readFileSync(manifest).equals(second));
  }
});

test('a rollback killed at any step and said again leaves image and manifest of the snapshot before', () => {
  for (const fakes of [{}, CLONE]) {
    let killed = 0;
    for (let step = 1; step <= 100; step++) {
      const { image } = makeScene();
      // Nothing is known of the image yet, so its manifest has no number.
      assert.is(runTool('datto-verify', ['manifest', IMAGE]).status, 0);
      assert.is(update(fakes, ['--keep-previous']).status, 0);
      if (rollback({ ...fakes, FAKE_KILL_AT: `${step}` }).status === 0) break;
      killed++;
      const again = rollback(fakes);
      if (again.status !== 0) assertRefused(again, /no previous image is kept; .*: snapshot 1 of series/);
      assert.ok(readFileSync(IMAGE).equals(image), `step ${step}`);
      const { status, stdout, stderr } = runTool('datto-verify', ['scrub', IMAGE]);
      assert.is(status, 0, `step ${step}: ${stdout}${stderr}`);
    }
    assert.ok(killed >= 5 && killed < 100);
  }
});

test('a manifest that is not of the image is left alone, and the user is told', () => {
  makeScene();
  writeFileSync(`${IMAGE}.datto-manifest`, 'mine');
  const { status, stderr } = update();
  assert.is(status, 0);
  assert.match(stderr, /is not a manifest of the image, it is not kept up to date/);
  assert.is(readFileSync(`${IMAGE}.datto-manifest`, 'utf8'), 'mine');
});

test('--state puts the state file, and what belongs to it, elsewhere', () => {
  makeScene();
  assert.is(update({}, ['--state', at('cow-state'), '--keep-previous']).status, 0);
  assert.equal(companions(), []);
  assert.ok(existsSync(at('cow-state.datto-undo-1')));
  assert.is(rollback({}, '--state', at('cow-state')).status, 0);
});

test('--fsync writes through; --progress shows how far it is', () => {
  const scene = makeScene({ entries: ALL });
  const { status, stderr } = update({}, ['--fsync', '--progress']);
  assert.is(status, 0);
  assert.match(stderr, /^100 % {2}2 of 2 MiB\n$/m);
  assert.ok(readFileSync(IMAGE).equals(scene.snapshot));
});

test('--rollback and --status take the image alone', () => {
  for (const args of [['--rollback'], ['--status', IMAGE, COW], ['--rollback', '--status', IMAGE]]) {
    assertRefused(run(args), /^Usage: update-img/);
  }
  assert.is(run(['--status', at('missing')]).status, 2);
});

test.run();
