import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RefusalCode } from '../../host/errors.js';
import { RefusalError } from '../../host/errors.js';
import { chunkBytesFor, chunksOf } from '../../host/targets/chunks/chunk.js';
import type { ChunkPoint } from '../../host/targets/chunks/facts.js';
import type { ChunkTarget } from '../../host/targets/chunks/target.js';
import type { EngineName } from './volume.js';
import * as volume from './volume.js';

const { backUp, changesOf, requireRight, sequences, VOLUME_BYTES } = volume;
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6) + 1);
const ENGINES = (process.env.ENGINES ?? 'restic borg').split(' ') as EngineName[];
const CHUNK_BYTES = chunkBytesFor(VOLUME_BYTES);
const GEOMETRY = { volumeBytes: VOLUME_BYTES, chunkBytes: CHUNK_BYTES };
volume.setPasswords();

/** One line, with the reason. */
const refuses = (call: () => unknown, code: RefusalCode, text: RegExp): void =>
  assert.throws(call, (error: unknown) => {
    assert.instance(error, RefusalError);
    assert.is((error as RefusalError).code, code, (error as RefusalError).message);
    assert.match((error as RefusalError).message, text);
    assert.not.match((error as RefusalError).message, /\n/);
    return true;
  });

/** Bytes of the chunks that a step changes. */
const changedBytes = (sequence: number): number =>
  chunksOf(changesOf(SEED, sequence), GEOMETRY).reduce(
    (sum, chunk) => sum + Math.min(CHUNK_BYTES, VOLUME_BYTES - chunk * CHUNK_BYTES),
    0,
  );

const damageOf = (target: ChunkTarget, point: ChunkPoint): number[] => {
  const found: number[] = [];
  const count = target.verify(
    point,
    undefined,
    ({ start }) => found.push(start),
    () => undefined,
  );
  assert.is(count > 0, found.length > 0);
  return found;
};

/** The state of the one target that has been written to. */
const stateOf = (folder: string): string => {
  const root = join(folder, 'state', 'chunks');
  return join(root, readdirSync(root).find((name) => existsSync(join(root, name, 'lock')))!);
};

const filesBelow = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true, encoding: 'utf8' }) as string[])
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());

/** Flips a bit in the middle of the largest file with data. */
const damage = (folder: string): void => {
  const files = filesBelow(join(folder, 'repository', 'data'));
  const [largest] = files.sort((a, b) => statSync(b).size - statSync(a).size);
  execFileSync('chmod', ['u+w', largest!]);
  const bytes = readFileSync(largest!);
  bytes[Math.floor(bytes.length / 2)]! ^= 4;
  writeFileSync(largest!, bytes);
};

for (const engine of ENGINES) {
  const folder = volume.scratchFolder();
  volume.makeRepository(engine, join(folder, 'repository'));
  const target = volume.targetIn(engine, folder);

  test(`${engine}: six points are made of changed chunks only`, () => {
    assert.equal(target.points(), []);
    for (let sequence = 1; sequence <= 6; sequence++) {
      const { readBytes, point, comparedChunks } = backUp(target, folder, SEED, sequence);
      assert.is(point.kind, sequence === 1 ? 'whole' : 'incremental');
      assert.is(readBytes, sequence === 1 ? VOLUME_BYTES : changedBytes(sequence), `seed ${SEED}`);
      assert.ok(comparedChunks > 0);
    }
    assert.equal(sequences(target), [1, 2, 3, 4, 5, 6]);
    refuses(() => backUp(target, folder, SEED, 6), 'OUTPUT_EXISTS', /cannot make restore point .*-6 .*: it exists/);
  });

  test(`${engine}: a point that is open holds up no run`, () => {
    const newest = target.points().at(-1)!;
    const opened = target.open(newest);
    const facts = { ...newest, sequence: newest.sequence + 1n };
    try {
      const impatient = volume.targetIn(engine, folder, 'volume', undefined, 1);
      impatient.backup({ device: join(folder, 'device'), facts, changed: [] });
      assert.ok(readFileSync(opened.path).equals(volume.contentOf(SEED, 6)));
    } finally {
      opened.close();
    }
    assert.equal(sequences(target), [1, 2, 3, 4, 5, 6, 7]);
  });

  test(`${engine}: two are removed in the middle, and each of the others is its snapshot`, () => {
    const points = target.points();
    target.remove([points[2]!, points[3]!]);
    assert.equal(sequences(target), [1, 2, 5, 6, 7]);
    for (const point of target.points().slice(0, 4)) requireRight(target, point);
    refuses(() => target.remove([points[2]!]), 'NO_PREVIOUS', /is unknown, or the newest/);
    refuses(() => target.remove([points[6]!]), 'NO_PREVIOUS', /is unknown, or the newest/);
    refuses(() => target.open(points[2]!), 'NO_PREVIOUS', /cannot open restore point/);
  });

  test(`${engine}: other volumes of the repository are others`, () => {
    assert.equal(volume.targetIn(engine, folder, 'another').points(), []);
  });

  test(`${engine}: a snapshot without changes is read from nowhere`, () => {
    const newest = target.points().at(-1)!;
    const device = join(folder, 'device');
    const facts = { ...newest, sequence: 8n };
    const { readBytes, changedChunks } = target.backup({ device, facts, changed: [] });
    assert.equal([readBytes, changedChunks], [0, 0]);
  });

  test(`${engine}: a clock that went back changes nothing`, () => {
    const { now } = Date;
    Date.now = () => Date.UTC(2001, 0, 1);
    try {
      const device = join(folder, 'device');
      writeFileSync(device, volume.contentOf(SEED, 9));
      const facts = { ...target.points().at(-1)!, sequence: 9n };
      const changed = [7, 8, 9].flatMap((step) => changesOf(SEED, step));
      const { point } = target.backup({ device, facts, changed });
      assert.equal(sequences(target), [1, 2, 5, 6, 7, 8, 9]);
      requireRight(target, point);
    } finally {
      Date.now = now;
    }
  });

  test(`${engine}: lost or damaged times lead to a full read`, () => {
    const times = join(stateOf(folder), 'times');
    const bytes = readFileSync(times);
    bytes[200]! ^= 1;
    writeFileSync(times, bytes);
    const newest = target.points().at(-1)!;
    assert.match(`${target.fault(newest)}`, /lost or damaged/);
    const facts = { ...newest, sequence: 10n };
    const changed = [{ start: 0, count: 1 }];
    refuses(
      () => target.backup({ device: join(folder, 'device'), facts, changed }),
      'WHOLE_COPY_NEEDED',
      /lost or damaged/,
    );
    const { readBytes, point } = backUp(target, folder, SEED, 10);
    assert.is(readBytes, VOLUME_BYTES);
    requireRight(target, point);
    assert.is(backUp(target, folder, SEED, 11).readBytes, changedBytes(11));
  });

  test(`${engine}: a change that nobody listed is found by the sample, and the next run reads everything`, () => {
    const device = join(folder, 'device');
    // Everywhere, so that any sample finds it.
    const content = volume.contentOf(SEED, 12);
    for (let at = 100; at < VOLUME_BYTES; at += CHUNK_BYTES) content[at]! ^= 1;
    writeFileSync(device, content);
    const newest = target.points().at(-1)!;
    const facts = { ...newest, sequence: 12n };
    refuses(
      () => target.backup({ device, facts, changed: changesOf(SEED, 12) }),
      'IMAGE_DIFFERS',
      /what it stored of .* differs from it in \d+ of \d+ chunks, the first at byte \d+; no restore point was made/,
    );
    assert.is(sequences(target).at(-1), 11);
    assert.match(`${target.fault(newest)}`, /a check found that the repository differs from the volume/);
    const { readBytes, point } = backUp(target, folder, SEED, 12);
    assert.is(readBytes, VOLUME_BYTES);
    requireRight(target, point);
  });

  test(`${engine}: a flipped bit in the repository is found`, () => {
    assert.equal(damageOf(target, target.points().at(-1)!), []);
    damage(folder);
    assert.ok(target.points().some((point) => damageOf(target, point).length > 0));
  });
}

test.run();
