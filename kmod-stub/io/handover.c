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

/* The core's buffer, or NULL: see engine_memory(). */
static void *buffer_of(struct engine *engine)
{
	s64 address = engine_call(engine, CORE_BUFFER_ADDRESS, 0, 0, 0);

	return engine_memory(engine, CORE_BUFFER_ADDRESS, address, CORE_BUFFER_BYTES);
}

/* Exchange a piece of data with the core by its buffer. Return: 0 or -%ENOTRECOVERABLE. */
static int to_buffer(struct engine *engine, const void *from, size_t bytes)
{
	void *buffer = buffer_of(engine);

	if (!buffer)
		return -ENOTRECOVERABLE;
	memcpy(buffer, from, bytes);
	return 0;
}

static int from_buffer(struct engine *engine, void *to, size_t bytes)
{
	const void *buffer = buffer_of(engine);

	if (!buffer)
		return -ENOTRECOVERABLE;
	memcpy(to, buffer, bytes);
	return 0;
}

struct engine *handover_create(struct core *core, u64 cache_bytes, u64 fsize, u64 seqid,
			       const u8 *uuid, void *header)
{
	struct engine *engine = engine_create();
	s64 ret;

	if (IS_ERR(engine))
		return engine;
	ret = engine_ask(engine, CORE_INIT, core->nr_sectors, cache_bytes, CORE_MODE_SNAPSHOT, 0);
	if (!ret)
		ret = to_buffer(engine, uuid, COW_UUID_SIZE);
	if (!ret)
		ret = engine_ask(engine, CORE_HEADER_CREATE, fsize, seqid, 0, 0);
	if (!ret)
		ret = engine_ask(engine, CORE_HEADER_ENCODE, false, 0, 0, COW_HEADER_SIZE);
	if (ret >= 0)
		ret = from_buffer(engine, header, COW_HEADER_SIZE);
	if (!ret)
		return engine;
	engine_destroy(engine);
	return ERR_PTR(ret);
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
		ret = room_call_alone(engine, CORE_MASK_EXTENT, block, count, 0);
	}
	return ret;
}

/*
 * The blocks of the next COW file read as zeros from the next snapshot on: changed, unless they
 * did already.
 */
static s64 list_next_cow(struct core *core, const struct cow_file *cow)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	u64 block, count, piece;
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++) {
		cow_file_blocks(&extents[i], false, &block, &count);
		for (; count && ret >= 0; block += piece, count -= piece) {
			piece = min_t(u64, count, CORE_MASK_CHUNK_BLOCKS); /* interrupts are off */
			ret = room_call(core, CORE_MARK_UNMASKED, block, piece, piece);
		}
	}
	return ret;
}

/* Mark the blocks at either end of an extent that are not the store's whole. */
static s64 mark_ends(struct core *core, const struct cow_extent *extent)
{
	u64 whole, nr_whole, block, count;
	s64 ret = 0;

	cow_file_blocks(extent, true, &whole, &nr_whole);
	cow_file_blocks(extent, false, &block, &count);
	if (count && (!nr_whole || block < whole))
		ret = room_call(core, CORE_MARK_UNMASKED, block, 1, 1);
	if (ret >= 0 && count && (!nr_whole || block + count > whole + nr_whole))
		ret = room_call(core, CORE_MARK_UNMASKED, block + count - 1, 1, 1);
	return ret;
}

int handover_mark_shared(struct core *core, const struct cow_file *cow)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++)
		ret = mark_ends(core, &extents[i]);
	return min_t(s64, ret, 0);
}

/* @fresh: nothing is masked in the chunk of @next. */
static s64 hand_mask_chunk(struct core *core, struct engine *next, u64 chunk, bool fresh)
{
	const void *buffer;
	unsigned long flags;
	s64 masked, ret;

	core_lock(core, flags);
	masked = core->error ?: engine_ask(core->engine, CORE_MASK_EXPORT, chunk, 0, 0, S64_MAX);
	ret = min_t(s64, masked, 0);
	if (masked > 0 || (!masked && !fresh)) {
		buffer = buffer_of(core->engine);
		ret = buffer ? to_buffer(next, buffer, CORE_MASK_CHUNK_BYTES) : -ENOTRECOVERABLE;
	}
	core_unlock(core, flags);
	if (ret || (!masked && fresh))
		return ret;
	return room_call_alone(next, CORE_MASK_IMPORT, chunk, 0, 0);
}

int handover_inherit(struct core *core, struct engine *next, const struct cow_file *cow, bool fresh,
		     u64 *changed)
{
	s64 chunks = engine_ask(next, CORE_STAT, CORE_STAT_MASK_CHUNKS, 0, 0,
				DIV_ROUND_UP_ULL(core_nr_blocks(core), CORE_MASK_CHUNK_BLOCKS));
	s64 chunk, ret;

	ret = chunks < 0 ? chunks : list_next_cow(core, cow);
	if (ret >= 0)
		ret = core_ask(core, CORE_STAT, CORE_STAT_NR_CHANGED, 0, 0, core_nr_blocks(core));
	*changed = ret;
	for (chunk = 0; chunk < chunks && ret >= 0; chunk++)
		ret = hand_mask_chunk(core, next, chunk, fresh);
	return ret < 0 ? ret : handover_mask_cow(next, cow);
}

/* Write the first @bytes of the core's buffer. */
static int write_buffer(struct engine *engine, struct file *file, size_t bytes, u64 offset)
{
	const void *buffer = buffer_of(engine);

	return buffer ? cow_file_write(file, buffer, bytes, offset) : -ENOTRECOVERABLE;
}

static u64 section_offset(u64 section)
{
	return COW_HEADER_SIZE + section * COW_SECTION_BYTES;
}

/* Between the sections that are written the file must show none: it may have been written raw. */
static int export_sections(struct core *core, struct engine *engine, struct file *file)
{
	s64 nr_sections =
		engine_ask(engine, CORE_STAT, CORE_STAT_NR_SECTIONS, 0, 0, core_nr_sections(core));
	s64 from = 0, section, ret;

	if (nr_sections < 0)
		return nr_sections;
	for (;;) {
		section = engine_ask(engine, CORE_NEXT_CHANGED_SECTION, from, 0, 0, nr_sections);
		if (section < 0)
			return section;
		if (section < from)
			return engine_distrust(engine, CORE_NEXT_CHANGED_SECTION, section);
		ret = cow_file_clear(file, section_offset(from), section_offset(section));
		if (ret || section == nr_sections)
			return ret;
		ret = engine_call(engine, CORE_EXPORT_SECTION, section, 0, 0);
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
	s64 index = engine_call(engine, CORE_STAT, CORE_STAT_DATA_OFFSET, 0, 0);

	if (engine_call(engine, CORE_STAT, CORE_STAT_FSIZE, 0, 0) < index)
		engine_call(engine, CORE_SET_FSIZE, index, 0, 0);
}

static int export_header(struct engine *engine, struct file *file)
{
	s64 ret;

	include_index(engine);
	ret = engine_ask(engine, CORE_HEADER_ENCODE, true, 0, 0, COW_HEADER_SIZE);
	return ret < 0 ? ret : write_buffer(engine, file, COW_HEADER_SIZE, 0);
}

/* The header says "clean" only once the index is durable. */
noinline int handover_export(struct core *core, struct engine *engine, struct cow_file *cow)
{
	struct file *file = cow_file_open(cow);
	int err, close_err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = export_sections(core, engine, file);
	if (!err)
		err = vfs_fsync(file, 0);
	if (!err)
		err = export_header(engine, file);
	if (!err)
		err = vfs_fsync(file, 0);
	close_err = cow_file_close(cow, file, false);
	return err ?: close_err;
}
