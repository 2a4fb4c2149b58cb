/** The COW file with which tracking went on, as the file before names it (docs/FORMAT.md, A.12). */

import { BLOCK_SECTORS, COW_HEADER_SIZE, NEXT_FILE_FIELDS, REFUSALS } from '../layout.js';
import type { OpenFile } from '../system/files.js';
import { coreFor } from './geometry.js';

const CONTINUED = REFUSALS.find(({ name }) => name === 'CONTINUED')?.value;
const [FIRST, PATH] = [NEXT_FILE_FIELDS[0], NEXT_FILE_FIELDS.find(({ name }) => name === 'path')];

/** Is a byte of the header block one of the name, in a block that has one? */
export const isOfNextFile = (at: number): boolean =>
  FIRST !== undefined && PATH !== undefined && at >= FIRST.offset && at < PATH.offset + PATH.bytes;

/** Its path from the root of the filesystem; undefined if the file in this header block names none, or a damaged one. */
export const nextFileOf = (block: Buffer): string | undefined => {
  if (PATH === undefined || block.length < COW_HEADER_SIZE) return undefined;
  const core = coreFor(BLOCK_SECTORS, true);
  core.call('record_begin');
  core.buffer().set(block);
  if (Number(core.call('record_check')) !== CONTINUED) return undefined;
  const path = block.subarray(PATH.offset, PATH.offset + PATH.bytes);
  return path.toString('utf8', 0, path.indexOf(0));
};

export const readNextFile = (file: OpenFile): string | undefined => {
  const block = Buffer.alloc(COW_HEADER_SIZE);
  return nextFileOf(block.subarray(0, file.read(block, 0)));
};
