/** An image with its manifest. */
import { randomFillSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { at, runTool } from './tool.js';

export interface Manifested {
  readonly image: string;
  readonly manifest: string;
  readonly content: Buffer;
  /** Hex digits. */
  readonly root: string;
}

/** By default as many blocks as make a tree of three levels, the last one with room in it. */
export const makeManifested = (bytes = (128 * 128 + 3) * 4096): Manifested => {
  const image = at('kept');
  const manifest = `${image}.datto-manifest`;
  for (const path of [image, manifest]) rmSync(path, { force: true });
  const content = randomFillSync(Buffer.alloc(bytes));
  // Like most volumes: not all of it is in use.
  content.fill(0, Math.floor(bytes / 2), Math.floor((bytes * 3) / 4));
  writeFileSync(image, content);
  const { stdout, stderr } = runTool('datto-verify', ['manifest', image]);
  const root = /^root ([0-9a-f]{64})$/m.exec(stdout)?.[1];
  if (root === undefined) throw new Error(stderr);
  return { image, manifest, content, root };
};
