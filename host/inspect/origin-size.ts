/** The size of an image or a block device, as the size of the origin. */
import { RefusalError } from '../errors.js';
import { SECTOR_BYTES } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import type { Syscalls } from '../system/syscalls.js';
import type { OriginSize } from './geometry.js';

/**
 * The size of the origin that an image is of.
 *
 * @throws RefusalError IMAGE_KIND; ORIGIN_SIZE_MISMATCH if it is no whole number of sectors
 */
export const originOfImage = (file: OpenFile, syscalls: Syscalls): OriginSize => {
  const bytes = file.bytes(syscalls);
  if (bytes % SECTOR_BYTES === 0) return { sectors: bytes / SECTOR_BYTES, source: file.path };
  const message = `cannot use ${file.path} as the origin's size: it has ${bytes} bytes, expected whole sectors of 512`;
  throw new RefusalError('ORIGIN_SIZE_MISMATCH', message);
};
