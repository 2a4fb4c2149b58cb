// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clean records: what a new core must know to go on where this one ends. The core says what they
 * hold and where it lies in the COW file; here it is moved there and back, past the filesystem.
 */
#include "dattobd.h"
#include "record.h"

#define FILESYSTEM_BLOCKS 4 /* superblock and what lies behind it: each writing mount changes it */

/* Call the core as long as the device lives. */
static s64 call(struct dattobd_device *dev, enum core_export export, u64 a, u64 b, u64 c)
{
	unsigned long flags;
	s64 ret;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	ret = dev->error ?: engine_call(dev->engine, export, a, b, c);
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	return ret;
}

/* Call an export that leaves its result, in bytes, in the buffer. */
static s64 call_out(struct dattobd_device *dev, enum core_export export, u64 argument, void *to)
{
	unsigned long flags;
	s64 ret;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	ret = dev->error ?: engine_call(dev->engine, export, argument, 0, 0);
	if (ret > 0)
		memcpy(to, engine_memory(dev->engine, dev->buffer_address, ret), ret);
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	return ret;
}

/* Call an export that takes @bytes bytes in the buffer. */
static s64 call_in(struct dattobd_device *dev, enum core_export export, u64 argument,
		   const void *from, size_t bytes)
{
	unsigned long flags;
	s64 ret;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	ret = dev->error;
	if (!ret) {
		memcpy(engine_memory(dev->engine, dev->buffer_address, bytes), from, bytes);
		ret = engine_call(dev->engine, export, argument, 0, 0);
	}
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	return ret;
}

static int read_origin(struct dattobd_device *dev, u64 block, void *data)
{
	struct bio *bio = bio_alloc_bioset(origin_bdev(dev), 1, REQ_OP_READ | REQ_SYNC, GFP_NOIO,
					   &dev->read_bios);
	int err;

	bio->bi_iter.bi_sector = block * COW_BLOCK_SECTORS;
	__bio_add_page(bio, virt_to_page(data), COW_BLOCK_SIZE, offset_in_page(data));
	err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
}

/* Contiguous extents count as one, however the filesystem or the map divides them. */
static s64 tie_to_extents(struct dattobd_device *dev)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(dev->cow, &nr_extents);
	struct cow_extent run = {};
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++) {
		if (run.count && run.position + run.count == extents[i].position &&
		    run.block + run.count == extents[i].block) {
			run.count += extents[i].count;
			continue;
		}
		if (run.count)
			ret = call(dev, CORE_RECORD_EXTENT, run.position, run.block, run.count);
		run = extents[i];
	}
	return ret < 0 ? ret : call(dev, CORE_RECORD_EXTENT, run.position, run.block, run.count);
}

/* A COW file may lie there too; what it holds is no sign of a mount. */
static s64 tie_to_filesystem(struct dattobd_device *dev)
{
	s64 ret = 0;
	u64 block;

	for (block = 0; block < FILESYSTEM_BLOCKS && ret >= 0; block++) {
		if (cow_file_overlaps(dev->cow, block, 1))
			continue;
		ret = read_origin(dev, block, dev->section_bounce);
		if (!ret)
			ret = call_in(dev, CORE_RECORD_FILESYSTEM, COW_BLOCK_SIZE,
				      dev->section_bounce, COW_BLOCK_SIZE);
	}
	return ret;
}

static s64 begin(struct dattobd_device *dev)
{
	s64 ret = call(dev, CORE_RECORD_BEGIN, 0, 0, 0);

	if (ret >= 0)
		ret = tie_to_extents(dev);
	return ret < 0 ? ret : tie_to_filesystem(dev);
}

static s64 plan(struct dattobd_device *dev)
{
	s64 chunks = call(dev, CORE_STAT, CORE_STAT_MASK_CHUNKS, 0, 0);
	s64 chunk, ret = min_t(s64, chunks, 0);

	for (chunk = 0; chunk < chunks && ret >= 0; chunk++)
		ret = call(dev, CORE_RECORD_SURVEY, chunk, 0, 0);
	return ret < 0 ? ret : call(dev, CORE_RECORD_PLAN, 0, 0, 0);
}

static s64 write_pieces(struct dattobd_device *dev)
{
	s64 bytes, offset, err;

	for (;;) {
		bytes = call(dev, CORE_RECORD_NEXT, 0, 0, 0);
		if (bytes <= 0)
			return bytes;
		offset = call(dev, CORE_RECORD_OFFSET, 0, 0, 0);
		if (offset < 0)
			return offset;
		bytes = call_out(dev, CORE_RECORD_EXPORT, 0, dev->section_bounce);
		if (bytes < 0)
			return bytes;
		err = cow_file_raw(dev->cow, REQ_OP_WRITE, offset, dev->section_bounce, bytes);
		if (err)
			return err;
	}
}

void record_remove(struct dattobd_device *dev)
{
	int err = cow_file_raw(dev->cow, REQ_OP_WRITE | REQ_FUA, 0, dev->open_header,
			       COW_HEADER_SIZE);

	/* What remains then is the fingerprint of the filesystem in the record. */
	if (err)
		pr_dev_err(dev, "the clean record in %s could not be removed, do not reload it: %d",
			   cow_file_path(dev->cow), err);
}

/* All that the record speaks of is durable before it is. */
static s64 write_header(struct dattobd_device *dev)
{
	s64 ret = call_out(dev, CORE_HEADER_ENCODE, false, dev->open_header);

	if (ret >= 0)
		ret = call_out(dev, CORE_RECORD_ENCODE, 0, dev->section_bounce);
	if (ret < 0)
		return ret;
	ret = cow_file_raw(dev->cow, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA, 0, dev->section_bounce,
			   COW_HEADER_SIZE);
	if (ret)
		record_remove(dev); /* it may have been written all the same */
	return ret;
}

int record_write(struct dattobd_device *dev)
{
	s64 ret;

	mutex_lock(&dev->sections_lock); /* the bounce buffer */
	ret = begin(dev);
	if (ret >= 0)
		ret = plan(dev);
	if (ret >= 0)
		ret = write_pieces(dev);
	if (ret >= 0)
		ret = write_header(dev);
	mutex_unlock(&dev->sections_lock);
	return min_t(s64, ret, 0);
}

static s64 read_pieces(struct dattobd_device *dev)
{
	s64 bytes, offset, ret = 0;

	while (!ret) {
		bytes = call(dev, CORE_RECORD_NEXT, 0, 0, 0);
		if (bytes <= 0)
			return bytes;
		offset = call(dev, CORE_RECORD_OFFSET, 0, 0, 0);
		if (offset < 0)
			return offset;
		ret = cow_file_raw(dev->cow, REQ_OP_READ, offset, dev->section_bounce, bytes);
		if (!ret)
			ret = call_in(dev, CORE_RECORD_IMPORT, 0, dev->section_bounce, bytes);
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
		ret = call_in(dev, CORE_RECORD_CHECK, 0, dev->section_bounce, COW_HEADER_SIZE);
	if (!ret)
		ret = read_pieces(dev);
	if (!ret)
		ret = call(dev, CORE_RECORD_ACCEPT, 0, 0, 0);
	if (!ret)
		ret = call_out(dev, CORE_HEADER_ENCODE, false, dev->open_header);
	return ret == COW_HEADER_SIZE ? 0 : ret;
}
