/**
 * The one table of formats, ioctls, structs, states, core exports and codes.
 *
 * `npm run layout` generates `assembly/layout.ts`, `kmod-stub/layout.h` and `libdattobd/dattobd.h` from it, all checked in; a
 * test and CI see to it that they do not drift; compilers check sizes and offsets.
 * `interface.ts` is the part of it that is about the driver.
 */

import { UUID_BYTES } from './interface.js';
import { type Named, numbered } from './named.js';

export * from './interface.js';
export type { Named } from './named.js';

/**
 * Version of the interface (ioctls, /proc/datto-info, COW file), as the module reports it in /proc and to modinfo. It is not that of
 * this package: other programs look at it.
 */
export const DATTOBD_VERSION = '0.12.1';

// The COW file: header, index, data.

export const SECTOR_BYTES = 512;
export const BLOCK_BYTES = 4096;
export const BLOCK_SECTORS = BLOCK_BYTES / SECTOR_BYTES;
export const MIB_BYTES = 1048576;
/** Entries of one index section. */
export const SECTION_ENTRIES = 4096;
/** An index entry is a u64: position of the block's copy, 1 (changed), or 0 (unchanged). */
export const ENTRY_BYTES = 8;
export const SECTION_BYTES = SECTION_ENTRIES * ENTRY_BYTES;
/** Reserved for the header at the start of the file; the index follows. */
export const COW_HEADER_SIZE = 4096;
export const COW_MAGIC = 4776;
/** Header versions: of files that keep no nr_changed_blocks, and from which on it is kept. */
export const COW_VERSION_0 = 0;
export const COW_VERSION_CHANGED_BLOCKS = 1;
/** Bytes of the header that hold fields; the rest of its block is zero. */
export const HEADER_BYTES = 64;
/** Flags of the header, as masks. */
export const COW_FLAGS: readonly Named[] = [
  { name: 'CLEAN', value: 1, doc: 'closed cleanly: header and index on disk are complete' },
  { name: 'INDEX_ONLY', value: 2, doc: 'incremental: no data area, an entry says changed or not' },
  { name: 'VMALLOC_UPPER', value: 4, doc: 'left by other writers, of no meaning' },
];

export interface HeaderField {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly doc: string;
}

/** The header's fields, little-endian (docs/FORMAT.md, A.2). */
export const HEADER_FIELDS: readonly HeaderField[] = [
  { name: 'magic', offset: 0, bytes: 4, doc: 'COW_MAGIC' },
  { name: 'flags', offset: 4, bytes: 4, doc: 'its flags, one bit each' },
  { name: 'fpos', offset: 8, bytes: 8, doc: 'next free position, in blocks' },
  { name: 'fsize', offset: 16, bytes: 8, doc: 'size limit of the file, in bytes' },
  { name: 'seqid', offset: 24, bytes: 8, doc: 'number of the snapshot in its series, from 1' },
  { name: 'uuid', offset: 32, bytes: UUID_BYTES, doc: 'id of the series' },
  { name: 'version', offset: 48, bytes: 8, doc: 'version of the header' },
  { name: 'nr_changed_blocks', offset: 56, bytes: 8, doc: 'blocks changed, in blocks' },
];

/** First bytes of a checkpoint, "DATTOREC" in memory. */
export const RECORD_MAGIC = '0x4345524f54544144';
export const RECORD_VERSION = 2;
/** A checkpoint after which the origin was written to: the dirty map says where. */
export const RECORD_VERSION_LIVE = 3;
/** Records of this version prove nothing about XFS, whose mounts leave the first blocks as they are. */
export const RECORD_VERSION_FIRST_BLOCKS = 1;

/**
 * The checkpoint: in the header block behind the header, where other readers do not look, while the origin is tracked
 * but nothing was written to it since. The header is then that of a file in use (docs/CORE.md).
 */
export const RECORD_FIELDS: readonly HeaderField[] = [
  { name: 'magic', offset: 64, bytes: 8, doc: 'RECORD_MAGIC' },
  { name: 'version', offset: 72, bytes: 4, doc: 'RECORD_VERSION' },
  { name: 'mode', offset: 76, bytes: 4, doc: 'snapshot or incremental' },
  { name: 'nr_sectors', offset: 80, bytes: 8, doc: 'size of the origin, in sectors' },
  { name: 'area_offset', offset: 88, bytes: 8, doc: 'where the stored bitmaps begin in the file, in bytes' },
  { name: 'nr_pieces', offset: 96, bytes: 8, doc: 'pieces stored there' },
  { name: 'area_sum', offset: 104, bytes: 8, doc: 'checksum of the pieces' },
  { name: 'extents', offset: 112, bytes: 8, doc: 'checksum of where the file lies on the origin' },
  { name: 'filesystem', offset: 120, bytes: 8, doc: 'checksum of what a mount elsewhere would change' },
  { name: 'tail_position', offset: 128, bytes: 8, doc: 'position of a partial last block without entry, or 0' },
  { name: 'checksum', offset: 136, bytes: 8, doc: 'XXH64 of the header block, with zeros here' },
  { name: 'slots_offset', offset: 144, bytes: 8, doc: 'snapshot mode: place of live checkpoints in the file, or 0' },
];

/** Fields of a live checkpoint, behind the checksum. All lie in the first sector, which no power cut tears; its checksum is that of this sector. */
export const LIVE_FIELDS: readonly HeaderField[] = [
  {
    name: 'generation',
    offset: 144,
    bytes: 8,
    doc: 'number of the dirty map, which its sectors repeat in their checksums',
  },
  { name: 'map_offset', offset: 152, bytes: 8, doc: 'where the dirty map begins in the file, in bytes' },
  { name: 'region_blocks', offset: 160, bytes: 8, doc: 'blocks of a region' },
  { name: 'identity', offset: 168, bytes: 8, doc: 'checksum of what only a mount or a tool changes in the superblock' },
  { name: 'identity_next', offset: 176, bytes: 8, doc: 'the same as it will be, or is already' },
  { name: 'log_sectors', offset: 184, bytes: 8, doc: 'sectors of the log of an XFS, or 0; then positions in it' },
  { name: 'log_low', offset: 192, bytes: 8, doc: 'its end, at least' },
  { name: 'log_high', offset: 200, bytes: 8, doc: 'its end, at most' },
  { name: 'log_stamps', offset: 208, bytes: 8, doc: 'end of what our mount stamped' },
  { name: 'log_mark', offset: 216, bytes: 8, doc: 'of a record that went from here, or 0' },
  { name: 'log_mark_sum', offset: 224, bytes: 8, doc: 'its checksum; 0 if it is yet to be written' },
];
/** Bytes of which a live checkpoint has the checksum. */
export const LIVE_BYTES = SECTOR_BYTES;

/** First bytes of the next COW file's name in the header block of a COW file, "DATTONXT" in memory. */
export const NEXT_FILE_MAGIC = '0x54584e4f54544144';
export const NEXT_FILE_PATH_BYTES = 512;
/** The file with which tracking went on. */
export const NEXT_FILE_FIELDS: readonly HeaderField[] = [
  { name: 'magic', offset: 512, bytes: 8, doc: 'NEXT_FILE_MAGIC' },
  { name: 'sum', offset: 520, bytes: 8, doc: 'checksum of uuid, seqid and path' },
  {
    name: 'path',
    offset: 528,
    bytes: NEXT_FILE_PATH_BYTES,
    doc: 'its path from the root of the filesystem, zeros follow',
  },
];

// The dirty map: one bit for each region of the origin.

/** Blocks of a region: a power of two. */
export const REGION_BLOCKS_MIN = 256;
export const REGION_BLOCKS_MAX = 16384;
export const REGION_BLOCKS_DEFAULT = 1024;
/** A sector of the map has so many words of 64 bits, and then a checksum. */
export const MAP_SECTOR_WORDS = 63;
export const MAP_BLOCK_WORDS = MAP_SECTOR_WORDS * BLOCK_SECTORS;
/** Blocks of the map that one call hands out at most. */
export const MAP_BLOCKS_MAX = 4;

/** First word of a record's header in the log of an XFS, and of each sector that a mount stamps behind its end. */
export const XFS_LOG_MAGIC = 0xfeedbabe;

// The core's face (docs/CORE.md).

/** Blocks of the origin that a look at its filesystem reads, at most. */
export const PROOF_BLOCKS_MAX = 28;

/** Bytes of the buffer through which ranges, sections and mask chunks go in and out. */
export const BUFFER_BYTES = 262144;
export const RUNS_MAX = 16384;
export const RUN_BYTES = 16;
export const RANGE_BYTES = 16;
/** Outside the range of errnos: the call needs an index section, or more memory for bitmaps, first. */
export const STATUS_MISS = -4096;
export const STATUS_ROOM = -4097;
/** Not an error: the write must wait until the dirty map on disk has its regions. */
export const STATUS_REGION = -4098;
/** What `is_copied` answers if a write must wait for that, too. */
export const COPIED_WAITS = 2;
/** Slots for index sections: the least number, whatever the cache limit, and how many come when all are taken. */
export const SLOTS_MIN = 16;
export const SLOTS_GROWTH = 16;
/**
 * What one call may be asked for, so that none takes long: blocks of a range or extent; blocks, ranges and runs of a copy;
 * blocks of a commit; blocks and runs of a read.
 */
export const SLICE_BLOCKS = 32768;
export const PLAN_BLOCKS_MAX = 4096;
export const PLAN_RANGES_MAX = 128;
export const PLAN_RUNS_MAX = 128;
export const COMMIT_BLOCKS_MAX = 1024;
export const READ_BLOCKS_MAX = 1024;
export const READ_RUNS_MAX = 32;
export const MASK_CHUNK_BYTES = 32768;
export const MASK_CHUNK_BLOCKS = MASK_CHUNK_BYTES * 8;
/** Largest origin, in sectors, and in words. */
export const ORIGIN_SECTORS_MAX = 2 ** 37;
export const ORIGIN_MAX_TEXT = '64 TiB';

export const MODES = numbered(['SNAPSHOT', 'old content is copied'], ['INCREMENTAL', 'changed blocks are noted']);

/** What `header_check` is told to accept: a mode or ANY, plus UNCLEAN_OK. */
export const EXPECTATIONS: readonly Named[] = [
  { name: 'SNAPSHOT', value: 0, doc: 'a header of snapshot mode' },
  { name: 'INCREMENTAL', value: 1, doc: 'a header of incremental mode' },
  { name: 'ANY', value: 2, doc: 'a header of either mode' },
  { name: 'UNCLEAN_OK', value: 4, doc: 'added: CLEAN may be missing' },
];

export const RUN_KINDS = numbered(
  ['ORIGIN', 'read the origin at block start'],
  ['COW', 'read the COW file at position start'],
  ['ZERO', 'zeros, from block start on'],
);

export const SECTION_REQUESTS = numbered(
  ['READY', 'the section is resident'],
  ['READ', 'read it from the file first'],
  ['WRITE', 'write it to the file first'],
  ['AGAIN', 'ask again, there is more to do'],
);

/** What a look at the origin's filesystem is for. */
export const PROOFS = numbered(
  ['END', 'the superblock, and where the log ends'],
  ['WHOLE', 'all that a record is tied to'],
  ['STAMPS', 'how far a mount has stamped the log'],
  ['TIE', 'what the live checkpoint that is being loaded is tied to'],
);

/** Refusals of `header_check` and of checkpoints; `doc` is the reason in words. */
export const REFUSALS: readonly Named[] = [
  { name: 'BAD_MAGIC', value: 1, doc: 'bad magic' },
  { name: 'NOT_CLEAN', value: 2, doc: 'not cleanly closed' },
  { name: 'WRONG_MODE', value: 3, doc: 'wrong mode' },
  { name: 'RESIZED', value: 4, doc: 'the origin was resized' },
  { name: 'MOVED', value: 5, doc: 'the file was moved' },
  { name: 'FOREIGN', value: 6, doc: 'the filesystem was changed elsewhere' },
  { name: 'DAMAGED', value: 7, doc: 'damaged record' },
  { name: 'OUTDATED', value: 8, doc: 'record of an older version' },
  { name: 'CRASHED', value: 9, doc: 'the snapshot was lost in a crash' },
  { name: 'CONTINUED', value: 10, doc: 'tracking went on with another file' },
];

/** Errnos that the core answers, as positive numbers. */
export const CORE_ERRNOS: readonly Named[] = [
  { name: 'EIO', value: 5, doc: 'a block was marked without being copied' },
  { name: 'ENOMEM', value: 12, doc: 'memory cannot grow' },
  { name: 'EXDEV', value: 18, doc: "the filesystem's log is on another device" },
  { name: 'EINVAL', value: 22, doc: 'a bad argument' },
  { name: 'EFBIG', value: 27, doc: 'the COW file is full' },
  { name: 'ENOSPC', value: 28, doc: 'no room for a checkpoint' },
  { name: 'ENODATA', value: 61, doc: 'no further block is wanted' },
  { name: 'EOPNOTSUPP', value: 95, doc: 'no filesystem that is known' },
];
