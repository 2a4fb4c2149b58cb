// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of cores as a whole: made for a snapshot, handed from one snapshot to the next, handed
 * to user space.
 */
#include <linux/fs.h>
#include "core/room.h"
#include "cow/map.h"
#include "cow/session.h"
#include "cow/write.h"
#include "io/handover.h"
#include "params.h"

struct engine *handover_create(struct core *core, u64 cache_bytes, u64 fsize, u64 seqid,
			       const u8 *uuid, void *header)
{
	struct engine *engine = engine_create();
	s64 ret;

	if (IS_ERR(engine))
		return engine;
	ret = wasm_init(engine, core->nr_sectors, cache_bytes, CORE_MODE_SNAPSHOT);
	if (!ret)
		ret = wasm_regions_set(engine, (u64)region_size * MIB / COW_BLOCK_SIZE);
	if (!ret)
		ret = engine_write_buffer(engine, uuid, COW_UUID_SIZE);
	if (!ret)
		ret = wasm_header_create(engine, fsize, seqid);
	if (!ret)
		ret = wasm_header_encode(engine, false);
	if (ret >= 0)
		ret = engine_read_buffer(engine, header, COW_HEADER_SIZE);
	if (!ret)
		return engine;
	engine_destroy(engine);
	return ERR_PTR(ret);
}

#define PREPARE_TRIES 8
#define PREPARED_CHUNKS 16 /* that are left for the freeze */

/* Which blocks at the ends of an extent are not the store's whole. Return: how many, 0 to 2. */
static unsigned int shared_blocks(const struct cow_extent *extent, u64 blocks[2])
{
	u64 whole, nr_whole, block, count;
	unsigned int nr = 0;

	cow_file_blocks(extent, true, &whole, &nr_whole);
	cow_file_blocks(extent, false, &block, &count);
	if (count && (!nr_whole || block < whole))
		blocks[nr++] = block;
	if (count && (!nr_whole || block + count > whole + nr_whole) &&
	    !(nr && blocks[0] == block + count - 1))
		blocks[nr++] = block + count - 1;
	return nr;
}

/* The store writes to them from now on, and no index has them before snapshot mode ends. */
static s64 keep_shared(struct engine *engine, const struct cow_extent *extent)
{
	u64 blocks[2];
	unsigned int nr = shared_blocks(extent, blocks);
	s64 ret = 0;

	while (nr-- && ret >= 0)
		ret = wasm_regions_keep(engine, blocks[nr], 1);
	return ret;
}

/* Blocks that the file shares with somebody else are not masked: see cow_file_odd_part(). */
int handover_mask_cow(struct engine *engine, const struct cow_file *cow)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	u64 block, count;
	s64 ret = 0;

	for (i = 0; i < nr_extents && !ret; i++) {
		cow_file_blocks(&extents[i], true, &block, &count);
		ret = in_slices(room_ask_alone, engine, CORE_SLICE_BLOCKS, wasm_mask_extent, block,
				count);
		if (!ret)
			ret = keep_shared(engine, &extents[i]);
	}
	return ret;
}

/*
 * The blocks of the next COW file read as zeros from the next snapshot on: changed, unless they
 * did already.
 */
int handover_list_next(struct core *core, const struct cow_file *cow)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	u64 block, count;
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++) {
		cow_file_blocks(&extents[i], false, &block, &count);
		ret = in_slices(room_ask, core, CORE_SLICE_BLOCKS, wasm_mark_unmasked, block,
				count);
	}
	return min_t(s64, ret, 0);
}

static s64 mark_shared(struct core *core, const struct cow_extent *extent)
{
	u64 blocks[2];
	unsigned int nr = shared_blocks(extent, blocks);
	s64 ret = 0;

	while (nr-- && ret >= 0)
		ret = room_ask(core, wasm_mark_unmasked, blocks[nr], 1);
	return ret;
}

int handover_keep(struct core *core, const struct cow_file *cow)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	u64 block, count;
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++) {
		cow_file_blocks(&extents[i], false, &block, &count);
		ret = in_slices(room_ask, core, CORE_SLICE_BLOCKS, wasm_regions_keep, block, count);
	}
	return min_t(s64, ret, 0);
}

int handover_mark_shared(struct core *core, const struct cow_file *cow)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++)
		ret = mark_shared(core, &extents[i]);
	return min_t(s64, ret, 0);
}

/* What the next core's own COW file masks of a chunk, again, since the chunk was replaced. */
static s64 mask_cow_chunk(struct engine *next, const struct cow_file *cow, u64 chunk)
{
	u64 from = chunk * CORE_MASK_CHUNK_BLOCKS, to = from + CORE_MASK_CHUNK_BLOCKS;
	u64 block, count, start, end;
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	s64 ret = 0;

	for (i = 0; i < nr_extents && !ret; i++) {
		cow_file_blocks(&extents[i], true, &block, &count);
		start = max(block, from);
		end = min(block + count, to);
		if (start < end)
			ret = in_slices(room_ask_alone, next, CORE_SLICE_BLOCKS, wasm_mask_extent,
					start, end - start);
	}
	return ret;
}

static s64 hand_mask_chunk(struct core *core, struct engine *next, const struct cow_file *cow,
			   u64 chunk)
{
	void *to = engine_buffer(next, CORE_MASK_CHUNK_BYTES);
	s64 ret;

	if (!to)
		return -ENOTRECOVERABLE;
	ret = core_take(core, to, CORE_MASK_CHUNK_BYTES, wasm_mask_export, chunk);
	if (!ret)
		memset(to, 0, CORE_MASK_CHUNK_BYTES);
	if (ret >= 0)
		ret = room_ask_alone(next, wasm_mask_import, chunk);
	return ret ?: mask_cow_chunk(next, cow, chunk);
}

/* Hand over what changed since it was. Return: number of chunks, or -errno. */
static s64 hand_mask(struct core *core, struct engine *next, const struct cow_file *cow)
{
	s64 chunks = wasm_stat(next, CORE_STAT_MASK_CHUNKS), from = 0, chunk, ret, nr = 0;

	while (from < chunks) {
		chunk = core_ask(core, wasm_mask_next, from);
		if (chunk < 0 || chunk >= chunks)
			return chunk < 0 ? chunk : nr;
		if (chunk < from)
			return core_distrust(core, CORE_MASK_NEXT, chunk);
		ret = hand_mask_chunk(core, next, cow, chunk);
		if (ret < 0)
			return ret;
		nr++;
		from = chunk + 1;
		cond_resched();
	}
	return chunks < 0 ? chunks : nr;
}

/* Writers go on meanwhile: what they change is handed over once more, until little is left. */
int handover_prepare(struct core *core, struct engine *next, const struct cow_file *cow)
{
	unsigned int tries;
	s64 ret;

	ret = handover_mask_cow(next, cow);
	if (ret >= 0)
		ret = core_ask(core, wasm_mask_begin);
	for (tries = 0; tries < PREPARE_TRIES && ret >= 0; tries++) {
		ret = hand_mask(core, next, cow);
		if (ret <= PREPARED_CHUNKS)
			break;
	}
	return min_t(s64, ret, 0);
}

int handover_inherit(struct core *core, struct engine *next, const struct cow_file *cow,
		     u64 *changed)
{
	s64 ret = core_ask(core, wasm_stat, CORE_STAT_NR_CHANGED);

	*changed = ret;
	if (ret >= 0)
		ret = hand_mask(core, next, cow);
	return min_t(s64, ret, 0);
}

/* Write the first @bytes of the core's buffer. */
static int write_buffer(struct engine *engine, struct file *file, size_t bytes, u64 offset)
{
	const void *buffer = engine_buffer(engine, bytes);

	return buffer ? cow_file_write(file, buffer, bytes, offset) : -ENOTRECOVERABLE;
}

static u64 section_offset(u64 section)
{
	return COW_HEADER_SIZE + section * COW_SECTION_BYTES;
}

/* Between the sections that are written the file must show none: it may have been written raw. */
static int export_sections(struct engine *engine, struct file *file)
{
	s64 nr_sections = wasm_stat(engine, CORE_STAT_NR_SECTIONS);
	s64 from = 0, section, ret;

	if (nr_sections < 0)
		return nr_sections;
	for (;;) {
		section = wasm_next_changed_section(engine, from);
		if (section < 0)
			return section;
		if (section < from)
			return engine_distrust(engine, CORE_NEXT_CHANGED_SECTION, section);
		ret = cow_file_clear(file, section_offset(from), section_offset(section));
		if (ret || section == nr_sections)
			return ret;
		ret = wasm_export_section(engine, section);
		if (ret >= 0)
			ret = write_buffer(engine, file, COW_SECTION_BYTES,
					   section_offset(section));
		if (ret < 0)
			return ret;
		from = section + 1;
		cond_resched();
	}
}

/* The index of an origin that has grown ends behind what the file had room for. */
static void include_index(struct engine *engine)
{
	s64 index = wasm_stat(engine, CORE_STAT_DATA_OFFSET);

	if (wasm_stat(engine, CORE_STAT_FSIZE) < index)
		wasm_set_fsize(engine, index);
}

/* A path that is too long for it is not named. */
s64 handover_name_next(struct engine *engine, const char *next, bool closed)
{
	size_t bytes = strlen(next) + 1;
	u8 *buffer = engine_buffer(engine, CORE_NEXT_FILE_PATH_BYTES);

	if (!buffer)
		return -ENOTRECOVERABLE;
	memset(buffer, 0, CORE_NEXT_FILE_PATH_BYTES);
	if (bytes <= CORE_NEXT_FILE_PATH_BYTES)
		memcpy(buffer, next, bytes);
	return wasm_header_close(engine, closed);
}

static int export_header(struct engine *engine, struct file *file, const char *next)
{
	s64 ret;

	include_index(engine);
	ret = handover_name_next(engine, next, true);
	return ret < 0 ? ret : write_buffer(engine, file, COW_HEADER_SIZE, 0);
}

/* The header says "clean" only once the index is durable. */
noinline int handover_export(struct engine *engine, struct cow_file *cow, const char *next)
{
	struct file *file = cow_file_open(cow);
	int err, close_err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = export_sections(engine, file);
	if (!err)
		err = vfs_fsync(file, 0);
	if (!err)
		err = export_header(engine, file, next);
	if (!err)
		err = vfs_fsync(file, 0);
	close_err = cow_file_close(cow, file, false);
	return err ?: close_err;
}
