// The first block of an XFS, as far as the core looks at it.

const BLOCK = 4096;

export interface Geometry {
  /** first block of the log: allocation group, block in it */
  readonly group: number;
  readonly within: number;
  readonly logBlocks: number;
  readonly blockShift?: number;
  readonly groupBlocks?: number;
  readonly groupShift?: number;
  readonly logVersion?: 1 | 2;
}

export const xfsSuperblock = ({
  group,
  within,
  logBlocks,
  blockShift = 12,
  groupBlocks = 5000,
  groupShift = 13,
  logVersion = 2,
}: Geometry): Buffer => {
  const block = Buffer.alloc(BLOCK);
  block.write('XFSB', 0, 'latin1');
  block.writeUInt32BE(2 ** blockShift, 4);
  block.writeBigUInt64BE((BigInt(group) << BigInt(groupShift)) + BigInt(within), 48);
  block.writeUInt32BE(groupBlocks, 84);
  block.writeUInt32BE(logBlocks, 96);
  block.writeUInt16BE(logVersion === 2 ? 0x0400 : 0, 100);
  block.writeUInt8(blockShift, 120);
  block.writeUInt8(groupShift, 124);
  return block;
};
