/** Snapshot, COW file and image, made for one run of update-img, and the run. */
import { randomFillSync } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import type { CowOptions } from '../host/cow-maker.js';
import { makeCowFile, UUID } from '../host/cow-maker.js';
import type { Fakes, Outcome } from './tool.js';
import { at, folder, runTool } from './tool.js';

export const SNAPSHOT = '/dev/datto7';
export const BLOCK = 4096;
export const [SNAP, COW, IMAGE, INFO, LOG] = [at('snap'), at('cow'), at('image'), at('info'), at('log')];

export interface Scene extends Partial<CowOptions> {
  readonly state?: number;
  readonly error?: number;
  readonly deviceSeqid?: bigint;
  readonly deviceUuid?: Buffer;
  readonly origin?: string;
}

export const makeInfo = (scene: Scene): void => {
  const info = Buffer.alloc(8272);
  info.writeUInt32LE(7, 0);
  info.writeBigUInt64LE(BigInt(scene.state ?? 3), 8);
  info.writeInt32LE(scene.error ?? 0, 16);
  info.writeBigUInt64LE(scene.deviceSeqid ?? 2n, 40);
  (scene.deviceUuid ?? UUID).copy(info, 48);
  info.write(scene.origin ?? '/dev/nonexistent', 4160);
  writeFileSync(INFO, info);
};

/** A snapshot of random bytes, an image that differs from it everywhere, a COW file that lists `entries`. */
export const makeScene = (scene: Scene = {}): { snapshot: Buffer; image: Buffer } => {
  const nrSectors = scene.nrSectors ?? 4096;
  const snapshot = randomFillSync(Buffer.alloc(nrSectors * 512));
  const image = Buffer.from(snapshot.map((byte) => byte ^ 0xff));
  const isOld = (name: string): boolean => /^(snap|cow|image)/.test(name);
  for (const name of readdirSync(folder).filter(isOld)) rmSync(at(name));
  writeFileSync(SNAP, snapshot);
  writeFileSync(IMAGE, image);
  makeCowFile(COW, {
    ...scene,
    nrSectors,
    entries: scene.entries ?? [
      [1, 1n],
      [2, 77n],
      [300, 1n],
    ],
  });
  makeInfo(scene);
  return { snapshot, image };
};

/** The fakes of every run. */
export const FAKES: Fakes = { FAKE_DRIVER: '1', FAKE_SNAPSHOT: SNAP, FAKE_INFO: INFO, FAKE_LOG: LOG };

export const run = (args: readonly string[], fakes: Fakes = {}): Outcome =>
  runTool('update-img', args, { ...FAKES, ...fakes });

export const update = (fakes: Fakes = {}, options: string[] = []): Outcome =>
  run([...options, SNAPSHOT, COW, IMAGE], fakes);

/** What the image must be after the blocks were copied. */
export const expected = (
  { snapshot, image }: { snapshot: Buffer; image: Buffer },
  blocks: readonly number[],
): Buffer => {
  const result = Buffer.from(image);
  for (const block of blocks) snapshot.copy(result, block * BLOCK, block * BLOCK, (block + 1) * BLOCK);
  return result;
};
