import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RefusalError } from '../../../host/errors.js';
import { NbdSession } from '../../../host/nbd/server.js';
import { nativeSyscalls } from '../../../host/system/syscalls.js';
import { pointsFolder, Qcow2Target } from '../../../host/targets/qcow2.js';
import type { Point, Target } from '../../../host/targets/target.js';
import { backUp, contentOf, seriesOf, VOLUME_BYTES } from './point-run.js';

const KILLS = Number(process.env.POINT_KILLS ?? 8);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6) + 1);
const scratch = mkdtempSync(join(tmpdir(), 'datto-qcow2-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
const syscalls = nativeSyscalls();
let folders = 0;

const newFolder = (): string => {
  const folder = join(scratch, `${++folders}`);
  mkdirSync(folder, { mode: 0o700 });
  return folder;
};

const contentIn = (target: Qcow2Target, point: Point): Buffer => {
  const session = new NbdSession(target.exportOf(point), syscalls);
  const content = Buffer.alloc(session.client.bytes);
  session.client.readFull(content, 0);
  session.close();
  return content;
};

/** Damaged runs of a point. */
const damageOf = (target: Target, point: Point): unknown[] => {
  const runs: unknown[] = [];
  target.verify(
    point,
    (run) => runs.push(run),
    () => undefined,
  );
  return runs;
};

const requireRight = (target: Qcow2Target, seed: number): void => {
  for (const point of target.points()) {
    const content = contentIn(target, point);
    assert.ok(content.equals(contentOf(seed, Number(point.sequence))), `point ${point.name}, seed ${seed}`);
    assert.equal(damageOf(target, point), [], `sums of ${point.name}, seed ${seed}`);
  }
};

const sequences = (target: Target): bigint[] => target.points().map(({ sequence }) => sequence);
const noNotice = (text: string): void => assert.unreachable(text);

test('each point is its snapshot, also once others are removed', () => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  assert.equal(target.points(), []);
  const points = [1, 2, 3, 4, 5, 6].map((sequence) => backUp(target, folder, SEED, sequence));
  assert.equal(
    points.map(({ kind }) => kind),
    ['whole', ...Array.from({ length: 5 }, () => 'incremental')],
  );
  requireRight(target, SEED);
  // In the middle, then the whole one, then the newest is refused.
  target.remove(points[2]!);
  target.remove(points[3]!);
  assert.equal(sequences(target), [1n, 2n, 5n, 6n]);
  requireRight(target, SEED);
  target.remove(points[0]!);
  assert.equal(
    target.points().map(({ kind }) => kind),
    ['whole', 'incremental', 'incremental'],
  );
  requireRight(target, SEED);
  assert.throws(() => target.remove(points[5]!), /the newest/);
  const files = readdirSync(pointsFolder(folder)).sort();
  const names = [2, 5, 6].flatMap((sequence) =>
    ['qcow2', 'sums'].map((end) => `${seriesOf(SEED).slice(0, 8)}-${sequence}.${end}`),
  );
  assert.equal(files, [...names, 'points.json']);
  for (const file of files) assert.is(statSync(join(pointsFolder(folder), file)).mode & 0o777, 0o600, file);
  // Another program reads the same; paths in the files are relative.
  const moved = join(scratch, 'moved');
  spawnSync('cp', ['-a', folder, moved]);
  writeFileSync(join(scratch, 'wanted'), contentOf(SEED, 6));
  const last = join(pointsFolder(moved), `${names[4]}`);
  const { status, stderr } = spawnSync('qemu-img', [
    'compare',
    '-q',
    '-f',
    'qcow2',
    '-F',
    'raw',
    last,
    join(scratch, 'wanted'),
  ]);
  assert.is(status, 0, `${stderr}`);
  assert.is(spawnSync('qemu-img', ['check', '-q', last]).status, 0);
});

test('a change takes its blocks, not whole clusters', () => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  backUp(target, folder, SEED, 1);
  const point = backUp(target, folder, SEED, 2);
  const stored = target.storedBytes(point);
  // Some 60 runs of 1 to 64 blocks; with clusters of 64 KiB they would take 3 MiB.
  assert.ok(stored < 2 * 1048576, `${stored} bytes`);
});

test('a new series begins with a whole point, and the old one can be removed', () => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  for (const sequence of [1, 2, 3]) backUp(target, folder, SEED, sequence);
  const point = backUp(target, folder, SEED + 1, 1);
  assert.is(point.kind, 'whole');
  for (const old of target.points().slice(0, 3).reverse()) target.remove(old);
  requireRight(target, SEED + 1);
  assert.is(readdirSync(pointsFolder(folder)).length, 3);
});

test('a point that another program reads is removed later, and holds up nothing else', () => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  const points = [1, 2, 3, 4].map((sequence) => backUp(target, folder, SEED, sequence));
  const reader = new NbdSession(target.exportOf(points[1]!), syscalls);
  assert.throws(() => target.remove(points[1]!), /cannot run qemu-img/);
  requireRight(target, SEED);
  const notices: string[] = [];
  target.tidy((text) => notices.push(text));
  assert.is(notices.length, 1);
  assert.match(notices[0]!, /-2 is not removed yet/);
  backUp(target, folder, SEED, 5);
  assert.throws(() => target.remove(points[2]!), /cannot run qemu-img/);
  assert.equal(sequences(target), [1n, 3n, 4n, 5n]);
  requireRight(target, SEED);
  const content = Buffer.alloc(VOLUME_BYTES);
  reader.client.readFull(content, 0);
  assert.ok(content.equals(contentOf(SEED, 2)), 'what is read all the while');
  reader.close();
  target.tidy(noNotice);
  target.remove(points[2]!);
  assert.equal(sequences(target), [1n, 4n, 5n]);
  requireRight(target, SEED);
  assert.is(readdirSync(pointsFolder(folder)).length, 7);
});

test('a flipped bit is found, and where', () => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  backUp(target, folder, SEED, 1);
  const point = backUp(target, folder, SEED, 2);
  const path = join(pointsFolder(folder), `${point.name}.qcow2`);
  const bytes = readFileSync(path);
  // The last block of data of the file.
  let at = bytes.length - 1;
  while (bytes[at] === 0) at--;
  bytes[at]! ^= 16;
  const { atime, mtime } = statSync(path);
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
  const damage = damageOf(target, point) as Array<{ start: number; count: number }>;
  assert.is(damage.length, 1);
  assert.is(damage[0]?.count, 1);
  assert.match(`${target.fault(point)}`, /something else wrote .*-2\.qcow2/);
  assert.equal(damageOf(target, target.points()[0]!), []);
});

test('a point whose file is missing is none, and no base', () => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  const points = [1, 2, 3].map((sequence) => backUp(target, folder, SEED, sequence));
  rmSync(join(pointsFolder(folder), `${points[1]!.name}.qcow2`));
  const notices: string[] = [];
  target.tidy((text) => notices.push(text));
  assert.equal(sequences(target), [1n]);
  assert.is(notices.length, 2);
  assert.match(notices[0]!, /-2 is lost: a file of it is missing/);
});

test('what is damaged or unsafe is refused in one line', () => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  const [first] = [1, 2].map((sequence) => backUp(target, folder, SEED, sequence));
  const sums = join(pointsFolder(folder), `${first!.name}.sums`);
  truncateSync(sums, 100);
  assert.throws(
    () => damageOf(target, first!),
    (error: unknown) => error instanceof RefusalError && /first|\.sums: it is damaged/.test(error.message),
  );
  writeFileSync(join(pointsFolder(folder), `${first!.name}.qcow2`), 'no image');
  assert.throws(
    () => contentIn(target, first!),
    (error: unknown) => error instanceof RefusalError && !error.message.includes('\n'),
  );
  const catalog = join(pointsFolder(folder), 'points.json');
  writeFileSync(catalog, readFileSync(catalog, 'utf8').replace('"bytes": 1', '"bytes": 2'));
  assert.throws(() => target.points(), /points\.json: it is damaged/);
  spawnSync('chmod', ['o+w', pointsFolder(folder)]);
  assert.throws(() => new Qcow2Target(folder, syscalls), /can be written to by others/);
});

test('an interrupted whole point goes on; another snapshot starts over', () => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  const facts = { series: seriesOf(SEED), sequence: 1n, time: new Date(0), bytes: VOLUME_BYTES };
  const content = contentOf(SEED, 1);
  const writer = target.begin(facts, undefined);
  writer.write(content.subarray(0, 1048576), 0);
  writer.checkpoint(1048576);
  // Lost: a later writer must not take it for zeros.
  writer.write(Buffer.alloc(1048576, 255), 10 * 1048576);
  writer.close();
  target.tidy(noNotice);
  assert.equal(target.begun()?.sequence, 1n);
  const again = target.begin(facts, undefined);
  assert.is(again.cursor, 1048576);
  assert.throws(() => target.begin(facts, undefined), /qemu-nbd: .*lock/);
  again.close();
  backUp(target, folder, SEED, 1);
  requireRight(target, SEED);
  assert.is(target.begun(), undefined);

  const other = new Qcow2Target(newFolder(), syscalls);
  const begun = other.begin(facts, undefined);
  begun.write(Buffer.alloc(1048576, 1), 0);
  begun.checkpoint(1048576);
  begun.close();
  const next = other.begin({ ...facts, sequence: 2n }, undefined);
  assert.is(next.cursor, 0);
  next.close();
  assert.is(other.begun(), undefined);
});

/** Runs the program, kills it or its engine at a random moment after its start, and says how it ended. */
const KILLER = `
: >"$4/said"	# what the round before said
"$1" --import "$2" "$3" "$4" "$5" >"$4/said" 2>&1 &
pid=$!
until grep -q begun "$4/said"; do sleep 0.05; kill -0 $pid || break; done
sleep "$6"
if [ "$7" = tool ]; then
	kill -KILL $pid
else
	# Until it ends: an engine that has ended by itself can be killed too, to no effect.
	while kill -0 $pid 2>/dev/null; do pkill -KILL -P $pid -x 'qemu-nbd|qemu-img|setpriv'; sleep 0.005; done
fi
wait $pid
echo "$?"
`;

const killRounds = (whom: 'tool' | 'engine'): void => {
  const folder = newFolder();
  const target = new Qcow2Target(folder, syscalls);
  const program = fileURLToPath(new URL('point-run.ts', import.meta.url));
  const loader = fileURLToPath(import.meta.resolve('tsx'));
  for (let round = 0; round < KILLS || target.points().length < 3; round++) {
    const delay = `${Math.random() * 2}`;
    const words = [process.execPath, loader, program, folder, `${SEED}`, delay, whom];
    const { stdout } = spawnSync('bash', ['-c', KILLER, 'killer', ...words], { encoding: 'utf8' });
    const said = readFileSync(join(folder, 'said'), 'utf8');
    // The tool is killed, or ends by itself with an error.
    assert.is(stdout.trim(), whom === 'tool' ? '137' : '1', said);
    assert.match(said, whom === 'tool' ? /^begun\n$/ : /Error: /, said);
    requireRight(target, SEED);
  }
  target.tidy(noNotice);
  const known = target.points().flatMap(({ name }) => [`${name}.qcow2`, `${name}.sums`]);
  const begun = target.begun() ? ['new.qcow2', 'new.sums'] : [];
  assert.equal(readdirSync(pointsFolder(folder)).sort(), [...known, ...begun, 'points.json'].sort());
};

test('a killed tool leaves complete points, and the next run goes on', () => killRounds('tool'));
test('a killed engine is an error; points stay complete, and the next run goes on', () => killRounds('engine'));

test.run();
