/** The manifest beside an image: made, found, and kept up to date with it. */

import { PIECE_BYTES } from '../cow/runs.js';
import { ENOENT, RefusalError, SystemError } from '../errors.js';
import type { ManifestIdentity } from '../manifest/manifest.js';
import { Manifest } from '../manifest/manifest.js';
import type { Access, OpenFile } from '../system/files.js';
import { makeFile, openOwn } from '../system/safe-files.js';

/**
 * Opens a manifest.
 *
 * @returns undefined if there is none
 * @throws RefusalError NO_MANIFEST if the file is none of an image of this size; FILE_UNSAFE
 */
export const openManifest = (path: string, imageBytes: number, access: Access): Manifest | undefined => {
  let file: OpenFile;
  try {
    file = openOwn(path, access);
  } catch (error) {
    if (error instanceof SystemError && error.errno === ENOENT) return undefined;
    throw error;
  }
  const manifest = new Manifest(file, imageBytes);
  try {
    manifest.requireSize();
  } catch (error) {
    manifest.close();
    throw error;
  }
  return manifest;
};

/**
 * Makes the manifest of an image from its present content.
 *
 * @returns the root
 */
export const buildManifest = (
  image: OpenFile,
  imageBytes: number,
  path: string,
  identity: ManifestIdentity,
  onProgress: (doneBytes: number) => void = () => undefined,
): Buffer =>
  makeFile(path, (file) => {
    const manifest = new Manifest(file, imageBytes);
    manifest.allocate();
    const buffer = Buffer.alloc(PIECE_BYTES);
    for (let offset = 0; offset < imageBytes; offset += PIECE_BYTES) {
      const data = buffer.subarray(0, Math.min(PIECE_BYTES, imageBytes - offset));
      image.readFull(data, offset);
      manifest.put(data, offset);
      onProgress(offset + data.length);
    }
    return manifest.finish([{ start: 0, count: manifest.nrBlocks }], identity);
  });

const isWithin = (sequence: bigint, [from, to]: readonly [bigint, bigint]): boolean =>
  sequence === 0n || (sequence >= from && sequence <= to);

/**
 * The manifest of an image that is about to change, if an update can keep it up to date.
 *
 * @param span least and greatest number of the snapshot that it may be of: those in between differ only in blocks that
 * will change
 * @param onNotice called with the reason if a manifest is left as it is
 */
export const manifestForUpdate = (
  path: string,
  imageBytes: number,
  series: Buffer,
  span: readonly [from: bigint, to: bigint],
  onNotice: (text: string) => void,
): Manifest | undefined => {
  const leave = (why: string): undefined =>
    void onNotice(`${path} ${why}, it is not kept up to date; hint: datto-verify manifest makes a new one`);
  let manifest: Manifest | undefined;
  try {
    manifest = openManifest(path, imageBytes, 'r+');
  } catch (error) {
    if (error instanceof RefusalError && error.code === 'NO_MANIFEST') return leave('is not a manifest of the image');
    throw error;
  }
  if (!manifest) return undefined;
  const header = manifest.readHeader();
  const knowsSeries = header?.series.some((byte) => byte !== 0) === true;
  let why: string | undefined;
  if (!header) why = 'has a damaged header';
  else if (knowsSeries && !header.series.equals(series)) why = 'is of another series';
  else if (!isWithin(header.sequence, span)) why = `is of snapshot ${header.sequence}`;
  if (why === undefined) return manifest;
  manifest.close();
  return leave(why);
};
