/** Content of a part of a disk, kept in a file: gzip members, one for each MiB, that gunzip unpacks to the whole. */
import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { PIECE_BYTES } from '../cow/runs.js';
import { RefusalError } from '../errors.js';
import { Xxh64 } from '../manifest/hashing.js';
import type { OpenFile } from '../system/files.js';
import { makeFile, openOwn } from '../system/safe-files.js';
import { isCount, isRecord } from '../system/summed-json.js';

export interface KeptPart {
  /** Name of the file, in the folder of the record. */
  readonly file: string;
  readonly bytes: number;
  /** Lengths of the members. */
  readonly members: readonly number[];
  /** XXH64 of the members' contents' XXH64s, hex digits. */
  readonly sum: string;
}

export const isPartName = (name: string): boolean => /^part-[0-9a-f]{16}\.gz$/.test(name);

/** A new name that cannot be predicted. */
export const partName = (): string => `part-${randomBytes(8).toString('hex')}.gz`;

/** Larger than a piece can become. */
const MEMBER_MAX = 2 * PIECE_BYTES;

/** @throws SyntaxError */
export const keptPartFrom = (value: unknown): KeptPart => {
  if (!isRecord(value)) throw new SyntaxError('no kept part');
  const { file, bytes, members, sum } = value;
  if (typeof file !== 'string' || !isPartName(file)) throw new SyntaxError('no file of a kept part');
  if (typeof sum !== 'string' || !/^[0-9a-f]{16}$/.test(sum)) throw new SyntaxError('no sum of a kept part');
  const isLength = (length: unknown): length is number => isCount(length) && length <= MEMBER_MAX;
  if (!isCount(bytes) || !Array.isArray(members) || !members.every(isLength)) throw new SyntaxError('no kept content');
  if (members.length !== Math.ceil(bytes / PIECE_BYTES)) throw new SyntaxError('a kept part has another length');
  return { file, bytes, members, sum };
};

/** Takes the sum of pieces. */
class Summer {
  readonly #xxh64 = new Xxh64();
  readonly #sums: bigint[] = [];

  add(piece: Uint8Array): void {
    this.#sums.push(this.#xxh64.bytes(piece));
  }

  end(): string {
    return this.#xxh64
      .bytes(new Uint8Array(BigUint64Array.from(this.#sums).buffer))
      .toString(16)
      .padStart(16, '0');
  }
}

/** Reads the first bytes of a device, in pieces that are valid until the next one. */
function* piecesOf(device: OpenFile, bytes: number): Generator<Buffer> {
  const buffer = Buffer.alloc(Math.min(PIECE_BYTES, bytes));
  for (let offset = 0; offset < bytes; offset += PIECE_BYTES) {
    const piece = buffer.subarray(0, Math.min(PIECE_BYTES, bytes - offset));
    device.readFull(piece, offset);
    yield piece;
  }
}

/** The sum that a part made of the first bytes of a device has. */
export const sumOfDevice = (device: OpenFile, bytes: number): string => {
  const summer = new Summer();
  for (const piece of piecesOf(device, bytes)) summer.add(piece);
  return summer.end();
};

/**
 * Keeps the first bytes of a device in a new file.
 *
 * @param path ends in a name that isPartName()
 * @param bytesMax that the file may have
 * @throws RefusalError NO_SPACE; SystemError
 */
export const keepPart = (device: OpenFile, bytes: number, path: string, bytesMax: number): Omit<KeptPart, 'file'> =>
  makeFile(
    path,
    (file) => {
      const summer = new Summer();
      const members: number[] = [];
      let end = 0;
      for (const piece of piecesOf(device, bytes)) {
        summer.add(piece);
        const member = gzipSync(piece);
        if (end + member.length > bytesMax) {
          const message = `cannot keep the content of ${device.path}: compressed, it has more than ${bytesMax} bytes`;
          throw new RefusalError('NO_SPACE', message);
        }
        file.writeFull(member, end);
        end += member.length;
        members.push(member.length);
      }
      return { bytes, members, sum: summer.end() };
    },
    false,
  );

/** @throws RefusalError NO_DISK_RECORD */
const unpacked = (member: Buffer, bytes: number, path: string): Buffer => {
  const refuse = (why: string): RefusalError => new RefusalError('NO_DISK_RECORD', `cannot unpack ${path}: ${why}`);
  let piece: Buffer;
  try {
    piece = gunzipSync(member, { maxOutputLength: PIECE_BYTES });
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  if (piece.length !== bytes) throw refuse(`a member has ${piece.length} bytes, expected ${bytes}`);
  return piece;
};

/** A part in memory, as it is kept. */
export class LoadedPart {
  readonly bytes: number;
  readonly #path: string;
  readonly #members: readonly Buffer[];

  /**
   * @param shown the path, in errors
   * @throws RefusalError NO_DISK_RECORD, FILE_UNSAFE; SystemError
   */
  constructor({ bytes, members, sum }: KeptPart, path: string, shown: string) {
    [this.bytes, this.#path] = [bytes, shown];
    const refuse = (why: string): RefusalError => new RefusalError('NO_DISK_RECORD', `cannot use ${shown}: ${why}`);
    const packed = members.reduce((sum, length) => sum + length, 0);
    const file = openOwn(path, 'r');
    try {
      const { size } = file.stat();
      if (size !== BigInt(packed)) throw refuse(`it has ${size} bytes, expected ${packed}`);
      let end = 0;
      this.#members = members.map((length) => {
        const member = Buffer.alloc(length);
        file.readFull(member, end);
        end += length;
        return member;
      });
    } finally {
      file.close();
    }
    const summer = new Summer();
    for (const [piece] of this.pieces()) summer.add(piece);
    if (summer.end() !== sum) throw refuse('its content is not what was kept');
  }

  /** Its content, with offsets in bytes. */
  *pieces(): Generator<readonly [piece: Buffer, offset: number]> {
    for (const [index, member] of this.#members.entries()) {
      const offset = index * PIECE_BYTES;
      yield [unpacked(member, Math.min(PIECE_BYTES, this.bytes - offset), this.#path), offset];
    }
  }
}
