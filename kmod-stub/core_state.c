// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of cores as a whole: made for a snapshot, handed from one snapshot to the next,
 * handed to user space.
 */
#include <linux/slab.h>
#include "dattobd.h"

/* Call a core that is shared with the write path. */
static s64 locked_call(struct dattobd_device *dev, enum core_export export, u64 a, u64 b)
{
	unsigned long flags;
	s64 ret;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	ret = dev->error ?: engine_call(dev->engine, export, a, b, 0);
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	return ret;
}

static void *buffer_of(struct engine *engine)
{
	return engine_memory(engine, engine_call(engine, CORE_BUFFER_ADDRESS, 0, 0, 0),
			     CORE_BUFFER_BYTES);
}

struct engine *core_start(struct dattobd_device *dev, u64 cache_bytes, u64 fsize, u64 seqid,
			  const u8 *uuid, void *header)
{
	struct engine *engine = engine_create();
	s64 ret;

	if (IS_ERR(engine))
		return engine;
	ret = engine_call(engine, CORE_INIT, dev->nr_sectors, cache_bytes, CORE_MODE_SNAPSHOT);
	if (ret)
		goto destroy;
	memcpy(buffer_of(engine), uuid, COW_UUID_SIZE);
	ret = engine_call(engine, CORE_HEADER_CREATE, fsize, seqid, 0);
	if (!ret)
		ret = engine_call(engine, CORE_HEADER_ENCODE, false, 0, 0);
	if (ret < 0)
		goto destroy;
	memcpy(header, buffer_of(engine), COW_HEADER_SIZE);
	return engine;

destroy:
	engine_destroy(engine);
	return ERR_PTR(ret);
}

/*
 * The header block is left out: it is written through the filesystem only, like any other file's.
 */
static void own_extent(const struct cow_extent *extent, u64 *block, u64 *count)
{
	u64 skip = extent->position ? 0 : 1;

	*block = extent->block + skip;
	*count = extent->count - skip;
}

int core_mask_cow(struct engine *engine, const struct cow_file *cow)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	u64 block, count;
	s64 ret = 0;

	for (i = 0; i < nr_extents && !ret; i++) {
		own_extent(&extents[i], &block, &count);
		ret = engine_call(engine, CORE_MASK_EXTENT, block, count, 0);
	}
	return ret;
}

/*
 * The blocks of the next COW file read as zeros from the next snapshot on: changed, unless they
 * did already.
 */
static s64 list_next_cow(struct dattobd_device *dev, const struct cow_file *cow)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	u64 block, count, piece;
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++) {
		own_extent(&extents[i], &block, &count);
		for (; count && ret >= 0; block += piece, count -= piece) {
			piece = min_t(u64, count, CORE_MASK_CHUNK_BLOCKS); /* interrupts are off */
			ret = locked_call(dev, CORE_MARK_UNMASKED, block, piece);
		}
	}
	return ret;
}

static s64 hand_mask_chunk(struct dattobd_device *dev, struct engine *next, u64 chunk)
{
	unsigned long flags;
	s64 ret;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	ret = dev->error ?: engine_call(dev->engine, CORE_MASK_EXPORT, chunk, 0, 0);
	if (ret >= 0)
		memcpy(buffer_of(next), buffer_of(dev->engine), CORE_MASK_CHUNK_BYTES);
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	return ret < 0 ? ret : engine_call(next, CORE_MASK_IMPORT, chunk, 0, 0);
}

static s64 nr_changed(struct dattobd_device *dev)
{
	return locked_call(dev, CORE_STAT, CORE_STAT_NR_CHANGED, 0);
}

int core_succeed(struct dattobd_device *dev, struct engine *next, const struct cow_file *cow,
		 u64 *changed)
{
	s64 chunks = engine_call(next, CORE_STAT, CORE_STAT_MASK_CHUNKS, 0, 0);
	s64 chunk, ret;

	ret = list_next_cow(dev, cow);
	if (ret >= 0)
		ret = nr_changed(dev);
	*changed = ret;
	for (chunk = 0; chunk < chunks && ret >= 0; chunk++)
		ret = hand_mask_chunk(dev, next, chunk);
	return ret < 0 ? ret : core_mask_cow(next, cow);
}

static int export_sections(struct engine *engine, struct file *file)
{
	s64 nr_sections = engine_call(engine, CORE_STAT, CORE_STAT_NR_SECTIONS, 0, 0);
	s64 section = 0, ret;
	int err;

	for (;;) {
		section = engine_call(engine, CORE_NEXT_CHANGED_SECTION, section, 0, 0);
		if (section < 0 || section >= nr_sections)
			return min_t(s64, section, 0);
		ret = engine_call(engine, CORE_EXPORT_SECTION, section, 0, 0);
		if (ret < 0)
			return ret;
		err = cow_file_write(file, buffer_of(engine), COW_SECTION_BYTES,
				     COW_HEADER_SIZE + section * COW_SECTION_BYTES);
		if (err)
			return err;
		section++;
		cond_resched();
	}
}

static int export_header(struct engine *engine, struct file *file)
{
	s64 ret = engine_call(engine, CORE_HEADER_ENCODE, true, 0, 0);

	return ret < 0 ? ret : cow_file_write(file, buffer_of(engine), COW_HEADER_SIZE, 0);
}

/* The header says "clean" only once the index is durable. */
int core_export(struct dattobd_device *dev, struct engine *engine, struct cow_file *cow)
{
	struct file *file = cow_file_open(cow);
	int err, close_err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = export_sections(engine, file);
	if (!err)
		err = vfs_fsync(file, 0);
	if (!err)
		err = export_header(engine, file);
	if (!err)
		err = vfs_fsync(file, 0);
	close_err = cow_file_close(cow, file, false);
	return err ?: close_err;
}
