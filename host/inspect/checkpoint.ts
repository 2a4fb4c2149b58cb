/** The checkpoint that the module keeps in a COW file (docs/CORE.md). */

import {
  COW_HEADER_SIZE,
  type HeaderField,
  LIVE_FIELDS,
  ORIGIN_SECTORS_MAX,
  RECORD_FIELDS,
  RECORD_MAGIC,
  RECORD_VERSION_LIVE,
  REFUSALS,
} from '../layout.js';
import type { OpenFile } from '../system/files.js';
import { coreFor } from './geometry.js';

export interface Checkpoint {
  readonly incremental: boolean;
  /** Size of the origin, in sectors. */
  readonly nrSectors: number;
  /** Blocks of a region, if it is a live one: the origin is, or was, written to. */
  readonly regionBlocks?: number;
}

const endOf = (fields: readonly HeaderField[]): number =>
  Math.max(...fields.map(({ offset, bytes }) => offset + bytes));
const RECORD_END = endOf(RECORD_FIELDS);

const offsetOf = (name: string): number =>
  [...RECORD_FIELDS, ...LIVE_FIELDS].find((field) => field.name === name)?.offset ?? NaN;
const isLive = (block: Buffer): boolean => block.readUInt32LE(offsetOf('version')) === RECORD_VERSION_LIVE;

/** Where the record in a header block ends; zeros follow. */
export const recordEnd = (block: Buffer): number => (isLive(block) ? endOf(LIVE_FIELDS) : RECORD_END);

const refusalOf = (name: string): number => REFUSALS.find((row) => row.name === name)?.value ?? NaN;

/** Whether a header block looks as if it had a record, damaged or not. */
export const beginsRecord = (block: Buffer): boolean =>
  block.length >= RECORD_END && block.readBigUInt64LE(offsetOf('magic')) === BigInt(RECORD_MAGIC);

/** The record in a file's header block; undefined if there is none, or a damaged one. */
export const readCheckpoint = (file: OpenFile): Checkpoint | undefined => {
  const block = Buffer.alloc(COW_HEADER_SIZE);
  if (file.read(block, 0) < COW_HEADER_SIZE) return undefined;
  if (!beginsRecord(block)) return undefined;
  const nrSectors = Number(block.readBigUInt64LE(offsetOf('nr_sectors')));
  if (nrSectors < 1 || nrSectors > ORIGIN_SECTORS_MAX) return undefined;
  const incremental = block.readUInt32LE(offsetOf('mode')) === 1;
  // A live one of snapshot mode is for a reload in incremental mode.
  const core = coreFor(nrSectors, incremental || isLive(block));
  core.call('record_begin');
  core.buffer().set(block);
  const answer = Number(core.call('record_check'));
  // Whether it belongs to this volume cannot be checked here. A record of an older version counts too.
  const isWhole = answer === 0 || ['MOVED', 'FOREIGN', 'OUTDATED'].some((name) => answer === refusalOf(name));
  if (!isWhole) return undefined;
  const regionBlocks = Number(block.readBigUInt64LE(offsetOf('region_blocks')));
  return { incremental, nrSectors, ...(isLive(block) ? { regionBlocks } : {}) };
};
