/** The rules of docs/FORMAT.md (R) that the header must keep: A.2 to A.4, A.7 and A.8. */
import type { CowHeader } from '../../cow/cow-file.js';
import {
  BLOCK_BYTES,
  COW_FLAGS,
  COW_HEADER_SIZE,
  COW_MAGIC,
  COW_VERSION_CHANGED_BLOCKS,
  HEADER_BYTES,
  HEADER_FIELDS,
  SECTION_BYTES,
} from '../../layout.js';
import type { OpenFile } from '../../system/files.js';
import type { Checkpoint } from '../checkpoint.js';
import { beginsRecord, recordEnd } from '../checkpoint.js';
import type { Geometry, GeometryAnswer, OriginSize } from '../geometry.js';
import { assumption, isClean, isIncremental, slotBlocks } from '../geometry.js';
import type { InspectedCow } from '../inspected-cow.js';
import { isOfNextFile, nextFileOf } from '../next-file.js';
import type { Findings } from './findings.js';

const KNOWN_FLAGS = COW_FLAGS.reduce((mask, { value }) => mask | value, 0);

export const fieldOffset = (name: string): number => HEADER_FIELDS.find((field) => field.name === name)?.offset ?? NaN;

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** The file is no COW file. */
export const reportMagic = (file: OpenFile, findings: Findings): void => {
  const { offset, bytes } = HEADER_FIELDS[0] ?? { offset: 0, bytes: 4 };
  const found = Buffer.alloc(bytes);
  file.readFull(found, offset);
  findings.add('magic', offset, () => ({ found: hex(found.readUInt32LE()), expected: hex(COW_MAGIC) }));
};

/** Bytes behind the header's fields, up to the index or the end of the file: a checkpoint, the name of the next file, or zeros. */
export const checkReserved = (file: OpenFile, record: Checkpoint | undefined, findings: Findings): void => {
  const block = Buffer.alloc(COW_HEADER_SIZE);
  const got = file.read(block, 0);
  const hasRecord = beginsRecord(block.subarray(0, got));
  if (hasRecord && !record) {
    const expected = 'a whole record in a file that is in use, or zeros';
    findings.add('record', HEADER_BYTES, () => ({ found: 'a damaged record', expected }));
  }
  const hasNext = nextFileOf(block.subarray(0, got)) !== undefined;
  for (let at = hasRecord ? recordEnd(block) : HEADER_BYTES; at < got; at++) {
    const byte = block[at] ?? 0;
    if (byte !== 0 && !(hasNext && isOfNextFile(at)))
      findings.add('reserved', at, () => ({ found: hex(byte), expected: 0 }));
  }
};

/** A checkpoint holds the size of the origin. */
export const checkRecordSize = (
  { nrSectors }: Checkpoint,
  origin: OriginSize | undefined,
  findings: Findings,
): void => {
  if (!origin || origin.sectors === nrSectors) return;
  const expected = `${origin.sectors}, as ${origin.source} has`;
  findings.add('record', HEADER_BYTES, () => ({ found: `an origin of ${nrSectors} sectors`, expected }));
};

/** Fields that are checked by themselves. */
const checkFields = (header: CowHeader, findings: Findings): void => {
  const unknown = (header.flags & ~KNOWN_FLAGS) >>> 0;
  if (unknown !== 0) {
    findings.add('flags', fieldOffset('flags'), () => ({
      found: `${hex(header.flags)}, of which ${hex(unknown)} is unknown`,
      expected: `none but ${hex(KNOWN_FLAGS)}`,
    }));
  }
  if (header.version > COW_VERSION_CHANGED_BLOCKS) {
    findings.add('version', fieldOffset('version'), () => ({ found: header.version, expected: '0 or 1' }));
  }
  if (header.version === 0n && header.nrChangedBlocks !== 0n) {
    findings.add('counter', fieldOffset('nr_changed_blocks'), () => ({
      found: header.nrChangedBlocks,
      expected: '0, since a header of version 0 does not count',
    }));
  }
  // The first releases had no series: version 0, number 0 and id 0.
  const noId = header.uuid.every((byte) => byte === 0);
  const early = header.version === 0n;
  if (header.seqid === 0n && !(early && noId)) {
    findings.add('seqid', fieldOffset('seqid'), () => ({ found: 0, expected: 'at least 1' }));
  }
  if (noId && !(early && header.seqid === 0n)) {
    findings.add('uuid', fieldOffset('uuid'), () => ({ found: 'zeros', expected: 'a random id' }));
  }
};

/** fsize is current in a file that was closed, and may be old in others: the file may have grown since. */
const checkLimit = (header: CowHeader, fileBytes: number, dataOffset: number | undefined, findings: Findings): void => {
  const size = BigInt(fileBytes);
  const add = (expected: string): void =>
    findings.add('fsize', fieldOffset('fsize'), () => ({ found: header.fsize, expected }));
  if (isIncremental(header)) {
    // Older writers left the size of the snapshot here, which was larger.
    const least = BigInt(dataOffset ?? 0);
    if (isClean(header) && header.fsize < least) add(`at least ${least}, the end of the index`);
    return;
  }
  // A live incremental keeps the limit of its snapshot until it is closed; its file ends with the index.
  if (fileBytes === dataOffset) return;
  if (header.fsize > size) add(`at most ${size}, the file's size`);
  else if (isClean(header) && size >= header.fsize + BigInt(BLOCK_BYTES)) {
    add(`more than ${size - BigInt(BLOCK_BYTES)}, by the file's size of ${size}`);
  }
};

/**
 * fpos against the geometry: each block that was copied took one position and was counted. Live checkpoints may have taken some more,
 * once.
 */
const checkPosition = (
  header: CowHeader,
  { dataOffset, nrSectors }: Geometry,
  nrBlocks: number,
  findings: Findings,
): void => {
  const first = BigInt(dataOffset / BLOCK_BYTES);
  const counted = header.version >= COW_VERSION_CHANGED_BLOCKS;
  const most = first + (counted ? header.nrChangedBlocks : BigInt(nrBlocks));
  const least = counted && !isIncremental(header) ? most : first;
  const taken = counted ? BigInt(slotBlocks(nrSectors)) : 0n;
  for (const more of [0n, taken]) if (header.fpos >= least + more && header.fpos <= most + more) return;
  findings.add('fpos', fieldOffset('fpos'), () => ({
    found: header.fpos,
    expected: least === most ? `${most} or ${most + taken}` : `${least} to ${most + taken}`,
  }));
};

/** The data area's blocks lie inside the file, the last of them maybe up to a block less one byte behind fsize. */
const checkSize = (header: CowHeader, fileBytes: number, dataOffset: number, findings: Findings): void => {
  const add = (expected: string): void =>
    findings.add('file-size', fileBytes, () => ({ found: `${fileBytes} bytes`, expected }));
  if (fileBytes < dataOffset) add(`at least ${dataOffset}, header and index`);
  if (fileBytes <= dataOffset || !isIncremental(header) || !isClean(header)) return;
  // A file that could not be shortened stays as long as fsize, which no index is.
  const wholeSections = (fileBytes - COW_HEADER_SIZE) % SECTION_BYTES === 0;
  if (wholeSections || header.fsize !== BigInt(fileBytes)) add(`${dataOffset}, header and index`);
};

/** Checks the header against itself and the file's size. */
export const checkHeader = (
  header: CowHeader,
  fileBytes: number,
  answer: GeometryAnswer,
  nrBlocks: number,
  findings: Findings,
): void => {
  checkFields(header, findings);
  const { geometry, basis } = answer;
  checkLimit(header, fileBytes, geometry?.dataOffset, findings);
  if (geometry) {
    checkSize(header, fileBytes, geometry.dataOffset, findings);
    checkPosition(header, geometry, nrBlocks, findings);
  } else if (isIncremental(header)) {
    const expected = `${COW_HEADER_SIZE} and a multiple of ${SECTION_BYTES}`;
    findings.add('file-size', fileBytes, () => ({ found: `${fileBytes} bytes`, expected }));
  } else if (header.version >= COW_VERSION_CHANGED_BLOCKS) {
    const expected = '1, eight for each section of the index, and one for each changed block';
    findings.add('fpos', fieldOffset('fpos'), () => ({ found: `${header.fpos}: ${basis}`, expected }));
  }
};

/** What could not be checked, and what was assumed. */
export const checkNotes = ({ header, answer, record }: InspectedCow): string[] => {
  if (record) {
    return [
      record.regionBlocks === undefined
        ? 'a checkpoint: the volume is tracked, and was not written to since; a reload resumes it if nothing moved'
        : 'a live checkpoint: the volume is tracked; a reload after a power cut resumes it if nothing moved',
      'the index was not checked: it is written past the filesystem, which may show zeros in its place',
    ];
  }
  const notes: string[] = [];
  if (!answer.geometry) notes.push(`the index was not checked: ${answer.basis}; give the origin's size`);
  const assumed = assumption(answer);
  if (assumed !== undefined) notes.push(assumed);
  if (!isClean(header)) {
    notes.push('not closed cleanly: fpos and the counter may be old, and were not compared with the index');
  }
  return notes;
};
