// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clean records: what a new core must know to go on where this one ends. The core says what they
 * hold and where it lies in the COW file; here it is moved there and back, past the filesystem.
 */
#include "dattobd.h"
#include "io/record.h"
#include "io/memory.h"

/* Call the core as long as the device lives. What it answers is @max at most. */
static s64 record_call(struct dattobd_device *dev, enum core_export export, u64 a, u64 b, u64 c,
		       s64 max)
{
	unsigned long flags;
	s64 ret;

	core_lock(dev, flags);
	ret = dev->error ?: engine_ask(dev->engine, export, a, b, c, max);
	core_unlock(dev, flags);
	return ret;
}

/* The core's buffer, or NULL: see engine_memory(). Context: core_lock. */
static void *record_buffer(struct dattobd_device *dev, size_t bytes)
{
	return engine_memory(dev->engine, CORE_BUFFER_ADDRESS, dev->buffer_address, bytes);
}

/* Call an export that leaves its result, in bytes, in the buffer: @size at most. */
static s64 call_out(struct dattobd_device *dev, enum core_export export, u64 argument, void *to,
		    size_t size)
{
	const void *buffer;
	unsigned long flags;
	s64 ret;

	core_lock(dev, flags);
	ret = dev->error ?: engine_ask(dev->engine, export, argument, 0, 0, size);
	if (ret > 0) {
		buffer = record_buffer(dev, ret);
		if (buffer)
			memcpy(to, buffer, ret);
		else
			ret = -ENOTRECOVERABLE;
	}
	core_unlock(dev, flags);
	return ret;
}

/* Call an export that takes @bytes bytes in the buffer, and answers 0 or a refusal. */
static s64 call_in(struct dattobd_device *dev, enum core_export export, const void *from,
		   size_t bytes)
{
	unsigned long flags;
	void *buffer;
	s64 ret;

	core_lock(dev, flags);
	ret = dev->error;
	if (!ret) {
		buffer = record_buffer(dev, bytes);
		if (buffer)
			memcpy(buffer, from, bytes);
		ret = buffer ? engine_ask(dev->engine, export, 0, 0, 0, S64_MAX) : -ENOTRECOVERABLE;
	}
	core_unlock(dev, flags);
	return ret;
}

/* The next piece of a record, which lies in the COW file. Return: its bytes, 0 at the end. */
static s64 record_next(struct dattobd_device *dev, s64 *offset)
{
	s64 bytes = record_call(dev, CORE_RECORD_NEXT, 0, 0, 0, COW_SECTION_BYTES);

	if (bytes > 0)
		*offset = record_call(dev, CORE_RECORD_OFFSET, 0, 0, 0,
				      cow_file_bytes(dev->cow) - bytes);
	return bytes > 0 && *offset < 0 ? *offset : bytes;
}

/* Contiguous extents count as one, however the filesystem or the map divides them. */
static s64 tie_to_extents(struct dattobd_device *dev)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(dev->cow, &nr_extents);
	struct cow_extent run = {};
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++) {
		if (run.count && run.offset + run.count == extents[i].offset &&
		    run.sector + run.count == extents[i].sector) {
			run.count += extents[i].count;
			continue;
		}
		if (run.count)
			ret = record_call(dev, CORE_RECORD_EXTENT, run.offset, run.sector,
					  run.count, S64_MAX);
		run = extents[i];
	}
	return ret < 0 ? ret :
			 record_call(dev, CORE_RECORD_EXTENT, run.offset, run.sector, run.count,
				     S64_MAX);
}

static s64 begin(struct dattobd_device *dev)
{
	s64 ret = record_call(dev, CORE_RECORD_BEGIN, 0, 0, 0, S64_MAX);

	return ret < 0 ? ret : tie_to_extents(dev);
}

static s64 record_plan(struct dattobd_device *dev)
{
	u64 most = DIV_ROUND_UP_ULL(device_nr_blocks(dev), CORE_MASK_CHUNK_BLOCKS);
	s64 chunks = record_call(dev, CORE_STAT, CORE_STAT_MASK_CHUNKS, 0, 0, most);
	s64 chunk, ret = min_t(s64, chunks, 0);

	for (chunk = 0; chunk < chunks && ret >= 0; chunk++)
		ret = record_call(dev, CORE_RECORD_SURVEY, chunk, 0, 0, S64_MAX);
	return ret < 0 ? ret : record_call(dev, CORE_RECORD_PLAN, 0, 0, 0, S64_MAX);
}

static s64 write_pieces(struct dattobd_device *dev)
{
	s64 bytes, offset = 0, err;

	for (;;) {
		bytes = record_next(dev, &offset);
		if (bytes <= 0)
			return bytes;
		bytes = call_out(dev, CORE_RECORD_EXPORT, 0, dev->section_bounce,
				 COW_SECTION_BYTES);
		if (bytes < 0)
			return bytes;
		err = cow_file_raw(dev->cow, REQ_OP_WRITE, offset, dev->section_bounce, bytes);
		if (err)
			return err;
	}
}

/*
 * A record that stays is not true after the next write, and only the fingerprint of the filesystem
 * in it may show that.
 */
static int remove(struct dattobd_device *dev)
{
	int err = cow_file_raw(dev->cow, REQ_OP_WRITE | REQ_FUA, 0, dev->open_header,
			       COW_HEADER_SIZE);

	if (!err)
		return 0;
	/* Said of a device that has failed before, too. */
	pr_dev_err(dev, "the clean record in %s could not be removed, do not reload it: %d",
		   cow_file_path(dev->cow), err);
	device_fail(dev, err, "its clean record could not be removed; a full backup is needed");
	return err;
}

int record_withdraw(struct dattobd_device *dev)
{
	int err;

	mutex_lock(&dev->sections_lock); /* the bounce buffer */
	err = cow_file_raw(dev->cow, REQ_OP_READ, 0, dev->section_bounce, COW_HEADER_SIZE);
	if (!err && memcmp(dev->section_bounce, dev->sealed_header, COW_HEADER_SIZE))
		err = -ESTALE;
	mutex_unlock(&dev->sections_lock);
	return err ?: remove(dev);
}

/* All that the record speaks of is durable before it is. */
static s64 write_header(struct dattobd_device *dev)
{
	s64 ret = call_out(dev, CORE_HEADER_ENCODE, false, dev->open_header, COW_HEADER_SIZE);

	if (ret >= 0)
		ret = call_out(dev, CORE_RECORD_ENCODE, 0, dev->section_bounce, COW_HEADER_SIZE);
	if (ret < 0)
		return ret;
	memcpy(dev->sealed_header, dev->section_bounce, COW_HEADER_SIZE);
	ret = cow_file_raw(dev->cow, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA, 0, dev->section_bounce,
			   COW_HEADER_SIZE);
	if (ret)
		remove(dev); /* it may have been written all the same */
	return ret;
}

int record_write(struct dattobd_device *dev)
{
	s64 ret;

	mutex_lock(&dev->sections_lock); /* the bounce buffer */
	ret = begin(dev);
	if (ret >= 0)
		ret = record_plan(dev);
	if (ret >= 0)
		ret = write_pieces(dev);
	if (ret >= 0)
		ret = write_header(dev);
	mutex_unlock(&dev->sections_lock);
	return min_t(s64, ret, 0);
}

static s64 import_piece(struct dattobd_device *dev, size_t bytes)
{
	s64 ret;

	do {
		ret = call_in(dev, CORE_RECORD_IMPORT, dev->section_bounce, bytes);
		if (ret == CORE_STATUS_ROOM)
			ret = room_make(dev) ?: CORE_STATUS_ROOM;
	} while (ret == CORE_STATUS_ROOM);
	return ret;
}

static s64 read_pieces(struct dattobd_device *dev)
{
	s64 bytes, offset = 0, ret = 0;

	while (!ret) {
		bytes = record_next(dev, &offset);
		if (bytes <= 0)
			return bytes;
		ret = cow_file_raw(dev->cow, REQ_OP_READ, offset, dev->section_bounce, bytes);
		if (!ret)
			ret = import_piece(dev, bytes);
		cond_resched();
	}
	return ret;
}

int record_read(struct dattobd_device *dev)
{
	s64 ret = begin(dev);

	if (ret >= 0)
		ret = cow_file_raw(dev->cow, REQ_OP_READ, 0, dev->section_bounce, COW_HEADER_SIZE);
	if (!ret)
		memcpy(dev->sealed_header, dev->section_bounce, COW_HEADER_SIZE);
	if (!ret)
		ret = call_in(dev, CORE_RECORD_CHECK, dev->section_bounce, COW_HEADER_SIZE);
	if (!ret)
		ret = read_pieces(dev);
	if (!ret)
		ret = record_call(dev, CORE_RECORD_ACCEPT, 0, 0, 0, S64_MAX);
	if (!ret)
		ret = call_out(dev, CORE_HEADER_ENCODE, false, dev->open_header, COW_HEADER_SIZE);
	return ret == COW_HEADER_SIZE ? 0 : ret;
}
