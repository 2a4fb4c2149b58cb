/** What the core exports, and what may be right of what an export returns (docs/CORE.md). */
import {
  BLOCK_BYTES,
  COPIED_WAITS,
  COW_HEADER_SIZE,
  MAP_BLOCKS_MAX,
  MASK_CHUNK_BLOCKS,
  PLAN_RUNS_MAX,
  READ_RUNS_MAX,
  REFUSALS,
  REGION_BLOCKS_MAX,
  RUNS_MAX,
  SECTION_BYTES,
  SECTION_ENTRIES,
  SECTION_REQUESTS,
} from './layout.js';

/**
 * The largest result that can be right: a number, or
 *
 * - `any`: all 64 bits are a value
 * - `positive`: any number from 0 on
 * - `blocks`, `sections`, `chunks`: as many as the origin has
 * - `block`, `section`: a number of one of them
 * - `memory`: a size of linear memory
 * - another name: that argument
 */
export type Most = number | string;

export interface CoreStat {
  readonly name: string;
  readonly value: number;
  readonly doc: string;
  readonly most: Most;
}

const stats = (...rows: ReadonlyArray<readonly [name: string, most: Most, doc: string]>): CoreStat[] =>
  rows.map(([name, most, doc], value) => ({ name, value, doc, most }));

/** Fields of the export `stat`. */
export const STATS = stats(
  ['NR_BLOCKS', 'blocks', 'blocks tracked'],
  ['NR_SECTIONS', 'sections', 'sections of the index'],
  ['DATA_OFFSET', 'positive', 'bytes before the data area'],
  ['FPOS', 'positive', 'next free position, in blocks'],
  ['FSIZE', 'positive', 'size limit of the COW file, in bytes'],
  ['SEQID', 'any', 'number of the snapshot in its series'],
  ['VERSION', 'any', 'version of the header'],
  ['NR_CHANGED', 'blocks', 'blocks changed'],
  ['FLAGS', 'any', 'flags of the header'],
  ['MODE', 1, 'snapshot or incremental'],
  ['NR_SLOTS', 'positive', 'slots for index sections in use'],
  ['NR_RESIDENT', 'sections', 'sections in memory'],
  ['MASK_CHUNKS', 'chunks', 'chunks of the mask'],
  ['NR_DIRTY', 'sections', 'sections to be written'],
  ['ROOM', 'positive', 'blocks that may still be copied'],
  ['UUID_LOW', 'any', 'bytes 0 to 7 of the uuid'],
  ['UUID_HIGH', 'any', 'bytes 8 to 15 of the uuid'],
  ['LOG_START', 'positive', "first sector of XFS's log, 0 if there is none"],
  ['LOG_SECTORS', 'positive', 'sectors of that log'],
  ['LOG_LAST', 'positive', 'its sector that was written last'],
  ['LOG_CYCLE', 'any', 'the cycle in that sector'],
  ['FINGERPRINT', 'any', 'checksum of what a mount elsewhere would change'],
  ['MAP_BLOCKS', 'blocks', 'blocks of a dirty map'],
  ['DIRTY_REGIONS', 'blocks', 'regions that are set in the one on disk, at most'],
  ['REGION_BLOCKS', REGION_BLOCKS_MAX, 'blocks of a region'],
  ['NEW_BLOCKS', 'blocks', 'blocks changed since the checkpoint'],
  ['AREA_BYTES', 'positive', 'bytes that the checkpoint takes'],
  ['LIVE', 1, 'whether a live checkpoint is in force, or being loaded'],
  ['WOULD_LOAD', 1, 'whether a crash now would leave a live checkpoint that can be loaded'],
  ['NEEDED_BYTES', 'positive', 'bytes of the COW file that incremental mode needs'],
  ['SLOTS_BYTES', 'positive', 'bytes that the place of live checkpoints takes'],
  ['HAS_SLOTS', 1, 'whether they have one'],
);

type Status = 'MISS' | 'ROOM' | 'REGION';

export interface CoreExport {
  readonly name: string;
  /** Its arguments; each is an i64, and so is the one result. */
  readonly args: readonly string[];
  readonly most: Most;
  /** The status that it may return beside errnos; ROOM includes MISS, and REGION both. */
  readonly status?: Status;
  /** Nobody else calls the core then, and no lock is held: it may take long. Any other call takes 50,000 operations at most. */
  readonly alone?: true;
}

const exported = <const Name extends string>(
  name: Name,
  args: string,
  most: Most,
  status?: Status,
): CoreExport & { readonly name: Name } => ({
  name,
  args: args.split(' ').filter(Boolean),
  most,
  ...(status ? { status } : {}),
});

const alone = <Row extends CoreExport>(row: Row): Row & CoreExport => ({ ...row, alone: true });

const REFUSAL = REFUSALS.length;
const request = (wanted: string): number => SECTION_REQUESTS.find(({ name }) => name === wanted)?.value ?? Number.NaN;

/** Exports of the core in the order of docs/CORE.md. */
export const CORE_EXPORTS = [
  alone(exported('memory_needed', 'nr_sectors cache_bytes', 'positive')),
  alone(exported('init', 'nr_sectors cache_bytes mode', 0)),
  exported('buffer_address', '', 'memory'),
  exported('runs_address', '', 'memory'),
  exported('stat', 'field', 'any'),
  alone(exported('header_create', 'fsize seqid', 0)),
  exported('header_encode', 'clean', COW_HEADER_SIZE),
  exported('header_close', 'closed', COW_HEADER_SIZE),
  alone(exported('header_check', 'expect', REFUSAL)),
  exported('set_fsize', 'bytes', 0),
  exported('to_incremental', 'fsize', 0),
  exported('mark', 'sector nr_sectors', 'nr_sectors', 'REGION'),
  exported('is_copied', 'sector nr_sectors', COPIED_WAITS),
  exported('plan_copy', 'nr_ranges max_blocks', PLAN_RUNS_MAX),
  exported('commit_copy', 'block count', 'count', 'ROOM'),
  exported('plan_read', 'sector nr_sectors', READ_RUNS_MAX, 'MISS'),
  exported('room_wanted', '', 'memory'),
  exported('room_make', '', 0),
  exported('miss_section', '', 'section'),
  exported('memory_wanted', '', 'memory'),
  exported('section_request', 'section', request('WRITE')),
  exported('set_cache', 'cache_bytes', request('AGAIN')),
  exported('io_section', '', 'section'),
  exported('io_offset', '', 'positive'),
  exported('io_address', '', 'memory'),
  exported('section_read_done', 'section', 0),
  exported('section_write_done', '', 0),
  exported('next_dirty_section', 'from', 'sections'),
  exported('mask_extent', 'block count', 0, 'ROOM'),
  exported('mark_unmasked', 'block count', 'count', 'REGION'),
  exported('mask_begin', '', 0),
  exported('mask_next', 'from', 'chunks'),
  exported('mask_export', 'chunk', MASK_CHUNK_BLOCKS),
  alone(exported('mask_import', 'chunk', 0, 'ROOM')),
  exported('changed_export', 'chunk', 1),
  alone(exported('changed_import', 'chunk', 0, 'ROOM')),
  alone(exported('next_changed_section', 'from', 'sections')),
  alone(exported('export_section', 'section', SECTION_ENTRIES, 'MISS')),
  alone(exported('changed_runs', 'from_block', RUNS_MAX)),
  alone(exported('scan_index', 'first_block nr_entries', RUNS_MAX)),
  exported('proof_begin', 'kind', 0),
  exported('proof_next', '', 'block'),
  exported('proof_block', 'bytes', 0),
  exported('record_begin', '', 0),
  exported('record_extent', 'offset sector count', 0),
  exported('record_survey', 'chunk', 2),
  exported('record_plan', '', 'positive'),
  exported('record_next', '', SECTION_BYTES),
  exported('record_offset', '', 'positive'),
  exported('record_export', '', SECTION_BYTES),
  exported('record_encode', '', COW_HEADER_SIZE),
  exported('record_check', '', REFUSAL),
  exported('record_import', '', REFUSAL, 'ROOM'),
  exported('record_accept', '', REFUSAL),
  exported('regions_set', 'blocks', 0),
  exported('regions_keep', 'block count', 0, 'REGION'),
  exported('map_next', 'from', 'blocks'),
  exported('map_offset', 'block', 'positive'),
  exported('map_export', 'block count', MAP_BLOCKS_MAX * BLOCK_BYTES),
  exported('map_written', 'block count', 0),
  exported('map_import', 'block', REFUSAL),
  exported('map_recover', 'from', 'blocks', 'ROOM'),
  exported('map_recount', 'chunk', 'blocks'),
  exported('live_begin', '', 0),
  exported('live_switch', 'block count', 0),
  exported('live_identity', 'goes', 1),
  exported('live_rest', 'sectors last cycle', 0),
  exported('live_log', 'sector count', 1),
  exported('live_renew', '', 0),
  exported('live_resume', '', 0),
  exported('live_encode', '', COW_HEADER_SIZE),
  exported('live_commit', '', 0),
  exported('live_drop', '', 0),
  exported('live_void', '', 1),
  exported('slots_take', '', 'positive'),
  exported('live_move', 'offset fsize', 0),
  exported('live_inherit', '', 0),
  exported('live_take_over', '', 0),
  exported('live_former_closed', '', 1),
  exported('header_follow', '', 0),
] as const;
