// SPDX-License-Identifier: GPL-2.0-only
#include "control/device.h"
#include "control/freeze.h"
#include "cow/find.h"

#define SYNCS 3 /* before a freeze, at most, */
#define SYNC_SHORT (HZ / 5) /* until one finds little to do */

void device_write_back(struct dattobd_device *dev)
{
	struct super_block *sb;
	unsigned long begin;
	unsigned int i;

	for (i = 0; i < SYNCS && !fatal_signal_pending(current); i++) {
		begin = jiffies;
		sb = cow_super_lock(origin_bdev(&dev->vol.origin));
		if (!sb)
			return;
		sync_filesystem(sb);
		cow_super_unlock(sb);
		if (time_before(jiffies, begin + SYNC_SHORT))
			return;
	}
}

void device_thaw(struct dattobd_device *dev)
{
	int err = compat_bdev_thaw(origin_bdev(&dev->vol.origin));

	if (err)
		pr_dev_err(dev, "the filesystem of %s could not be thawed: %d",
			   dev->vol.origin.path, err);
	WRITE_ONCE(dev->last_freeze_ms, ktime_ms_delta(ktime_get(), dev->frozen_at));
	WRITE_ONCE(dev->has_frozen, true);
	pr_dev_debug(dev, "the filesystem was frozen for %llu ms", dev->last_freeze_ms);
}

int device_freeze(struct dattobd_device *dev)
{
	int err;

	dev->frozen_at = ktime_get();
	err = compat_bdev_freeze(origin_bdev(&dev->vol.origin));
	if (err || !fatal_signal_pending(current))
		return err;
	device_thaw(dev);
	return -EINTR;
}
