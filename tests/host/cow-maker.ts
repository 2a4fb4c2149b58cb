/** COW files made byte by byte from docs/FORMAT.md, without the code under test. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';

export interface CowOptions {
  readonly nrSectors: number;
  /** Index entries: block and value. */
  readonly entries: ReadonlyArray<readonly [block: number, value: bigint]>;
  readonly magic?: number;
  readonly flags?: number;
  readonly seqid?: bigint;
  readonly uuid?: Buffer;
  /** Changed blocks that the header counts; as many as there are entries if left out. */
  readonly counted?: number;
  /** Length of the file; the index's end if left out. */
  readonly bytes?: number;
}

export const UUID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

export const dataOffset = (nrSectors: number): number => 4096 + 32768 * Math.ceil(Math.floor(nrSectors / 8) / 4096);

export const makeCowFile = (path: string, options: CowOptions): void => {
  const header = Buffer.alloc(64);
  header.writeUInt32LE(options.magic ?? 4776, 0);
  header.writeUInt32LE(options.flags ?? 3, 4);
  header.writeBigUInt64LE(9n, 8);
  header.writeBigUInt64LE(36864n, 16);
  header.writeBigUInt64LE(options.seqid ?? 1n, 24);
  (options.uuid ?? UUID).copy(header, 32);
  header.writeBigUInt64LE(1n, 48);
  header.writeBigUInt64LE(BigInt(options.counted ?? options.entries.length), 56);
  const fd = openSync(path, 'w');
  writeSync(fd, header, 0, 64, 0);
  const entry = Buffer.alloc(8);
  for (const [block, value] of options.entries) {
    entry.writeBigUInt64LE(value);
    writeSync(fd, entry, 0, 8, 4096 + 8 * block);
  }
  ftruncateSync(fd, options.bytes ?? dataOffset(options.nrSectors));
  closeSync(fd);
};
