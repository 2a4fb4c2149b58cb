// SPDX-License-Identifier: GPL-2.0-only
/*
 * Growing the COW file under an active snapshot.
 *
 * The new blocks were free when the snapshot was taken, and nothing can keep their content. So from
 * here on they read as zeros in the snapshot, like those that the COW file had from the start.
 * They are listed as changed when the index is handed over, since an image may have the content
 * that they had before.
 */
#include "dattobd.h"

#define MIB (1024ULL * 1024)

/* Call the core for each piece of the file's extents from @position on; interrupts are off. */
static s64 walk_extents(struct dattobd_device *dev, enum core_export export, u64 position)
{
	unsigned long flags;
	u64 block, count;
	s64 ret = 0;

	for (; ret >= 0; position += count) {
		count = cow_file_map(dev->cow, position, &block);
		if (!count)
			return 0;
		count = min_t(u64, count, CORE_MASK_CHUNK_BLOCKS);
		raw_spin_lock_irqsave(&dev->core_lock, flags);
		if (dev->error)
			ret = dev->error;
		else if (export == CORE_MARK)
			ret = engine_call(dev->engine, export, block * COW_BLOCK_SECTORS,
					  count * COW_BLOCK_SECTORS, 0);
		else
			ret = engine_call(dev->engine, export, block, count, 0);
		raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	}
	return ret;
}

/* Reads that were planned before the blocks were masked may still go there. */
static void wait_for_reads(struct dattobd_device *dev)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	snapshot_reads_divide(dev->snap);
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	while (!READ_ONCE(dev->error) && snapshot_reads_overlap(dev->snap, 0, dev->nr_sectors))
		snapshot_wait_reads(dev->snap, 0, dev->nr_sectors);
}

int expand_cow_file(struct dattobd_device *dev, u64 mib)
{
	u64 old_end = DIV_ROUND_UP_ULL(cow_file_bytes(dev->cow), COW_BLOCK_SIZE);
	unsigned long flags;
	s64 ret;

	if (device_state(dev) != DATTOBD_STATE_ACTIVE_SNAPSHOT || !mib)
		return -EINVAL;
	if (mib > U64_MAX / MIB)
		return -EFBIG;
	ret = cow_file_grow(dev->cow, mib * MIB);
	if (ret)
		return ret;
	if (!dev->grown_from)
		dev->grown_from = old_end;
	ret = walk_extents(dev, CORE_MASK_EXTENT, old_end);
	if (ret < 0)
		return ret;
	wait_for_reads(dev);
	raw_spin_lock_irqsave(&dev->core_lock, flags);
	ret = dev->error ?:
			   engine_call(dev->engine, CORE_SET_FSIZE, cow_file_bytes(dev->cow), 0, 0);
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
	return ret;
}

int expand_list_grown(struct dattobd_device *dev)
{
	s64 ret = dev->grown_from ? walk_extents(dev, CORE_MARK, dev->grown_from) : 0;

	dev->grown_from = 0;
	return ret;
}
