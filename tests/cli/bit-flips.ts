/**
 * Single bits of an image and of its manifest, flipped at random places: each must be found, and named by its place.
 *
 * As a program: `tsx tests/cli/bit-flips.ts [flips] [seed]`.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { randomNumbers } from '../../host/copy/compare.js';
import { scrubImage } from '../../host/image/verify-image.js';
import type { Finding } from '../../host/manifest/scrub.js';
import { nativeSyscalls } from '../../host/system/syscalls.js';

const BLOCK = 4096;

const flip = (path: string, bit: number): void => {
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, Math.floor(bit / 8));
  byte.writeUInt8(byte.readUInt8(0) ^ (1 << (bit % 8)), 0);
  writeSync(fd, byte, 0, 1, Math.floor(bit / 8));
  closeSync(fd);
};

const bytesOf = (path: string): number => {
  const fd = openSync(path, 'r');
  const { size } = fstatSync(fd);
  closeSync(fd);
  return size;
};

/** What a scrub finds. */
export const findings = (image: string): Finding[] => {
  const found: Finding[] = [];
  scrubImage({ image, fast: false }, nativeSyscalls(), { onFinding: (finding) => void found.push(finding) });
  return found;
};

/** A flip must give one finding, which covers the flipped byte. */
const assertNamed = (found: readonly Finding[], inImage: boolean, byte: number, where: string): void => {
  assert.is(found.length, 1, `${where}: ${JSON.stringify(found)}`);
  const [finding] = found;
  if (!finding) return;
  const sizes = { image: BLOCK, unreadable: BLOCK, sum: 8, tree: 32, filling: 32, header: BLOCK, root: BLOCK };
  const bytes = sizes[finding.what];
  assert.is(finding.what === 'image', inImage, `${where}: ${JSON.stringify(finding)}`);
  assert.ok(byte >= finding.offset && byte < finding.offset + bytes, `${where}: ${JSON.stringify(finding)}`);
};

/**
 * Flips so many bits, one at a time, and takes each back.
 *
 * @returns how often what was found
 * @throws Error at the first flip that is not found and named, once
 */
export const flipBits = (image: string, manifest: string, count: number, seed: number): Record<string, number> => {
  const random = randomNumbers(seed);
  const tally: Record<string, number> = {};
  for (let number = 0; number < count; number++) {
    const inImage = random(2) === 0;
    const path = inImage ? image : manifest;
    const bit = random(bytesOf(path) * 8);
    const byte = Math.floor(bit / 8);
    flip(path, bit);
    const found = findings(image);
    flip(path, bit);
    const where = `seed ${seed}, flip ${number}, byte ${byte} of the ${inImage ? 'image' : 'manifest'}`;
    assertNamed(found, inImage, byte, where);
    const what = found[0]?.what ?? '';
    tally[what] = (tally[what] ?? 0) + 1;
  }
  return tally;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { makeManifested } = await import('./manifested.js');
  const [count = '1000', seed = `${Date.now() % 2 ** 32}`] = process.argv.slice(2);
  const { image, manifest } = makeManifested();
  console.log(`seed ${seed}`);
  console.log(flipBits(image, manifest, Number(count), Number(seed)));
}
