// SPDX-License-Identifier: GPL-2.0-only
/*
 * A core is made for one size, and knows nothing of blocks beyond it. Writes to what the origin has
 * grown by are not recorded, nor need they be: before the next snapshot all of it is counted as
 * changed, in a larger core that takes over the bits of the present one. A snapshot is of the size
 * that the origin had.
 */
#include <linux/slab.h>
#include "control/device.h"
#include "control/grow_origin.h"
#include "control/state.h"
#include "core/room.h"

#define GROW_TRIES 16

int grow_check(struct dattobd_device *dev)
{
	struct block_device *bdev = origin_bdev(&dev->vol.origin);
	u64 nr_sectors = compat_bdev_nr_sectors(bdev);

	if (get_start_sect(bdev) == dev->vol.origin.start && nr_sectors >= dev->vol.core.nr_sectors)
		return nr_sectors > dev->vol.core.nr_sectors;
	core_fail(&dev->vol.core, -ESTALE,
		  "its origin shrank or was moved; a full backup is needed");
	return -ESTALE;
}

typedef s64 (*chunk_call)(struct engine *engine, u64 chunk);

/* A chunk of one bitmap goes from the present core to the larger one. */
static s64 copy_chunk(struct core *core, struct engine *larger, chunk_call out, chunk_call in,
		      u64 chunk)
{
	void *to = engine_buffer(larger, CORE_MASK_CHUNK_BYTES);
	s64 ret = to ? core_take(core, to, CORE_MASK_CHUNK_BYTES, out, chunk) : -ENOTRECOVERABLE;

	return ret > 0 ? room_ask_alone(larger, in, chunk) : ret;
}

/* The mask goes without what changed: no other bit of it has a meaning any more. */
static s64 copy_bitmaps(struct dattobd_device *dev, struct engine *larger)
{
	struct core *core = &dev->vol.core;
	u64 chunks = engine_nr_chunks(core->engine), chunk;
	s64 ret = 0;

	for (chunk = 0; chunk < chunks && ret >= 0; chunk++) {
		ret = copy_chunk(core, larger, wasm_mask_export, wasm_mask_import, chunk);
		if (ret >= 0)
			ret = copy_chunk(core, larger, wasm_changed_export, wasm_changed_import,
					 chunk);
		cond_resched();
	}
	return ret;
}

/* From the last block on that the smaller core has only a part of. */
static s64 mark_rest(struct dattobd_device *dev, struct engine *larger, u64 nr_sectors)
{
	u64 from = round_down(dev->vol.core.nr_sectors, COW_BLOCK_SECTORS);

	return in_slices(room_ask_alone, larger, CORE_SLICE_SECTORS, wasm_mark, from,
			 nr_sectors - from);
}

static s64 take_header(struct core *core, struct engine *larger)
{
	void *to = engine_buffer(larger, COW_HEADER_SIZE);

	return to ? core_take(core, to, COW_HEADER_SIZE, wasm_header_encode, false) :
		    -ENOTRECOVERABLE;
}

static s64 fill_larger(struct dattobd_device *dev, struct engine *larger, u64 nr_sectors)
{
	s64 ret = wasm_init(larger, nr_sectors, device_cache_bytes(dev), CORE_MODE_INCREMENTAL);

	if (!ret)
		ret = copy_bitmaps(dev, larger);
	if (ret >= 0)
		ret = take_header(&dev->vol.core, larger);
	if (ret >= 0)
		ret = wasm_header_check(larger, CORE_EXPECT_INCREMENTAL | CORE_EXPECT_UNCLEAN_OK);
	if (ret > 0)
		ret = engine_distrust(larger, CORE_HEADER_CHECK, ret);
	return ret < 0 ? ret : mark_rest(dev, larger, nr_sectors);
}

/* A write that is marked now is marked in the smaller core only. */
static u64 changed_now(struct dattobd_device *dev)
{
	struct core_counters counters;

	core_counters(&dev->vol.core, &counters);
	return counters.nr_changed;
}

/*
 * Who gets room for the smaller core has a write that is deferred. Who changes its size otherwise
 * has core.io_lock, and has done with it when this has that.
 */
static struct engine *exchange(struct dattobd_device *dev, struct engine *larger, u64 nr_sectors,
			       u64 changed)
{
	struct engine *other = larger;
	unsigned long flags;

	mutex_lock(&dev->vol.core.io_lock);
	core_lock(&dev->vol.core, flags);
	if (wasm_stat(dev->vol.core.engine, CORE_STAT_NR_CHANGED) == changed &&
	    dev->vol.deferred.nr_deferred == dev->vol.deferred.nr_gone && !dev->vol.core.error) {
		other = dev->vol.core.engine;
		dev->vol.core.engine = larger;
		WRITE_ONCE(dev->vol.core.nr_sectors, nr_sectors);
		noted_rest(&dev->vol, larger); /* its filesystem is frozen */
	}
	core_unlock(&dev->vol.core, flags);
	mutex_unlock(&dev->vol.core.io_lock);
	return other;
}

int grow_origin(struct dattobd_device *dev)
{
	u64 nr_sectors = compat_bdev_nr_sectors(origin_bdev(&dev->vol.origin)),
	    before = dev->vol.core.nr_sectors;
	struct engine *engine, *other;
	unsigned int tries;
	u64 changed;
	s64 ret;

	if (nr_sectors > CORE_ORIGIN_SECTORS_MAX) {
		pr_dev_err(dev, "%s has grown to more than " CORE_ORIGIN_MAX_TEXT ": %d",
			   dev->vol.origin.path, -EFBIG);
		return -EFBIG;
	}
	for (tries = 0; tries < GROW_TRIES; tries++) {
		changed = changed_now(dev);
		engine = engine_create();
		if (IS_ERR(engine))
			return PTR_ERR(engine);
		ret = fill_larger(dev, engine, nr_sectors);
		other = ret < 0 ? engine : exchange(dev, engine, nr_sectors, changed);
		engine_destroy(other);
		if (ret < 0)
			return ret;
		if (other != engine) {
			pr_dev_info(dev,
				    "%s has grown from %llu to %llu sectors: all of that counts as changed",
				    dev->vol.origin.path, before, nr_sectors);
			return 0;
		}
	}
	return -EBUSY;
}
