import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { buildHostWasm } from '../../scripts/build-host-wasm.js';
import { findings, flipBits } from './bit-flips.js';
import { makeManifested } from './manifested.js';
import { at, runTool } from './tool.js';
import { BLOCK, COW, FAKES, IMAGE, makeScene, SNAP, SNAPSHOT, update } from './update-scene.js';

await buildHostWasm();

const verify = (...args: string[]): ReturnType<typeof runTool> => runTool('datto-verify', args, FAKES);

const veritysetup = (image: string, manifest: string, root: string): number | null =>
  spawnSync('veritysetup', ['verify', image, manifest, root]).status;

const changeByte = (path: string, offset: number): void => {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 0x10, offset);
  writeFileSync(path, bytes);
};

test('compare finds no difference between equal files, and leaves them as they are', () => {
  const { snapshot } = makeScene();
  copyFileSync(SNAP, IMAGE);
  assert.equal(verify('compare', SNAPSHOT, IMAGE), {
    status: 0,
    stdout: '512 blocks compared: 0 differ\n',
    stderr: '',
  });
  assert.ok(readFileSync(IMAGE).equals(snapshot));
  assert.ok(readFileSync(SNAP).equals(snapshot));
});

test('compare names every block that differs, neighbours together', () => {
  makeScene();
  copyFileSync(SNAP, IMAGE);
  for (const block of [0, 255, 256, 257, 511]) changeByte(IMAGE, block * BLOCK + 4095);
  const { status, stdout } = verify('compare', SNAP, IMAGE);
  assert.is(status, 3);
  assert.is(
    stdout,
    'block 0: differs\nblocks 255 to 257: differs\nblock 511: differs\n512 blocks compared: 5 differ\n',
  );
});

test('compare says what qemu-img compare says, of equal images and of differing ones', () => {
  /** Offset of the first difference; undefined if there is none. */
  const byQemu = (): number | undefined => {
    const raw = ['-f', 'raw', '-F', 'raw'];
    const { status, stdout, stderr } = spawnSync('qemu-img', ['compare', ...raw, SNAP, IMAGE], { encoding: 'utf8' });
    assert.ok(status === 0 || status === 1, stderr);
    const [, offset] = /^Content mismatch at offset (\d+)!$/m.exec(stdout) ?? [];
    assert.is(offset !== undefined, status === 1, stdout);
    return offset === undefined ? undefined : Number(offset);
  };
  const bySelf = (): number | undefined => {
    const { status, stdout } = verify('compare', '--json', SNAP, IMAGE);
    const { differences } = JSON.parse(stdout) as { differences: Array<{ start: number }> };
    assert.is(status, differences.length > 0 ? 3 : 0);
    return differences[0] && differences[0].start * BLOCK;
  };
  const { snapshot } = makeScene();
  // Zeros in one, a hole in the other: the same content.
  snapshot.fill(0, 100 * BLOCK, 200 * BLOCK);
  writeFileSync(SNAP, snapshot);
  rmSync(IMAGE);
  assert.is(spawnSync('cp', ['--sparse=always', SNAP, IMAGE]).status, 0);
  assert.equal([byQemu(), bySelf()], [undefined, undefined]);
  for (const block of [511, 150, 7]) {
    changeByte(IMAGE, block * BLOCK);
    assert.equal([byQemu(), bySelf()], [block * BLOCK, block * BLOCK]);
  }
});

test('compare --cow reads what is listed and a sample of the rest, which finds an update that did nothing', () => {
  makeScene();
  copyFileSync(SNAP, IMAGE);
  changeByte(IMAGE, 300 * BLOCK);
  changeByte(IMAGE, 301 * BLOCK);
  const few = verify('compare', '--cow', COW, '--sample', '0', SNAPSHOT, IMAGE);
  assert.is(few.stdout, 'block 300: differs\n3 blocks compared: 1 differ\n');
  const all = verify('compare', '--cow', COW, '--sample', '509', '--json', SNAPSHOT, IMAGE);
  const { differences, ...counts } = JSON.parse(all.stdout) as { differences: unknown; seed: number };
  assert.equal(counts, { compared_blocks: 512, sampled_blocks: 509, differing_blocks: 2, seed: counts.seed });
  assert.equal(differences, [
    { start: 300, count: 1, listed: true },
    { start: 301, count: 1, listed: false },
  ]);
  const again = ['compare', '--cow', COW, '--sample', '20', '--seed', '5', SNAPSHOT, IMAGE];
  assert.is(verify(...again).stdout, verify(...again).stdout);
});

test('compare refuses files of different size, and a COW file that is no list', () => {
  makeScene();
  truncateSync(IMAGE, 511 * BLOCK);
  assert.match(verify('compare', SNAPSHOT, IMAGE).stderr, /2093056 bytes, expected 2097152/);
  makeScene({ flags: 2 });
  const refused = verify('compare', '--json', '--cow', COW, SNAPSHOT, IMAGE);
  assert.is(refused.status, 22);
  assert.is((JSON.parse(refused.stdout) as { error: { code: string } }).error.code, 'NOT_CLEAN');
});

test('the root of a manifest is what veritysetup computes, whatever the depth of the tree', () => {
  for (const blocks of [2, 127, 128, 129, 128 * 128, 128 * 128 + 1]) {
    const { image, manifest, root } = makeManifested(blocks * BLOCK);
    assert.is(veritysetup(image, manifest, root), 0, `${blocks} blocks`);
    const wrong = `${root.startsWith('0') ? '1' : '0'}${root.slice(1)}`;
    assert.is.not(veritysetup(image, manifest, wrong), 0);
    changeByte(image, (blocks - 1) * BLOCK);
    assert.is.not(veritysetup(image, manifest, root), 0);
  }
});

test('scrub finds a sound image sound, of any size', () => {
  for (const bytes of [BLOCK, 2 * BLOCK, 129 * BLOCK, 300 * BLOCK + 512]) {
    const { image, content, root } = makeManifested(bytes);
    const blocks = Math.ceil(bytes / BLOCK);
    const stdout = `${blocks} blocks read: 0 rotten; 0 flaws in the manifest\nroot ${root}\n`;
    assert.equal(verify('scrub', image), { status: 0, stdout, stderr: '' });
    assert.ok(readFileSync(image).equals(content));
    changeByte(image, bytes - 1);
    assert.match(verify('scrub', image).stdout, new RegExp(`^block ${blocks - 1} of the image has rotted, offset`));
  }
});

test('scrub --fast finds rot of the image too', () => {
  const { image } = makeManifested(300 * BLOCK);
  changeByte(image, 77 * BLOCK + 5);
  const { status, stdout } = verify('scrub', '--fast', image);
  assert.is(status, 3);
  assert.match(stdout, /^block 77 of the image has rotted, offset 315392\n300 blocks read: 1 rotten/);
});

test('a block that was changed together with both of its hashes is found by the tree above', () => {
  const { image, manifest } = makeManifested(300 * BLOCK);
  const content = readFileSync(image);
  content.fill(7, 0, BLOCK);
  const forged = at('forged');
  for (const path of [forged, `${forged}.datto-manifest`]) rmSync(path, { force: true });
  writeFileSync(forged, content);
  verify('manifest', forged);
  const [mine, theirs] = [readFileSync(manifest), readFileSync(`${forged}.datto-manifest`)];
  // Block 0 of the file, superblock; 1 the top; 2 to 4 the leaves; then XXH64.
  theirs.copy(mine, 2 * BLOCK, 2 * BLOCK, 2 * BLOCK + 32);
  theirs.copy(mine, 5 * BLOCK, 5 * BLOCK, 5 * BLOCK + 8);
  writeFileSync(manifest, mine);
  writeFileSync(image, content);
  const { status, stdout } = verify('scrub', image);
  assert.is(status, 3);
  assert.match(stdout, /digest of hash block 0 of level 0 has rotted/);
});

test('100 flipped bits of image and manifest are found, and named once each', () => {
  const seed = Date.now() % 2 ** 32;
  const { image, manifest, content } = makeManifested(1000 * BLOCK);
  assert.equal(findings(image), []);
  console.log(`seed ${seed}`, flipBits(image, manifest, 100, seed));
  assert.equal(findings(image), []);
  assert.ok(readFileSync(image).equals(content));
});

test('every byte of the header and every kind of filling is covered', () => {
  const { image, manifest } = makeManifested(300 * BLOCK);
  const flipped = (offset: number): string => {
    changeByte(manifest, offset);
    const [first] = findings(image);
    changeByte(manifest, offset);
    return first?.what ?? 'nothing';
  };
  for (const offset of [0, 80, 511, 512, 560, 592, 700, 4095]) assert.is(flipped(offset), 'header', `${offset}`);
  assert.is(flipped(BLOCK + 3 * 32), 'filling');
  assert.is(flipped(BLOCK + 2 * 32), 'tree');
  assert.is(flipped(5 * BLOCK + 300 * 8), 'filling');
  assert.is(flipped(5 * BLOCK + 299 * 8), 'sum');
});

test('scrub refuses what is no manifest of the image, one that is missing, and one of another snapshot', () => {
  const { image, manifest } = makeManifested(300 * BLOCK);
  truncateSync(manifest, 100);
  assert.match(verify('scrub', image).stderr, /has 100 bytes, expected/);
  rmSync(manifest);
  assert.match(verify('scrub', image).stderr, /hint: datto-verify manifest makes it/);

  makeScene();
  assert.is(update().status, 0);
  assert.is(verify('manifest', IMAGE).status, 0);
  const old = readFileSync(`${IMAGE}.datto-manifest`);
  rmSync(`${IMAGE}.datto-manifest`);
  makeScene({ seqid: 2n, deviceSeqid: 3n });
  assert.is(update().status, 0);
  writeFileSync(`${IMAGE}.datto-manifest`, old);
  const { status, stderr } = verify('scrub', IMAGE);
  assert.is(status, 22);
  assert.match(stderr, /it is of snapshot 2, and the image is 3; hint: datto-verify manifest makes/);
});

test('manifest and scrub share the image with others that read it, on network filesystems too', async () => {
  const { image } = makeManifested(1048576);
  for (const command of ['manifest', 'scrub']) {
    const { status, stderr } = runTool('datto-verify', [command, image], { FAKE_NFS: '1' });
    assert.equal([status, stderr], [0, ''], command);
  }
  const holder = spawn('flock', ['-s', image, 'sh', '-c', 'echo held; read line'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  try {
    for (const command of ['manifest', 'scrub']) assert.is(verify(command, image).status, 0, command);
  } finally {
    holder.stdin.end('\n');
    await new Promise((resolve) => holder.once('exit', resolve));
  }
});

test('a wrong command line is 22, with words on standard error', () => {
  for (const args of [
    [],
    ['nope'],
    ['scrub'],
    ['compare', IMAGE],
    ['scrub', '--nope', IMAGE],
    ['manifest', 'a', 'b'],
  ]) {
    const { status, stdout, stderr } = verify(...args);
    assert.equal({ status, stdout }, { status: 22, stdout: '' }, args.join(' '));
    assert.ok(stderr.length > 0);
  }
  assert.is(verify('scrub', at('missing')).status, 2);
  assert.is(verify('--help').status, 0);
  assert.match(verify('--version').stdout, /^\d+\.\d+\.\d+\n$/);
});

test.run();
