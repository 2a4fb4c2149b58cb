/**
 * When each chunk changed last, as the engine of a target sees it. A time belongs to one content of its chunk and to no other, so an
 * engine that finds the time it knows need not read the chunk. A file per volume and target, little-endian:
 *
 *   0    magic "DATTOTIM"
 *   8    version, u32: 1
 *   12   bytes of a chunk, u32
 *   16   bytes of the volume, u64
 *   24   the latest time that was ever given, u64
 *   32   run that made the point with these times, 16 bytes; zeros if there is none
 *   48   SHA-256 of all else
 *   80   zeros
 *   128  a time for each chunk, u64
 *
 * Times are nanoseconds since 1970. chunkview reads the file.
 */
import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import { RefusalError } from '../../errors.js';
import { lookAtOwn, makeFile, openOwn } from '../../system/safe-files.js';
import type { Geometry } from './chunk.js';
import { chunkCount } from './chunk.js';

const MAGIC = Buffer.from('DATTOTIM');
const VERSION = 1;
const HEADER_BYTES = 128;
const TIME_BYTES = 8;
const SUM = { offset: 48, bytes: 32 };
const RUN = { offset: 32, bytes: 16 };
const NO_RUN = '0'.repeat(RUN.bytes * 2);
/** From one run's time to that of the next, at least: no filesystem or engine takes them for the same. */
const STEP_NS = 2_000_000_000n;
const NS_PER_MS = 1_000_000n;

export interface Times {
  readonly geometry: Geometry;
  /** Later than any time that was ever given to a chunk, or the same. */
  readonly latest: bigint;
  /** 32 hex digits. */
  readonly run: string | undefined;
  readonly chunks: BigUint64Array;
}

const sumOf = (file: Buffer): Buffer =>
  createHash('sha256')
    .update(file.subarray(0, SUM.offset))
    .update(file.subarray(SUM.offset + SUM.bytes))
    .digest();

/**
 * A time for what changed now: later than all before, also if the clock went back.
 *
 * @param before times that were given
 */
export const timeAfter = (before: readonly bigint[], nowMs = Date.now()): bigint =>
  before.reduce((latest, time) => (time + STEP_NS > latest ? time + STEP_NS : latest), BigInt(nowMs) * NS_PER_MS);

/** The times of a run: chunks that did not change keep theirs. @param changed undefined: all are given the new time */
export const nextTimes = (
  geometry: Geometry,
  run: string,
  time: bigint,
  base: Times | undefined,
  changed: readonly number[] | undefined,
): Times => {
  const chunks = base && changed ? base.chunks.slice() : new BigUint64Array(chunkCount(geometry)).fill(time);
  for (const chunk of changed ?? []) chunks[chunk] = time;
  return { geometry, latest: time, run, chunks };
};

/** Makes a file of times, or replaces it; it is on disk when this returns. */
export const writeTimes = (path: string, { geometry, latest, run, chunks }: Times): void => {
  const file = Buffer.alloc(HEADER_BYTES + chunks.byteLength);
  MAGIC.copy(file);
  file.writeUInt32LE(VERSION, 8);
  file.writeUInt32LE(geometry.chunkBytes, 12);
  file.writeBigUInt64LE(BigInt(geometry.volumeBytes), 16);
  file.writeBigUInt64LE(latest, 24);
  file.write(run ?? NO_RUN, RUN.offset, 'hex');
  Buffer.from(chunks.buffer, chunks.byteOffset, chunks.byteLength).copy(file, HEADER_BYTES);
  if (endianness() === 'BE') file.subarray(HEADER_BYTES).swap64();
  sumOf(file).copy(file, SUM.offset);
  makeFile(path, (made) => made.writeFull(file, 0));
};

/**
 * Reads a file of times.
 *
 * @returns undefined if there is none, or it is damaged
 * @throws RefusalError FILE_UNSAFE; SystemError
 */
export const readTimes = (path: string): Times | undefined => {
  const stat = lookAtOwn(path);
  if (!stat || stat.size < HEADER_BYTES) return undefined;
  const file = Buffer.alloc(Number(stat.size));
  const opened = openOwn(path, 'r');
  try {
    opened.readFull(file, 0);
  } finally {
    opened.close();
  }
  return timesIn(file);
};

const timesIn = (file: Buffer): Times | undefined => {
  if (!file.subarray(0, MAGIC.length).equals(MAGIC) || file.readUInt32LE(8) !== VERSION) return undefined;
  if (!sumOf(file).equals(file.subarray(SUM.offset, SUM.offset + SUM.bytes))) return undefined;
  const geometry = { chunkBytes: file.readUInt32LE(12), volumeBytes: Number(file.readBigUInt64LE(16)) };
  if (file.length !== HEADER_BYTES + chunkCount(geometry) * TIME_BYTES) return undefined;
  const run = file.toString('hex', RUN.offset, RUN.offset + RUN.bytes);
  const entries = Buffer.from(file.subarray(HEADER_BYTES));
  if (endianness() === 'BE') entries.swap64();
  const chunks = new BigUint64Array(chunkCount(geometry));
  entries.copy(Buffer.from(chunks.buffer));
  return { geometry, latest: file.readBigUInt64LE(24), run: run === NO_RUN ? undefined : run, chunks };
};

/** The times that may be built upon: those of a point. @throws RefusalError if they cannot be */
export const requireBase = (times: Times | undefined, run: string, geometry: Geometry): Times => {
  const fault = baseFault(times, run, geometry);
  if (times && fault === undefined) return times;
  throw new RefusalError('WHOLE_COPY_NEEDED', `cannot add changes to the newest restore point: ${fault}`);
};

/** Why times cannot be those of a run's point, in words; undefined if they are. */
export const baseFault = (times: Times | undefined, run: string, geometry: Geometry): string | undefined => {
  if (!times) return 'the times of its chunks are lost or damaged';
  if (times.run === undefined) return 'a check found that the repository differs from the volume';
  if (times.run !== run) return 'the times of its chunks are those of another run';
  const { volumeBytes, chunkBytes } = times.geometry;
  if (volumeBytes !== geometry.volumeBytes) return 'the size of the volume changed';
  return chunkBytes === geometry.chunkBytes ? undefined : 'the size of a chunk changed';
};
