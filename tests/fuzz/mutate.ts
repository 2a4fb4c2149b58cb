/** COW files changed at random, with the format in mind: fields, entries, ends of sections, lengths. */
import { BLOCK_BYTES, COW_HEADER_SIZE, ENTRY_BYTES, HEADER_FIELDS, SECTION_BYTES } from '../../host/layout.js';

export type Random = (below: number) => number;

/** Bytes of a COW file, and its length, which may be larger: the rest is a hole. */
export interface CowBytes {
  readonly bytes: Buffer;
  readonly length: number;
}

const pick = <T>(random: Random, values: readonly T[]): T => values[random(values.length)] as T;

const U64 = 2n ** 64n - 1n;

/** Values near what matters. */
const value = (random: Random, file: CowBytes): bigint => {
  const near = BigInt(random(5)) - 2n;
  const bases = [
    0n,
    BigInt(random(256)),
    BigInt(Math.floor(file.length / BLOCK_BYTES)),
    BigInt(file.length),
    BigInt(COW_HEADER_SIZE + SECTION_BYTES * (1 + random(3))),
    BigInt(1 + (SECTION_BYTES / BLOCK_BYTES) * (1 + random(3))),
    2n ** BigInt(random(64)),
    U64,
    BigInt(random(2 ** 31)) * BigInt(random(2 ** 31)),
  ];
  return BigInt.asUintN(64, pick(random, bases) + near);
};

type Mutation = (file: CowBytes, random: Random, other: CowBytes) => CowBytes;

const withBytes = (file: CowBytes, end: number, change: (bytes: Buffer) => void): CowBytes => {
  const bytes = Buffer.alloc(Math.max(file.bytes.length, end));
  file.bytes.copy(bytes);
  change(bytes);
  return { bytes, length: Math.max(file.length, end) };
};

const setWord = (file: CowBytes, offset: number, word: bigint, bytes: number): CowBytes =>
  withBytes(file, offset + bytes, (data) => {
    if (bytes === 4) data.writeUInt32LE(Number(word & 0xffffffffn), offset);
    else data.writeBigUInt64LE(word, offset);
  });

/** Lengths at which something begins or ends. */
const lengths = (random: Random, file: CowBytes): number =>
  Math.max(
    0,
    pick(random, [
      random(4200),
      COW_HEADER_SIZE + SECTION_BYTES * random(5),
      file.length - BLOCK_BYTES * random(4),
      file.length + BLOCK_BYTES * random(4),
      random(2 ** 24),
    ]) + (random(3) === 0 ? random(3) - 1 : 0),
  );

const entryOffset = (random: Random): number => {
  const edge = (SECTION_BYTES / ENTRY_BYTES) * random(3);
  const entry = random(2) === 0 ? random(3 * (SECTION_BYTES / ENTRY_BYTES)) : Math.max(0, edge + random(5) - 2);
  return COW_HEADER_SIZE + ENTRY_BYTES * entry;
};

const MUTATIONS: readonly Mutation[] = [
  (file, random) => {
    const { offset, bytes } = pick(random, HEADER_FIELDS);
    return setWord(file, offset, value(random, file), bytes === 4 ? 4 : 8);
  },
  (file, random) => setWord(file, 4, BigInt(random(8)), 4),
  (file, random) => setWord(file, entryOffset(random), value(random, file), 8),
  (file, random) => {
    const [offset, count] = [entryOffset(random), 1 + random(64)];
    return withBytes(file, offset + ENTRY_BYTES * count, (bytes) => {
      for (let at = 0; at < count; at++) bytes.writeBigUInt64LE(value(random, file), offset + ENTRY_BYTES * at);
    });
  },
  (file, random) => {
    if (file.bytes.length === 0) return file;
    const at = random(2) === 0 ? random(Math.min(64, file.bytes.length)) : random(file.bytes.length);
    return withBytes(file, 0, (bytes) => bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random(8)), at));
  },
  (file, random) => {
    const length = lengths(random, file);
    return { bytes: file.bytes.subarray(0, length), length };
  },
  (file, random, other) => {
    const [from, to] = [random(other.bytes.length + 1), random(file.bytes.length + 1)];
    const part = other.bytes.subarray(from, from + random(SECTION_BYTES));
    return withBytes(file, to + part.length, (bytes) => part.copy(bytes, to));
  },
  (file, random) => {
    const at = random(file.bytes.length + 1);
    const end = Math.min(file.bytes.length, at + random(SECTION_BYTES));
    return withBytes(file, 0, (bytes) => bytes.fill(random(2) * 255, at, end));
  },
];

/** One to six changes. */
export const mutate = (file: CowBytes, random: Random, other: CowBytes): CowBytes => {
  let mutated = file;
  for (let count = 1 + random(6); count > 0; count--) mutated = pick(random, MUTATIONS)(mutated, random, other);
  return mutated;
};
