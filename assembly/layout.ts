// Generated from host/layout.ts by `npm run layout`. Do not edit.

export const SECTOR_BYTES: u32 = 512;
export const BLOCK_BYTES: u32 = 4096;
export const BLOCK_SECTORS: u32 = 8;
export const SECTION_ENTRIES: u32 = 4096;
export const SECTION_BYTES: u32 = 32768;
export const ENTRY_BYTES: u32 = 8;
export const ORIGIN_SECTORS_MAX: u64 = 137438953472;

export const COW_HEADER_SIZE: u32 = 4096;
export const COW_MAGIC: u32 = 4776;
export const COW_VERSION_CHANGED_BLOCKS: u32 = 1;
/** closed cleanly: header and index on disk are complete */
export const COW_FLAG_CLEAN: u32 = 1;
/** incremental: no data area, an entry says changed or not */
export const COW_FLAG_INDEX_ONLY: u32 = 2;
/** left by other writers, of no meaning */
export const COW_FLAG_VMALLOC_UPPER: u32 = 4;
export const HEADER_BYTES: u32 = 64;
export const UUID_BYTES: u32 = 16;
/** COW_MAGIC */
export const HEADER_OFFSET_MAGIC: u32 = 0;
/** its flags, one bit each */
export const HEADER_OFFSET_FLAGS: u32 = 4;
/** next free position, in blocks */
export const HEADER_OFFSET_FPOS: u32 = 8;
/** size limit of the file, in bytes */
export const HEADER_OFFSET_FSIZE: u32 = 16;
/** number of the snapshot in its series, from 1 */
export const HEADER_OFFSET_SEQID: u32 = 24;
/** id of the series */
export const HEADER_OFFSET_UUID: u32 = 32;
/** version of the header */
export const HEADER_OFFSET_VERSION: u32 = 48;
/** blocks changed, in blocks */
export const HEADER_OFFSET_NR_CHANGED_BLOCKS: u32 = 56;
export const RECORD_MAGIC: u64 = 0x4345524f54544144;
export const RECORD_VERSION: u32 = 2;
export const RECORD_VERSION_FIRST_BLOCKS: u32 = 1;
/** RECORD_MAGIC */
export const RECORD_OFFSET_MAGIC: u32 = 64;
/** RECORD_VERSION */
export const RECORD_OFFSET_VERSION: u32 = 72;
/** snapshot or incremental */
export const RECORD_OFFSET_MODE: u32 = 76;
/** size of the origin, in sectors */
export const RECORD_OFFSET_NR_SECTORS: u32 = 80;
/** where the stored bitmaps begin in the file, in bytes */
export const RECORD_OFFSET_AREA_OFFSET: u32 = 88;
/** pieces stored there */
export const RECORD_OFFSET_NR_PIECES: u32 = 96;
/** checksum of the pieces */
export const RECORD_OFFSET_AREA_SUM: u32 = 104;
/** checksum of where the file lies on the origin */
export const RECORD_OFFSET_EXTENTS: u32 = 112;
/** checksum of what a mount elsewhere would change */
export const RECORD_OFFSET_FILESYSTEM: u32 = 120;
/** position of a partial last block without entry, or 0 */
export const RECORD_OFFSET_TAIL_POSITION: u32 = 128;
/** XXH64 of the header block, with zeros here */
export const RECORD_OFFSET_CHECKSUM: u32 = 136;
/** snapshot mode: place of live checkpoints in the file, or 0 */
export const RECORD_OFFSET_SLOTS_OFFSET: u32 = 144;
export const RECORD_VERSION_LIVE: u32 = 3;
/** number of the dirty map, which its sectors repeat in their checksums */
export const LIVE_OFFSET_GENERATION: u32 = 144;
/** where the dirty map begins in the file, in bytes */
export const LIVE_OFFSET_MAP_OFFSET: u32 = 152;
/** blocks of a region */
export const LIVE_OFFSET_REGION_BLOCKS: u32 = 160;
/** checksum of what only a mount or a tool changes in the superblock */
export const LIVE_OFFSET_IDENTITY: u32 = 168;
/** the same as it will be, or is already */
export const LIVE_OFFSET_IDENTITY_NEXT: u32 = 176;
/** sectors of the log of an XFS, or 0; then positions in it */
export const LIVE_OFFSET_LOG_SECTORS: u32 = 184;
/** its end, at least */
export const LIVE_OFFSET_LOG_LOW: u32 = 192;
/** its end, at most */
export const LIVE_OFFSET_LOG_HIGH: u32 = 200;
/** end of what our mount stamped */
export const LIVE_OFFSET_LOG_STAMPS: u32 = 208;
/** of a record that went from here, or 0 */
export const LIVE_OFFSET_LOG_MARK: u32 = 216;
/** its checksum; 0 if it is yet to be written */
export const LIVE_OFFSET_LOG_MARK_SUM: u32 = 224;
export const LIVE_BYTES: u32 = 512;
export const NEXT_FILE_MAGIC: u64 = 0x54584e4f54544144;
export const NEXT_FILE_PATH_BYTES: u32 = 512;
/** NEXT_FILE_MAGIC */
export const NEXT_FILE_OFFSET_MAGIC: u32 = 512;
/** checksum of uuid, seqid and path */
export const NEXT_FILE_OFFSET_SUM: u32 = 520;
/** its path from the root of the filesystem, zeros follow */
export const NEXT_FILE_OFFSET_PATH: u32 = 528;
export const XFS_LOG_MAGIC: u32 = 4276992702;

export const REGION_BLOCKS_MIN: u64 = 256;
export const REGION_BLOCKS_MAX: u64 = 16384;
export const REGION_BLOCKS_DEFAULT: u64 = 1024;
export const MAP_SECTOR_WORDS: u64 = 63;
export const MAP_BLOCK_WORDS: u64 = 504;
export const MAP_BLOCKS_MAX: u64 = 4;

export const BUFFER_BYTES: u32 = 262144;
export const RUNS_MAX: u32 = 16384;
export const RUN_BYTES: u32 = 16;
export const RANGE_BYTES: u32 = 16;
export const SLICE_BLOCKS: u64 = 32768;
export const PLAN_BLOCKS_MAX: u64 = 4096;
export const PLAN_RANGES_MAX: u32 = 128;
export const PLAN_RUNS_MAX: u32 = 128;
export const COMMIT_BLOCKS_MAX: u32 = 1024;
export const READ_BLOCKS_MAX: u32 = 1024;
export const READ_RUNS_MAX: u32 = 32;
export const SLOTS_MIN: u32 = 16;
export const SLOTS_GROWTH: u32 = 16;
export const MASK_CHUNK_BYTES: u32 = 32768;
export const MASK_CHUNK_BLOCKS: u32 = 262144;
export const STATUS_MISS: i64 = -4096;
export const STATUS_ROOM: i64 = -4097;
export const STATUS_REGION: i64 = -4098;
export const COPIED_WAITS: i64 = 2;
/** a block was marked without being copied */
export const EIO: i64 = 5;
/** memory cannot grow */
export const ENOMEM: i64 = 12;
/** the filesystem's log is on another device */
export const EXDEV: i64 = 18;
/** a bad argument */
export const EINVAL: i64 = 22;
/** the COW file is full */
export const EFBIG: i64 = 27;
/** no room for a checkpoint */
export const ENOSPC: i64 = 28;
/** no further block is wanted */
export const ENODATA: i64 = 61;
/** no filesystem that is known */
export const EOPNOTSUPP: i64 = 95;

/** old content is copied */
export const MODE_SNAPSHOT: u32 = 0;
/** changed blocks are noted */
export const MODE_INCREMENTAL: u32 = 1;
/** a header of snapshot mode */
export const EXPECT_SNAPSHOT: u32 = 0;
/** a header of incremental mode */
export const EXPECT_INCREMENTAL: u32 = 1;
/** a header of either mode */
export const EXPECT_ANY: u32 = 2;
/** added: CLEAN may be missing */
export const EXPECT_UNCLEAN_OK: u32 = 4;
/** read the origin at block start */
export const RUN_ORIGIN: u32 = 0;
/** read the COW file at position start */
export const RUN_COW: u32 = 1;
/** zeros, from block start on */
export const RUN_ZERO: u32 = 2;
/** the section is resident */
export const SECTION_READY: u32 = 0;
/** read it from the file first */
export const SECTION_READ: u32 = 1;
/** write it to the file first */
export const SECTION_WRITE: u32 = 2;
/** ask again, there is more to do */
export const SECTION_AGAIN: u32 = 3;
/** the superblock, and where the log ends */
export const PROOF_END: u32 = 0;
/** all that a record is tied to */
export const PROOF_WHOLE: u32 = 1;
/** how far a mount has stamped the log */
export const PROOF_STAMPS: u32 = 2;
/** what the live checkpoint that is being loaded is tied to */
export const PROOF_TIE: u32 = 3;
/** bad magic */
export const REFUSAL_BAD_MAGIC: u32 = 1;
/** not cleanly closed */
export const REFUSAL_NOT_CLEAN: u32 = 2;
/** wrong mode */
export const REFUSAL_WRONG_MODE: u32 = 3;
/** the origin was resized */
export const REFUSAL_RESIZED: u32 = 4;
/** the file was moved */
export const REFUSAL_MOVED: u32 = 5;
/** the filesystem was changed elsewhere */
export const REFUSAL_FOREIGN: u32 = 6;
/** damaged record */
export const REFUSAL_DAMAGED: u32 = 7;
/** record of an older version */
export const REFUSAL_OUTDATED: u32 = 8;
/** the snapshot was lost in a crash */
export const REFUSAL_CRASHED: u32 = 9;
/** tracking went on with another file */
export const REFUSAL_CONTINUED: u32 = 10;
/** blocks tracked */
export const STAT_NR_BLOCKS: u32 = 0;
/** sections of the index */
export const STAT_NR_SECTIONS: u32 = 1;
/** bytes before the data area */
export const STAT_DATA_OFFSET: u32 = 2;
/** next free position, in blocks */
export const STAT_FPOS: u32 = 3;
/** size limit of the COW file, in bytes */
export const STAT_FSIZE: u32 = 4;
/** number of the snapshot in its series */
export const STAT_SEQID: u32 = 5;
/** version of the header */
export const STAT_VERSION: u32 = 6;
/** blocks changed */
export const STAT_NR_CHANGED: u32 = 7;
/** flags of the header */
export const STAT_FLAGS: u32 = 8;
/** snapshot or incremental */
export const STAT_MODE: u32 = 9;
/** slots for index sections in use */
export const STAT_NR_SLOTS: u32 = 10;
/** sections in memory */
export const STAT_NR_RESIDENT: u32 = 11;
/** chunks of the mask */
export const STAT_MASK_CHUNKS: u32 = 12;
/** sections to be written */
export const STAT_NR_DIRTY: u32 = 13;
/** blocks that may still be copied */
export const STAT_ROOM: u32 = 14;
/** bytes 0 to 7 of the uuid */
export const STAT_UUID_LOW: u32 = 15;
/** bytes 8 to 15 of the uuid */
export const STAT_UUID_HIGH: u32 = 16;
/** first sector of XFS's log, 0 if there is none */
export const STAT_LOG_START: u32 = 17;
/** sectors of that log */
export const STAT_LOG_SECTORS: u32 = 18;
/** its sector that was written last */
export const STAT_LOG_LAST: u32 = 19;
/** the cycle in that sector */
export const STAT_LOG_CYCLE: u32 = 20;
/** checksum of what a mount elsewhere would change */
export const STAT_FINGERPRINT: u32 = 21;
/** blocks of a dirty map */
export const STAT_MAP_BLOCKS: u32 = 22;
/** regions that are set in the one on disk, at most */
export const STAT_DIRTY_REGIONS: u32 = 23;
/** blocks of a region */
export const STAT_REGION_BLOCKS: u32 = 24;
/** blocks changed since the checkpoint */
export const STAT_NEW_BLOCKS: u32 = 25;
/** bytes that the checkpoint takes */
export const STAT_AREA_BYTES: u32 = 26;
/** whether a live checkpoint is in force, or being loaded */
export const STAT_LIVE: u32 = 27;
/** whether a crash now would leave a live checkpoint that can be loaded */
export const STAT_WOULD_LOAD: u32 = 28;
/** bytes of the COW file that incremental mode needs */
export const STAT_NEEDED_BYTES: u32 = 29;
/** bytes that the place of live checkpoints takes */
export const STAT_SLOTS_BYTES: u32 = 30;
/** whether they have one */
export const STAT_HAS_SLOTS: u32 = 31;
