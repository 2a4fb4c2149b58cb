/** The rules of docs/FORMAT.md (R) that the index must keep: A.5 and A.6. */
import type { CowFile, CowHeader, IndexChunk } from '../../cow/cow-file.js';
import {
  BLOCK_BYTES,
  BLOCK_SECTORS,
  COW_HEADER_SIZE,
  COW_VERSION_CHANGED_BLOCKS,
  ENTRY_BYTES,
  SECTION_ENTRIES,
} from '../../layout.js';
import type { Geometry } from '../geometry.js';
import { isClean, isIncremental, slotBlocks } from '../geometry.js';
import { fieldOffset } from './check-header.js';
import type { Findings } from './findings.js';
import { PositionSet } from './position-set.js';

/** Marker of a block that changed without being copied. */
const CHANGED = 1;

/** Place of an entry in the file. */
export const entryOffset = (block: number): number => COW_HEADER_SIZE + ENTRY_BYTES * block;

interface Bounds {
  readonly incremental: boolean;
  readonly clean: boolean;
  /** Blocks of the origin. */
  readonly nrBlocks: number;
  /** First position of the data area. */
  readonly first: number;
  /** Position behind the last that may be in use; in a file that was not closed, only its end is a bound. */
  readonly end: number;
  /** Positions below it are stored whole, in blocks. */
  readonly fileEnd: number;
}

const boundsOf = (header: CowHeader, geometry: Geometry, fileBytes: number): Bounds => {
  const first = geometry.dataOffset / BLOCK_BYTES;
  const nrBlocks = Math.ceil(geometry.nrSectors / BLOCK_SECTORS);
  const clean = isClean(header);
  return {
    incremental: isIncremental(header) || (!clean && fileBytes === geometry.dataOffset),
    clean,
    nrBlocks,
    first,
    // Each block is copied once at most, whatever fpos is; that also bounds the memory for the positions.
    end: Math.min(clean ? Number(header.fpos) : Infinity, first + nrBlocks + slotBlocks(geometry.nrSectors)),
    fileEnd: Math.floor(fileBytes / BLOCK_BYTES),
  };
};

/** Looks at entries one by one. */
class EntryCheck {
  readonly #bounds: Bounds;
  readonly #findings: Findings;
  readonly #seen = new PositionSet();
  /** Entries that are not zero. */
  nr = 0;

  constructor(bounds: Bounds, findings: Findings) {
    this.#bounds = bounds;
    this.#findings = findings;
  }

  chunk({ firstBlock, entries, runs }: IndexChunk): void {
    const view = new DataView(entries.buffer, entries.byteOffset, entries.length);
    for (const { start, count } of runs) {
      for (let block = start; block < start + count; block++) {
        const at = (block - firstBlock) * ENTRY_BYTES;
        const value = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
        // Above 2^53 the number is not exact, but far outside of what it is compared with.
        this.#entry(block, value, () => view.getBigUint64(at, true));
      }
    }
  }

  #entry(block: number, value: number, exact: () => bigint): void {
    this.nr++;
    const { incremental, nrBlocks, first, end, fileEnd } = this.#bounds;
    const findings = this.#findings;
    const offset = entryOffset(block);
    if (block >= nrBlocks) {
      const expected = `0, since the origin has ${nrBlocks} blocks`;
      findings.add('entry-beyond-origin', offset, () => ({ found: `block ${block}: ${exact()}`, expected }));
      return;
    }
    if (value === CHANGED) {
      if (incremental) return;
      const expected = `a position from ${first} on, in snapshot mode`;
      findings.add('entry-marker', offset, () => ({ found: `block ${block}: ${CHANGED}`, expected }));
      return;
    }
    if (value < first || value >= end) {
      const expected = `a position from ${first} to ${end - 1}`;
      findings.add('entry-position', offset, () => ({ found: `block ${block}: position ${exact()}`, expected }));
      return;
    }
    if (!incremental && value >= fileEnd) {
      const expected = `a position below ${fileEnd}, the file's end`;
      findings.add('entry-in-file', offset, () => ({ found: `block ${block}: position ${exact()}`, expected }));
    }
    if (!this.#seen.add(value)) {
      const expected = 'a position that no block before it has';
      findings.add('entry-unique', offset, () => ({ found: `block ${block}: position ${value}`, expected }));
    }
  }
}

/** The counter against the index. A partial last block may be counted and have no entry. */
const checkCounter = (header: CowHeader, geometry: Geometry, nr: number, findings: Findings): void => {
  if (!isClean(header) || header.version < COW_VERSION_CHANGED_BLOCKS) return;
  const missing = header.nrChangedBlocks - BigInt(nr);
  if (missing === 0n) return;
  const wholeBlocks = Math.floor(geometry.nrSectors / BLOCK_SECTORS);
  const tailWithoutEntry = geometry.nrSectors % BLOCK_SECTORS !== 0 && wholeBlocks % SECTION_ENTRIES === 0;
  if (missing === 1n && geometry.exact && tailWithoutEntry) return;
  const unless =
    missing === 1n && !geometry.exact ? ' (or one more if the origin ends in a part of a block: give its size)' : '';
  findings.add('counter', fieldOffset('nr_changed_blocks'), () => ({
    found: header.nrChangedBlocks,
    expected: `${nr}, the entries that are not zero${unless}`,
  }));
};

/**
 * Checks the index, entry by entry.
 *
 * @returns the number of entries that are not zero
 */
export const checkIndex = (
  reader: CowFile,
  header: CowHeader,
  geometry: Geometry,
  fileBytes: number,
  findings: Findings,
): number => {
  const check = new EntryCheck(boundsOf(header, geometry, fileBytes), findings);
  const end = Math.min(geometry.dataOffset, fileBytes - (fileBytes % ENTRY_BYTES));
  for (const chunk of reader.indexChunks(end)) check.chunk(chunk);
  if (end === geometry.dataOffset) checkCounter(header, geometry, check.nr, findings);
  return check.nr;
};
