/** datto-verify points: restore points and images, with what has rotted in them. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK, backUp, FOLDER, IMAGE, inFolder, makeMachine, writeVolume } from './backup-scene.js';
import type { Outcome } from './tool.js';
import { at, runTool } from './tool.js';

const verify = (...words: readonly string[]): Outcome => runTool('datto-verify', ['points', ...words]);

/** Names of points, the oldest first. */
const makePoints = (): string[] => {
  makeMachine();
  return [[1], [10, 11], [700]].map((blocks) => {
    writeVolume(blocks);
    const { stdout } = backUp(['--json', '--keep', 'latest9']);
    return (JSON.parse(stdout) as { point: string }).point;
  });
};

/** Flips a bit of what a point has stored of a block of the volume. */
const rot = (name: string, block: number): void => {
  const file = inFolder(`points/${name}.qcow2`);
  const map = execFileSync('qemu-img', ['map', '--output=json', '-f', 'qcow2', file], { encoding: 'utf8' });
  const extents = JSON.parse(map) as Array<{ start: number; length: number; depth: number; offset?: number }>;
  const at = block * BLOCK;
  const found = extents.find(({ start, length, depth }) => depth === 0 && start <= at && at < start + length);
  assert.ok(found?.offset !== undefined, `block ${block} is not in ${name}`);
  flip(file, found.offset + at - found.start);
};
const flip = (file: string, offset: number): void => {
  const byte = readFileSync(file)[offset] ?? 0;
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.of(byte ^ 4), 0, 1, offset);
  closeSync(fd);
};

test('points that are as they were written are good: status 0', () => {
  const names = makePoints();
  const { status, stdout } = verify(FOLDER);
  assert.is(status, 0);
  assert.is(stdout, names.map((name) => `${name}: 4194304 bytes read, 0 blocks have rotted\n`).join(''));
  assert.is(verify(FOLDER, 'latest').stdout, `${names[2]}: 4194304 bytes read, 0 blocks have rotted\n`);
  assert.is(verify('--quiet', FOLDER).stdout, '');
});

test('what has rotted in a point is named in it, and in those that share it: status 3', () => {
  const [first = '', second = '', third = ''] = makePoints();
  rot(second, 11);
  const { status, stdout } = verify(FOLDER);
  assert.is(status, 3);
  const bad = (name: string): string =>
    `${name}: block 11 has rotted\n${name}: 4194304 bytes read, 1 blocks have rotted\n`;
  assert.is(stdout, `${first}: 4194304 bytes read, 0 blocks have rotted\n${bad(second)}${bad(third)}`);
  assert.is(verify(FOLDER, first).status, 0);
  const { points } = JSON.parse(verify('--json', FOLDER, second).stdout) as { points: unknown[] };
  assert.equal(points, [{ name: second, differing_blocks: 1, damage: [{ start: 11, count: 1 }] }]);
});

test('a point that is lost is named: status 3; one that is unknown is refused: status 22', () => {
  const [first = '', , third = ''] = makePoints();
  rmSync(inFolder(`points/${third}.qcow2`));
  const lost = verify(FOLDER);
  assert.is(lost.status, 3);
  assert.match(lost.stderr, new RegExp(`^datto-verify: [^\\n]*${third}[^\\n]*\\n$`));
  assert.match(lost.stdout, new RegExp(`^${first}: 4194304 bytes read, 0 blocks have rotted\\n`));
  const unknown = verify(FOLDER, 'nothing');
  assert.is(unknown.status, 22);
  assert.match(
    unknown.stderr,
    /^datto-verify: cannot find restore point 'nothing' in [^\n]*; hint: datto-restore list /,
  );
});

test('an image is compared with its manifest; without one, it is not known to be right: status 3', () => {
  makeMachine();
  backUp(['--manifest']);
  assert.is(verify(FOLDER).status, 0);
  const { size } = statSync(IMAGE);
  flip(IMAGE, size / 4 - 1);
  const rotten = verify(IMAGE);
  assert.is(rotten.status, 3);
  assert.match(rotten.stdout, new RegExp(`block ${size / 4 / BLOCK - 1} has rotted\\n`));
  rmSync(`${IMAGE}.datto-manifest`);
  const unknown = verify(IMAGE);
  assert.is(unknown.status, 3);
  assert.match(unknown.stdout, /: no sums were kept to compare it with\n$/);
  assert.is(verify(at('nothing')).status, 2);
});

test.run();
