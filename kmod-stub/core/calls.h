/* SPDX-License-Identifier: GPL-2.0-only */
/* Generated from host/core-exports.ts by "npm run layout". Do not edit. */
/*
 * The core's exports as functions (docs/CORE.md). A result is checked against the most that can be
 * right, see engine_ask().
 */
#ifndef DATTOBD_CORE_CALLS_H
#define DATTOBD_CORE_CALLS_H

#include "core/engine.h"

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_memory_needed(struct engine *engine, u64 nr_sectors, u64 cache_bytes)
{
	return engine_ask(engine, CORE_MEMORY_NEEDED, nr_sectors, cache_bytes, 0, S64_MAX);
}

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_init(struct engine *engine, u64 nr_sectors, u64 cache_bytes, u64 mode)
{
	return engine_ask(engine, CORE_INIT, nr_sectors, cache_bytes, mode, 0);
}

static inline s64 wasm_buffer_address(struct engine *engine)
{
	return engine_ask(engine, CORE_BUFFER_ADDRESS, 0, 0, 0, U32_MAX);
}

static inline s64 wasm_runs_address(struct engine *engine)
{
	return engine_ask(engine, CORE_RUNS_ADDRESS, 0, 0, 0, U32_MAX);
}

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_header_create(struct engine *engine, u64 fsize, u64 seqid)
{
	return engine_ask(engine, CORE_HEADER_CREATE, fsize, seqid, 0, 0);
}

static inline s64 wasm_header_encode(struct engine *engine, u64 clean)
{
	return engine_ask(engine, CORE_HEADER_ENCODE, clean, 0, 0, 4096);
}

static inline s64 wasm_header_close(struct engine *engine, u64 closed)
{
	return engine_ask(engine, CORE_HEADER_CLOSE, closed, 0, 0, 4096);
}

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_header_check(struct engine *engine, u64 expect)
{
	return engine_ask(engine, CORE_HEADER_CHECK, expect, 0, 0, 10);
}

static inline s64 wasm_set_fsize(struct engine *engine, u64 bytes)
{
	return engine_ask(engine, CORE_SET_FSIZE, bytes, 0, 0, 0);
}

static inline s64 wasm_to_incremental(struct engine *engine, u64 fsize)
{
	return engine_ask(engine, CORE_TO_INCREMENTAL, fsize, 0, 0, 0);
}

static inline s64 wasm_mark(struct engine *engine, u64 sector, u64 nr_sectors)
{
	return engine_ask(engine, CORE_MARK, sector, nr_sectors, 0, nr_sectors);
}

static inline s64 wasm_is_copied(struct engine *engine, u64 sector, u64 nr_sectors)
{
	return engine_ask(engine, CORE_IS_COPIED, sector, nr_sectors, 0, 2);
}

static inline s64 wasm_plan_copy(struct engine *engine, u64 nr_ranges, u64 max_blocks)
{
	return engine_ask(engine, CORE_PLAN_COPY, nr_ranges, max_blocks, 0, 128);
}

static inline s64 wasm_commit_copy(struct engine *engine, u64 block, u64 count)
{
	return engine_ask(engine, CORE_COMMIT_COPY, block, count, 0, count);
}

static inline s64 wasm_plan_read(struct engine *engine, u64 sector, u64 nr_sectors)
{
	return engine_ask(engine, CORE_PLAN_READ, sector, nr_sectors, 0, 32);
}

static inline s64 wasm_room_wanted(struct engine *engine)
{
	return engine_ask(engine, CORE_ROOM_WANTED, 0, 0, 0, U32_MAX);
}

static inline s64 wasm_room_make(struct engine *engine)
{
	return engine_ask(engine, CORE_ROOM_MAKE, 0, 0, 0, 0);
}

static inline s64 wasm_miss_section(struct engine *engine)
{
	return engine_ask(engine, CORE_MISS_SECTION, 0, 0, 0, engine_nr_sections(engine) - 1);
}

static inline s64 wasm_memory_wanted(struct engine *engine)
{
	return engine_ask(engine, CORE_MEMORY_WANTED, 0, 0, 0, U32_MAX);
}

static inline s64 wasm_section_request(struct engine *engine, u64 section)
{
	return engine_ask(engine, CORE_SECTION_REQUEST, section, 0, 0, 2);
}

static inline s64 wasm_set_cache(struct engine *engine, u64 cache_bytes)
{
	return engine_ask(engine, CORE_SET_CACHE, cache_bytes, 0, 0, 3);
}

static inline s64 wasm_io_section(struct engine *engine)
{
	return engine_ask(engine, CORE_IO_SECTION, 0, 0, 0, engine_nr_sections(engine) - 1);
}

static inline s64 wasm_io_offset(struct engine *engine)
{
	return engine_ask(engine, CORE_IO_OFFSET, 0, 0, 0, S64_MAX);
}

static inline s64 wasm_io_address(struct engine *engine)
{
	return engine_ask(engine, CORE_IO_ADDRESS, 0, 0, 0, U32_MAX);
}

static inline s64 wasm_section_read_done(struct engine *engine, u64 section)
{
	return engine_ask(engine, CORE_SECTION_READ_DONE, section, 0, 0, 0);
}

static inline s64 wasm_section_write_done(struct engine *engine)
{
	return engine_ask(engine, CORE_SECTION_WRITE_DONE, 0, 0, 0, 0);
}

static inline s64 wasm_next_dirty_section(struct engine *engine, u64 from)
{
	return engine_ask(engine, CORE_NEXT_DIRTY_SECTION, from, 0, 0, engine_nr_sections(engine));
}

static inline s64 wasm_mask_extent(struct engine *engine, u64 block, u64 count)
{
	return engine_ask(engine, CORE_MASK_EXTENT, block, count, 0, 0);
}

static inline s64 wasm_mark_unmasked(struct engine *engine, u64 block, u64 count)
{
	return engine_ask(engine, CORE_MARK_UNMASKED, block, count, 0, count);
}

static inline s64 wasm_mask_begin(struct engine *engine)
{
	return engine_ask(engine, CORE_MASK_BEGIN, 0, 0, 0, 0);
}

static inline s64 wasm_mask_next(struct engine *engine, u64 from)
{
	return engine_ask(engine, CORE_MASK_NEXT, from, 0, 0, engine_nr_chunks(engine));
}

static inline s64 wasm_mask_export(struct engine *engine, u64 chunk)
{
	return engine_ask(engine, CORE_MASK_EXPORT, chunk, 0, 0, 262144);
}

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_mask_import(struct engine *engine, u64 chunk)
{
	return engine_ask(engine, CORE_MASK_IMPORT, chunk, 0, 0, 0);
}

static inline s64 wasm_changed_export(struct engine *engine, u64 chunk)
{
	return engine_ask(engine, CORE_CHANGED_EXPORT, chunk, 0, 0, 1);
}

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_changed_import(struct engine *engine, u64 chunk)
{
	return engine_ask(engine, CORE_CHANGED_IMPORT, chunk, 0, 0, 0);
}

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_next_changed_section(struct engine *engine, u64 from)
{
	return engine_ask(engine, CORE_NEXT_CHANGED_SECTION,
			  from, 0, 0, engine_nr_sections(engine));
}

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_export_section(struct engine *engine, u64 section)
{
	return engine_ask(engine, CORE_EXPORT_SECTION, section, 0, 0, 4096);
}

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_changed_runs(struct engine *engine, u64 from_block)
{
	return engine_ask(engine, CORE_CHANGED_RUNS, from_block, 0, 0, 16384);
}

/* It may take long: not under core_lock, and of a core that nobody else calls. */
static inline s64 wasm_scan_index(struct engine *engine, u64 first_block, u64 nr_entries)
{
	return engine_ask(engine, CORE_SCAN_INDEX, first_block, nr_entries, 0, 16384);
}

static inline s64 wasm_proof_begin(struct engine *engine, u64 kind)
{
	return engine_ask(engine, CORE_PROOF_BEGIN, kind, 0, 0, 0);
}

static inline s64 wasm_proof_next(struct engine *engine)
{
	return engine_ask(engine, CORE_PROOF_NEXT, 0, 0, 0, engine_nr_blocks(engine) - 1);
}

static inline s64 wasm_proof_block(struct engine *engine, u64 bytes)
{
	return engine_ask(engine, CORE_PROOF_BLOCK, bytes, 0, 0, 0);
}

static inline s64 wasm_record_begin(struct engine *engine)
{
	return engine_ask(engine, CORE_RECORD_BEGIN, 0, 0, 0, 0);
}

static inline s64 wasm_record_extent(struct engine *engine, u64 offset, u64 sector, u64 count)
{
	return engine_ask(engine, CORE_RECORD_EXTENT, offset, sector, count, 0);
}

static inline s64 wasm_record_survey(struct engine *engine, u64 chunk)
{
	return engine_ask(engine, CORE_RECORD_SURVEY, chunk, 0, 0, 2);
}

static inline s64 wasm_record_plan(struct engine *engine)
{
	return engine_ask(engine, CORE_RECORD_PLAN, 0, 0, 0, S64_MAX);
}

static inline s64 wasm_record_next(struct engine *engine)
{
	return engine_ask(engine, CORE_RECORD_NEXT, 0, 0, 0, 32768);
}

static inline s64 wasm_record_offset(struct engine *engine)
{
	return engine_ask(engine, CORE_RECORD_OFFSET, 0, 0, 0, S64_MAX);
}

static inline s64 wasm_record_export(struct engine *engine)
{
	return engine_ask(engine, CORE_RECORD_EXPORT, 0, 0, 0, 32768);
}

static inline s64 wasm_record_encode(struct engine *engine)
{
	return engine_ask(engine, CORE_RECORD_ENCODE, 0, 0, 0, 4096);
}

static inline s64 wasm_record_check(struct engine *engine)
{
	return engine_ask(engine, CORE_RECORD_CHECK, 0, 0, 0, 10);
}

static inline s64 wasm_record_import(struct engine *engine)
{
	return engine_ask(engine, CORE_RECORD_IMPORT, 0, 0, 0, 10);
}

static inline s64 wasm_record_accept(struct engine *engine)
{
	return engine_ask(engine, CORE_RECORD_ACCEPT, 0, 0, 0, 10);
}

static inline s64 wasm_regions_set(struct engine *engine, u64 blocks)
{
	return engine_ask(engine, CORE_REGIONS_SET, blocks, 0, 0, 0);
}

static inline s64 wasm_regions_keep(struct engine *engine, u64 block, u64 count)
{
	return engine_ask(engine, CORE_REGIONS_KEEP, block, count, 0, 0);
}

static inline s64 wasm_map_next(struct engine *engine, u64 from)
{
	return engine_ask(engine, CORE_MAP_NEXT, from, 0, 0, engine_nr_blocks(engine));
}

static inline s64 wasm_map_offset(struct engine *engine, u64 block)
{
	return engine_ask(engine, CORE_MAP_OFFSET, block, 0, 0, S64_MAX);
}

static inline s64 wasm_map_export(struct engine *engine, u64 block, u64 count)
{
	return engine_ask(engine, CORE_MAP_EXPORT, block, count, 0, 16384);
}

static inline s64 wasm_map_written(struct engine *engine, u64 block, u64 count)
{
	return engine_ask(engine, CORE_MAP_WRITTEN, block, count, 0, 0);
}

static inline s64 wasm_map_import(struct engine *engine, u64 block)
{
	return engine_ask(engine, CORE_MAP_IMPORT, block, 0, 0, 10);
}

static inline s64 wasm_map_recover(struct engine *engine, u64 from)
{
	return engine_ask(engine, CORE_MAP_RECOVER, from, 0, 0, engine_nr_blocks(engine));
}

static inline s64 wasm_map_recount(struct engine *engine, u64 chunk)
{
	return engine_ask(engine, CORE_MAP_RECOUNT, chunk, 0, 0, engine_nr_blocks(engine));
}

static inline s64 wasm_live_begin(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_BEGIN, 0, 0, 0, 0);
}

static inline s64 wasm_live_switch(struct engine *engine, u64 block, u64 count)
{
	return engine_ask(engine, CORE_LIVE_SWITCH, block, count, 0, 0);
}

static inline s64 wasm_live_identity(struct engine *engine, u64 goes)
{
	return engine_ask(engine, CORE_LIVE_IDENTITY, goes, 0, 0, 1);
}

static inline s64 wasm_live_rest(struct engine *engine, u64 sectors, u64 last, u64 cycle)
{
	return engine_ask(engine, CORE_LIVE_REST, sectors, last, cycle, 0);
}

static inline s64 wasm_live_log(struct engine *engine, u64 sector, u64 count)
{
	return engine_ask(engine, CORE_LIVE_LOG, sector, count, 0, 1);
}

static inline s64 wasm_live_renew(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_RENEW, 0, 0, 0, 0);
}

static inline s64 wasm_live_resume(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_RESUME, 0, 0, 0, 0);
}

static inline s64 wasm_live_encode(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_ENCODE, 0, 0, 0, 4096);
}

static inline s64 wasm_live_commit(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_COMMIT, 0, 0, 0, 0);
}

static inline s64 wasm_live_drop(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_DROP, 0, 0, 0, 0);
}

static inline s64 wasm_live_void(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_VOID, 0, 0, 0, 1);
}

static inline s64 wasm_slots_take(struct engine *engine)
{
	return engine_ask(engine, CORE_SLOTS_TAKE, 0, 0, 0, S64_MAX);
}

static inline s64 wasm_live_move(struct engine *engine, u64 offset, u64 fsize)
{
	return engine_ask(engine, CORE_LIVE_MOVE, offset, fsize, 0, 0);
}

static inline s64 wasm_live_inherit(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_INHERIT, 0, 0, 0, 0);
}

static inline s64 wasm_live_take_over(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_TAKE_OVER, 0, 0, 0, 0);
}

static inline s64 wasm_live_former_closed(struct engine *engine)
{
	return engine_ask(engine, CORE_LIVE_FORMER_CLOSED, 0, 0, 0, 1);
}

static inline s64 wasm_header_follow(struct engine *engine)
{
	return engine_ask(engine, CORE_HEADER_FOLLOW, 0, 0, 0, 0);
}

/* A field of all of whose 64 bits none is an error. */
static inline u64 wasm_value(struct engine *engine, enum core_stat field)
{
	return engine_call(engine, CORE_STAT, field, 0, 0);
}

/* Any other field. */
static inline s64 wasm_stat(struct engine *engine, enum core_stat field)
{
	s64 most = S64_MAX;

	switch (field) {
	case CORE_STAT_NR_BLOCKS:
	case CORE_STAT_NR_CHANGED:
	case CORE_STAT_MAP_BLOCKS:
	case CORE_STAT_DIRTY_REGIONS:
	case CORE_STAT_NEW_BLOCKS:
		most = engine_nr_blocks(engine);
		break;
	case CORE_STAT_NR_SECTIONS:
	case CORE_STAT_NR_RESIDENT:
	case CORE_STAT_NR_DIRTY:
		most = engine_nr_sections(engine);
		break;
	case CORE_STAT_MODE:
	case CORE_STAT_LIVE:
	case CORE_STAT_WOULD_LOAD:
	case CORE_STAT_HAS_SLOTS:
		most = 1;
		break;
	case CORE_STAT_MASK_CHUNKS:
		most = engine_nr_chunks(engine);
		break;
	case CORE_STAT_REGION_BLOCKS:
		most = 16384;
		break;
	default:
		break;
	}
	return engine_ask(engine, CORE_STAT, field, 0, 0, most);
}

#endif
