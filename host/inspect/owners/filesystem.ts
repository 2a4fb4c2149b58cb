/** Which filesystem an image holds, as far as its own tools need it. */

import type { BlockRun } from '../../cow/runs.js';
import { RefusalError } from '../../errors.js';
import type { OpenFile } from '../../system/files.js';

export interface Filesystem {
  readonly type: 'ext4' | 'xfs';
  /** Bytes of a block of the filesystem. */
  readonly blockBytes: number;
  /** Blocks of the filesystem that each allocation group has; of xfs only, else 0. */
  readonly groupBlocks: number;
  /** First block that belongs to the filesystem. */
  readonly firstBlock: number;
  readonly nrBlocks: number;
  /** The log inside the filesystem, of xfs only. */
  readonly log?: BlockRun;
}

/** ext2, ext3 and ext4: the superblock's fields, from the start of the device. */
const EXT = {
  magic: 1024 + 56,
  logBlock: 1024 + 24,
  blocks: 1024 + 4,
  firstBlock: 1024 + 20,
  blocksHigh: 1024 + 336,
  value: 0xef53,
};
/** xfs, big-endian. */
const XFS = {
  magic: 0,
  blockBytes: 4,
  blocks: 8,
  groupBlocks: 84,
  logStart: 48,
  logBlocks: 96,
  groupLog: 124,
  value: 0x58465342,
};
const BYTES = 2048;

const extOf = (block: Buffer): Filesystem | undefined => {
  if (block.readUInt16LE(EXT.magic) !== EXT.value) return undefined;
  const log = block.readUInt32LE(EXT.logBlock);
  if (log > 6) return undefined;
  const nrBlocks = block.readUInt32LE(EXT.blocks) + block.readUInt32LE(EXT.blocksHigh) * 2 ** 32;
  return {
    type: 'ext4',
    blockBytes: 1024 * 2 ** log,
    groupBlocks: 0,
    firstBlock: block.readUInt32LE(EXT.firstBlock),
    nrBlocks,
  };
};

const xfsOf = (block: Buffer): Filesystem | undefined => {
  if (block.readUInt32BE(XFS.magic) !== XFS.value) return undefined;
  const blockBytes = block.readUInt32BE(XFS.blockBytes);
  const groupBlocks = block.readUInt32BE(XFS.groupBlocks);
  if (blockBytes < 512 || blockBytes > 65536 || (blockBytes & (blockBytes - 1)) !== 0 || groupBlocks === 0)
    return undefined;
  // A log elsewhere starts at 0. The number of a block has its group in the upper bits.
  const logStart = block.readBigUInt64BE(XFS.logStart);
  const groupLog = BigInt(block.readUInt8(XFS.groupLog) & 31);
  const start = Number(logStart >> groupLog) * groupBlocks + Number(BigInt.asUintN(Number(groupLog), logStart));
  const log = { start, count: logStart === 0n ? 0 : block.readUInt32BE(XFS.logBlocks) };
  return {
    type: 'xfs',
    blockBytes,
    groupBlocks,
    firstBlock: 0,
    nrBlocks: Number(block.readBigUInt64BE(XFS.blocks)),
    log,
  };
};

/**
 * Recognizes the filesystem by its superblock.
 *
 * @throws RefusalError FILESYSTEM_UNKNOWN
 */
export const detectFilesystem = (image: OpenFile): Filesystem => {
  const block = Buffer.alloc(BYTES);
  const found = image.read(block, 0) === BYTES ? (xfsOf(block) ?? extOf(block)) : undefined;
  if (found) return found;
  const start = 'it does not begin with a known filesystem';
  const message = `cannot find files in ${image.path}: ${start}, expected ext4 or xfs`;
  throw new RefusalError('FILESYSTEM_UNKNOWN', message);
};

/**
 * A run of bytes as blocks of the filesystem.
 *
 * @returns first block and number of blocks touched, cut at the filesystem's end
 */
export const blocksTouched = (
  { blockBytes, nrBlocks }: Filesystem,
  offset: number,
  bytes: number,
): { readonly start: number; readonly count: number } => {
  const start = Math.floor(offset / blockBytes);
  const end = Math.min(Math.ceil((offset + bytes) / blockBytes), nrBlocks);
  return { start, count: Math.max(0, end - start) };
};
