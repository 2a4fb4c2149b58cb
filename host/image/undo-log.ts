/**
 * The undo log: the content of an image's blocks before an update, which restores the previous image.
 *
 *   offset 0    file header, 4096 bytes: magic, version, size of the image
 *   then        records: 32 bytes { magic u32, kind u32, offset u64, bytes u64, sum u64 }, then the data if the
 *               kind is DATA; the sum is XXH64 of the data xor XXH64 of the record before the sum; ZEROS has none;
 *               END closes the log, its offset is the number of records
 *
 * Records are applied in their order: where two overlap, the later one wins.
 *
 * All of it is on disk before the first byte of the image changes, so a log is complete or unused.
 */

import { ZEROS } from '../copy/copy.js';
import type { Piece } from '../cow/runs.js';
import { PIECE_BYTES } from '../cow/runs.js';
import { RefusalError } from '../errors.js';
import { BLOCK_BYTES } from '../layout.js';
import { Xxh64 } from '../manifest/hashing.js';
import type { OpenFile } from '../system/files.js';

const FILE_MAGIC = Buffer.from('dattundo', 'latin1');
const VERSION = 1;
const RECORD_MAGIC = 0x6f646e75;
const RECORD_BYTES = 32;
const KIND = { DATA: 1, ZEROS: 2, END: 3 } as const;

/** Consecutive bytes and their content; no data stands for zeros. */
export interface UndoRecord extends Piece {
  readonly data: Buffer | undefined;
}

const encodeRecord = (kind: number, offset: number, bytes: number, dataSum: bigint, xxh64: Xxh64): Buffer => {
  const record = Buffer.alloc(RECORD_BYTES);
  record.writeUInt32LE(RECORD_MAGIC, 0);
  record.writeUInt32LE(kind, 4);
  record.writeBigUInt64LE(BigInt(offset), 8);
  record.writeBigUInt64LE(BigInt(bytes), 16);
  record.writeBigUInt64LE(dataSum ^ xxh64.bytes(record.subarray(0, 24)), 24);
  return record;
};

/** The present content of pieces of an image. */
export function* recordsOf(image: OpenFile, pieces: Iterable<Piece>): Generator<UndoRecord> {
  const buffer = Buffer.alloc(PIECE_BYTES);
  for (const { offset, bytes } of pieces) {
    const data = buffer.subarray(0, bytes);
    image.readFull(data, offset);
    yield { offset, bytes, data: data.equals(ZEROS.subarray(0, bytes)) ? undefined : data };
  }
}

/** Writes a log of records. It is on disk when this returns. */
export const writeUndoLog = (log: OpenFile, imageBytes: number, records: Iterable<UndoRecord>): void => {
  const header = Buffer.alloc(BLOCK_BYTES);
  FILE_MAGIC.copy(header);
  header.writeUInt32LE(VERSION, 8);
  header.writeBigUInt64LE(BigInt(imageBytes), 16);
  log.writeFull(header, 0);
  const xxh64 = new Xxh64();
  let at = BLOCK_BYTES;
  let count = 0;
  for (const { offset, bytes, data } of records) {
    const kind = data ? KIND.DATA : KIND.ZEROS;
    const sum = xxh64.bytes(data ?? ZEROS.subarray(0, bytes));
    log.writeFull(encodeRecord(kind, offset, bytes, sum, xxh64), at);
    at += RECORD_BYTES;
    if (data) {
      log.writeFull(data, at);
      at += bytes;
    }
    count++;
  }
  log.writeFull(encodeRecord(KIND.END, count, 0, 0n, xxh64), at);
  log.sync();
};

/**
 * Reads an undo log.
 *
 * @param imageBytes size of the image, which must be that of the log's
 * @yields records; their data is valid until the next one
 * @throws RefusalError PREVIOUS_DAMAGED at the first record that is damaged
 */
export function* readUndoLog(log: OpenFile, imageBytes: number): Generator<UndoRecord> {
  const damaged = (where: string): RefusalError =>
    new RefusalError('PREVIOUS_DAMAGED', `cannot use ${log.path}: it is damaged at ${where}`);
  const header = Buffer.alloc(BLOCK_BYTES);
  log.read(header, 0);
  const fits = header.readUInt32LE(8) === VERSION && header.readBigUInt64LE(16) === BigInt(imageBytes);
  if (!fits || !header.subarray(0, FILE_MAGIC.length).equals(FILE_MAGIC)) throw damaged('its header');
  const xxh64 = new Xxh64();
  const buffer = Buffer.alloc(PIECE_BYTES);
  let at = BLOCK_BYTES;
  for (let records = 0; ; records++) {
    const record = Buffer.alloc(RECORD_BYTES);
    if (log.read(record, at) < RECORD_BYTES || record.readUInt32LE(0) !== RECORD_MAGIC) throw damaged(`offset ${at}`);
    const kind = record.readUInt32LE(4);
    const offset = Number(record.readBigUInt64LE(8));
    const bytes = Number(record.readBigUInt64LE(16));
    const sum = record.readBigUInt64LE(24) ^ xxh64.bytes(record.subarray(0, 24));
    if (kind === KIND.END && offset === records && sum === 0n) return;
    const isPlace = bytes > 0 && bytes <= PIECE_BYTES && offset % BLOCK_BYTES === 0 && offset + bytes <= imageBytes;
    if (!isPlace || (kind !== KIND.DATA && kind !== KIND.ZEROS)) throw damaged(`offset ${at}`);
    at += RECORD_BYTES;
    const data = buffer.subarray(0, bytes);
    if (kind === KIND.ZEROS) data.fill(0);
    else if (log.read(data, at) < bytes) throw damaged(`offset ${at}`);
    if (xxh64.bytes(data) !== sum) throw damaged(`offset ${at}`);
    if (kind === KIND.DATA) at += bytes;
    yield { offset, bytes, data: kind === KIND.DATA ? data : undefined };
  }
}
