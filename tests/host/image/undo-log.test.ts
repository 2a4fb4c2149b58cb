import { randomFillSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PIECE_BYTES, type Piece } from '../../../host/cow/runs.js';
import { RefusalError } from '../../../host/errors.js';
import type { UndoRecord } from '../../../host/image/undo-log.js';
import { readUndoLog, recordsOf, writeUndoLog } from '../../../host/image/undo-log.js';
import { Xxh64 } from '../../../host/manifest/hashing.js';
import { OpenFile } from '../../../host/system/files.js';
import { buildHostWasm } from '../../../scripts/build-host-wasm.js';

await buildHostWasm();

const folder = mkdtempSync(join(tmpdir(), 'datto-undo-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const [LOG, IMAGE] = [join(folder, 'log'), join(folder, 'image')];

const BLOCK = 4096;
const RECORD = 32;
/** Four blocks, the third of zeros, and a part of a fifth. */
const IMAGE_BYTES = 4 * BLOCK + 512;
const content = randomFillSync(Buffer.alloc(IMAGE_BYTES)).fill(0, 2 * BLOCK, 3 * BLOCK);
const PIECES: readonly Piece[] = [
  { offset: 0, bytes: 2 * BLOCK },
  { offset: 2 * BLOCK, bytes: BLOCK },
  { offset: 4 * BLOCK, bytes: 512 },
];

const withFile = <T>(path: string, run: (file: OpenFile) => T): T => {
  const file = OpenFile.open(path, 'r+');
  try {
    return run(file);
  } finally {
    file.close();
  }
};

const write = (records: Iterable<UndoRecord>, imageBytes = IMAGE_BYTES): Buffer => {
  writeFileSync(LOG, '');
  withFile(LOG, (log) => writeUndoLog(log, imageBytes, records));
  return readFileSync(LOG);
};

const writeImage = (pieces: Iterable<Piece> = PIECES): Buffer => {
  writeFileSync(IMAGE, content);
  return withFile(IMAGE, (image) => write(recordsOf(image, pieces)));
};

/** The records of a log, copied. */
const read = (bytes: Buffer, imageBytes = IMAGE_BYTES): UndoRecord[] => {
  writeFileSync(LOG, bytes);
  return withFile(LOG, (log) => {
    const records: UndoRecord[] = [];
    // The data of a record is valid until the next one only.
    for (const record of readUndoLog(log, imageBytes))
      records.push({ ...record, data: record.data && Buffer.from(record.data) });
    return records;
  });
};

const assertDamaged = (bytes: Buffer, where: string, imageBytes = IMAGE_BYTES): void => {
  try {
    read(bytes, imageBytes);
  } catch (error) {
    assert.instance(error, RefusalError, where);
    const { code, message } = error as RefusalError;
    assert.is(code, 'PREVIOUS_DAMAGED', where);
    assert.match(message, /\/log: it is damaged at (its header|offset \d+)$/, where);
    return;
  }
  assert.unreachable(`${where}: it was read`);
};

const xxh64 = new Xxh64();
const DATA = 1;
const ZEROS = 2;
const END = 3;

interface Forged {
  readonly kind: number;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly data?: Buffer;
  readonly sum?: bigint;
}

/** A log by docs/UPDATE-IMG.md, each sum right unless another is given. */
const forge = (
  records: readonly Forged[],
  header: Partial<{ magic: string; version: number; bytes: bigint }> = {},
): Buffer => {
  const head = Buffer.alloc(BLOCK);
  head.write(header.magic ?? 'dattundo', 'latin1');
  head.writeUInt32LE(header.version ?? 1, 8);
  head.writeBigUInt64LE(header.bytes ?? BigInt(IMAGE_BYTES), 16);
  const parts = records.map(({ kind, offset, bytes, data = Buffer.alloc(0), sum }) => {
    const record = Buffer.alloc(RECORD);
    record.write('undo', 'latin1');
    record.writeUInt32LE(kind, 4);
    record.writeBigUInt64LE(offset, 8);
    record.writeBigUInt64LE(bytes, 16);
    // More than a piece is refused whatever its sum is.
    const held = kind === ZEROS ? Buffer.alloc(Math.min(Number(bytes), PIECE_BYTES)) : data;
    const own = kind === END ? 0n : xxh64.bytes(held);
    record.writeBigUInt64LE(sum ?? own ^ xxh64.bytes(record.subarray(0, 24)), 24);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([head, ...parts]);
};

const end = (count: number): Forged => ({ kind: END, offset: BigInt(count), bytes: 0n });

test('a log has what the pieces of an image held, and no data where they are zeros', () => {
  assert.equal(read(writeImage()), [
    { offset: 0, bytes: 2 * BLOCK, data: content.subarray(0, 2 * BLOCK) },
    { offset: 2 * BLOCK, bytes: BLOCK, data: undefined },
    { offset: 4 * BLOCK, bytes: 512, data: content.subarray(4 * BLOCK) },
  ]);
  assert.is(readFileSync(LOG).length, BLOCK + 4 * RECORD + 2 * BLOCK + 512);
});

test('its bytes are those that are documented', () => {
  const forged = forge([
    { kind: DATA, offset: 0n, bytes: BigInt(2 * BLOCK), data: content.subarray(0, 2 * BLOCK) },
    { kind: ZEROS, offset: BigInt(2 * BLOCK), bytes: BigInt(BLOCK) },
    { kind: DATA, offset: BigInt(4 * BLOCK), bytes: 512n, data: content.subarray(4 * BLOCK) },
    end(3),
  ]);
  assert.ok(writeImage().equals(forged));
});

test('a log of nothing is complete', () => {
  assert.equal(read(writeImage([])), []);
  assert.is(readFileSync(LOG).length, BLOCK + RECORD);
});

test('records keep their order, whatever they overlap', () => {
  const records = [BLOCK, 0, BLOCK].map((offset, at) => ({ offset, bytes: BLOCK, data: Buffer.alloc(BLOCK, at + 1) }));
  assert.equal(read(write(records)), records);
});

test('pieces of the largest size are kept', () => {
  const data = randomFillSync(Buffer.alloc(PIECE_BYTES));
  const records = [{ offset: PIECE_BYTES, bytes: PIECE_BYTES, data }];
  assert.equal(read(write(records, 2 * PIECE_BYTES), 2 * PIECE_BYTES), records);
});

test('an image that ends before a piece does is an error, and no log', () => {
  writeFileSync(IMAGE, content.subarray(0, BLOCK));
  assert.throws(() => withFile(IMAGE, (image) => write(recordsOf(image, PIECES))), /cannot read .*image/);
  assertDamaged(readFileSync(LOG), 'without an end');
});

test('a log of an image of another size, of another version, or none at all, is refused', () => {
  assertDamaged(writeImage(), 'larger', IMAGE_BYTES + BLOCK);
  assertDamaged(writeImage(), 'smaller', IMAGE_BYTES - 512);
  assertDamaged(forge([end(0)], { version: 2 }), 'version');
  assertDamaged(forge([end(0)], { magic: 'dattundp' }), 'magic');
  assertDamaged(forge([end(0)], { bytes: BigInt(IMAGE_BYTES) + 2n ** 53n }), 'size');
  for (const bytes of [0, 1, BLOCK - 1]) assertDamaged(Buffer.alloc(bytes), `${bytes} zeros`);
  assert.equal(read(forge([end(0)])), []);
});

test('a log that ends early is refused wherever it ends', () => {
  const log = writeImage();
  const ends = [0, 8, 24, BLOCK, BLOCK + 1, BLOCK + RECORD - 1, BLOCK + RECORD, BLOCK + RECORD + 5000, log.length - 1];
  for (const length of ends) assertDamaged(log.subarray(0, length), `${length} bytes`);
  for (let length = log.length - 5 * RECORD; length < log.length; length++)
    assertDamaged(log.subarray(0, length), `${length} bytes`);
});

test('each bit of a record and of its data is looked at', () => {
  const log = forge([
    { kind: DATA, offset: BigInt(4 * BLOCK), bytes: 64n, data: content.subarray(0, 64) },
    { kind: ZEROS, offset: 0n, bytes: BigInt(BLOCK) },
    end(2),
  ]);
  assert.is(read(log).length, 2);
  for (let bit = 0; bit < 8 * (log.length - BLOCK); bit++) {
    const damaged = Buffer.from(log);
    const at = BLOCK + (bit >> 3);
    damaged.writeUInt8(log.readUInt8(at) ^ (1 << (bit & 7)), at);
    assertDamaged(damaged, `bit ${bit & 7} of byte ${at}`);
  }
});

test('a record that leads out of the image is refused though its sums are right', () => {
  const data = Buffer.alloc(BLOCK, 7);
  const whole: Forged = { kind: DATA, offset: 0n, bytes: BigInt(BLOCK), data };
  assert.is(read(forge([whole, end(1)])).length, 1);
  const hostile: Readonly<Record<string, readonly Forged[]>> = {
    'beyond the end': [{ ...whole, offset: BigInt(4 * BLOCK) }, end(1)],
    'far beyond the end': [{ ...whole, offset: 2n ** 63n }, end(1)],
    'an offset that wraps round': [{ ...whole, offset: 2n ** 64n - BigInt(BLOCK) }, end(1)],
    'an odd offset': [{ ...whole, offset: 512n }, end(1)],
    'no bytes': [{ kind: DATA, offset: 0n, bytes: 0n }, end(1)],
    'zeros of no bytes': [{ kind: ZEROS, offset: 0n, bytes: 0n }, end(1)],
    'more bytes than the image': [{ kind: ZEROS, offset: 0n, bytes: BigInt(IMAGE_BYTES + 1) }, end(1)],
    'more bytes than a piece': [{ kind: ZEROS, offset: 0n, bytes: BigInt(PIECE_BYTES + 1) }, end(1)],
    'bytes without end': [{ kind: ZEROS, offset: 0n, bytes: 2n ** 64n - 1n }, end(1)],
    'a kind that is none': [{ ...whole, kind: 0 }, end(1)],
    'a later kind': [{ ...whole, kind: 4 }, end(1)],
    'an end too early': [end(1)],
    'an end too late': [whole, whole, end(1)],
    'no end': [whole],
    'a sum of something else': [{ ...whole, sum: 0n }, end(1)],
  };
  for (const [what, records] of Object.entries(hostile)) {
    // Where the size of a piece is the bound, the image is large enough.
    const imageBytes = what.includes('piece') ? 4 * PIECE_BYTES : IMAGE_BYTES;
    assertDamaged(forge(records, { bytes: BigInt(imageBytes) }), what, imageBytes);
  }
});

test('records before the damage are not taken back: a reader looks at all of a log first', () => {
  const log = writeImage();
  log.writeUInt8(log.readUInt8(log.length - 1) ^ 1, log.length - 1);
  writeFileSync(LOG, log);
  let seen = 0;
  assert.throws(() =>
    withFile(LOG, (file) => {
      for (const record of readUndoLog(file, IMAGE_BYTES)) seen += record.bytes > 0 ? 1 : 0;
    }),
  );
  assert.is(seen, 3);
});

test.run();
