/**
 * How large the index of a COW file is.
 *
 * The file does not store the size of its origin. Either the caller gives it, or the number of sections is derived from
 * other fields; it is never guessed.
 */

import { Core } from '../cow/core.js';
import type { CowHeader } from '../cow/cow-file.js';
import { RefusalError } from '../errors.js';
import {
  BLOCK_BYTES,
  BLOCK_SECTORS,
  COW_FLAGS,
  COW_HEADER_SIZE,
  COW_VERSION_CHANGED_BLOCKS,
  MODES,
  ORIGIN_SECTORS_MAX,
  SECTION_BYTES,
  SECTION_ENTRIES,
} from '../layout.js';

/** The origin's size, from another source than the file. */
export interface OriginSize {
  readonly sectors: number;
  /** The source, to be shown: an option, or the path of an image. */
  readonly source: string;
}

export interface Geometry {
  readonly nrSections: number;
  /** Bytes before the data area. */
  readonly dataOffset: number;
  /** The origin's size if it is known, else the largest that has as many sections. */
  readonly nrSectors: number;
  /** `nrSectors` is the origin's size. */
  readonly exact: boolean;
}

/** A geometry, or none; and in one sentence its source, or why there is none. */
export interface GeometryAnswer {
  readonly geometry: Geometry | undefined;
  readonly basis: string;
}

export const flagMask = (name: string): number => COW_FLAGS.find((flag) => flag.name === name)?.value ?? NaN;

/** Mode of a file, by its flag. */
export const isIncremental = ({ flags }: CowHeader): boolean => (flags & flagMask('INDEX_ONLY')) !== 0;
export const isClean = ({ flags }: CowHeader): boolean => (flags & flagMask('CLEAN')) !== 0;

const SECTIONS_MAX = ORIGIN_SECTORS_MAX / BLOCK_SECTORS / SECTION_ENTRIES;
const BLOCKS_OF_SECTION = SECTION_BYTES / BLOCK_BYTES;

/**
 * A core for an origin.
 *
 * @throws RangeError if no origin can have this size
 */
export const coreFor = (nrSectors: number, incremental: boolean): Core => {
  const core = new Core();
  const mode = MODES.findIndex(({ name }) => name === (incremental ? 'INCREMENTAL' : 'SNAPSHOT'));
  const answer = core.call('init', nrSectors, 0, mode);
  if (answer !== 0n) throw new RangeError(`an origin of ${nrSectors} sectors, expected 1 to ${ORIGIN_SECTORS_MAX}`);
  return core;
};

const isCount = (sections: number): boolean => Number.isInteger(sections) && sections >= 1 && sections <= SECTIONS_MAX;

const ofSections = (nrSections: number): Geometry => ({
  nrSections,
  dataOffset: COW_HEADER_SIZE + nrSections * SECTION_BYTES,
  nrSectors: nrSections * SECTION_ENTRIES * BLOCK_SECTORS,
  exact: false,
});

/** Geometry of an origin of known size, as the core lays it out. */
export const geometryOfOrigin = (nrSectors: number): Geometry => {
  const core = coreFor(nrSectors, true);
  const [nrSections, dataOffset] = [Number(core.stat('NR_SECTIONS')), Number(core.stat('DATA_OFFSET'))];
  return { nrSections, dataOffset, nrSectors, exact: true };
};

const fromFileSize = (fileBytes: number): GeometryAnswer => {
  const sections = (fileBytes - COW_HEADER_SIZE) / SECTION_BYTES;
  if (isCount(sections)) {
    const basis = `the file ends with its index, which has ${sections} sections by the file's size`;
    return { geometry: ofSections(sections), basis };
  }
  const basis = `an incremental file ends with its index, but ${fileBytes} bytes hold no whole number of sections`;
  return { geometry: undefined, basis };
};

/** Positions that live checkpoints take in snapshot mode, once there was one. */
export const slotBlocks = (nrSectors: number): number =>
  Number(coreFor(nrSectors, false).stat('SLOTS_BYTES')) / BLOCK_BYTES;

/** Sections of an index that takes so many blocks together with the place of live checkpoints; NaN if there is no such number. */
const sectionsBesideSlots = (blocks: number): number => {
  let sections = Math.floor(blocks / BLOCKS_OF_SECTION);
  // That place is about one part in 14: each step comes nearer by as much.
  for (let tries = 0; tries < 16 && isCount(sections); tries++) {
    const next = (blocks - slotBlocks(ofSections(sections).nrSectors)) / BLOCKS_OF_SECTION;
    if (next === sections) return sections;
    sections = Math.floor(next);
  }
  return Number.NaN;
};

/** In snapshot mode each copied block takes one position and counts once: the rest of fpos is header, index, and that place. */
const fromCounters = (header: CowHeader): GeometryAnswer => {
  const { fpos, nrChangedBlocks, version } = header;
  if (version < COW_VERSION_CHANGED_BLOCKS) {
    return {
      geometry: undefined,
      basis: 'a header of version 0 has no counter that the size of the index follows from',
    };
  }
  const blocks = Number(fpos - nrChangedBlocks) - 1;
  // No writer closes a file in snapshot mode that had such a place.
  const beside = isClean(header) ? [] : [sectionsBesideSlots(blocks)];
  const found = [blocks / BLOCKS_OF_SECTION, ...beside].filter(isCount);
  if (found.length === 1) {
    const basis = `fpos less the number of changed blocks leaves ${found[0]} sections for the index`;
    return { geometry: ofSections(found[0]!), basis };
  }
  const what = found.length ? `${found.join(' or ')} sections` : 'no whole number of sections';
  const basis = `fpos ${fpos} less ${nrChangedBlocks} changed blocks leaves ${what}`;
  return { geometry: undefined, basis };
};

/**
 * Finds the geometry of a file.
 *
 * @param origin the origin's size, if known
 * @throws RefusalError ORIGIN_SIZE_MISMATCH if no origin can have that size
 */
export const findGeometry = (header: CowHeader, fileBytes: number, origin: OriginSize | undefined): GeometryAnswer => {
  if (!origin) return isIncremental(header) ? fromFileSize(fileBytes) : fromCounters(header);
  const { sectors, source } = origin;
  if (sectors >= 1 && sectors <= ORIGIN_SECTORS_MAX) {
    const geometry = geometryOfOrigin(sectors);
    return { geometry, basis: `the origin has ${sectors} sectors of 512 bytes (${source})` };
  }
  const expected = `1 to ${ORIGIN_SECTORS_MAX}`;
  const message = `cannot use ${source} as the origin's size: it is ${sectors} sectors, expected ${expected}`;
  throw new RefusalError('ORIGIN_SIZE_MISMATCH', message);
};

/** What a geometry had to assume, in one sentence; undefined if nothing. */
export const assumption = ({ geometry }: GeometryAnswer): string | undefined => {
  if (!geometry || geometry.exact) return undefined;
  const least = (geometry.nrSections - 1) * SECTION_ENTRIES + 1;
  const most = geometry.nrSections * SECTION_ENTRIES;
  return `the origin has ${least} to ${most} blocks; ${most} assumed, as the file does not store its size`;
};
