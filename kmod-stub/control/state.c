// SPDX-License-Identifier: GPL-2.0-only
#include "control/device.h"
#include "control/state.h"

bool device_is_active(struct dattobd_device *dev)
{
	bool rw = compat_bdev_mounted_rw(origin_bdev(&dev->vol.origin));

	if (rw && dev->vol.core.engine)
		WRITE_ONCE(dev->unverified, false);
	return rw;
}

enum dattobd_state device_state(struct dattobd_device *dev)
{
	bool active = device_is_active(dev);

	if (READ_ONCE(dev->unverified))
		return dev->vol.core.snapshot_mode ? DATTOBD_STATE_UNVERIFIED_SNAPSHOT :
						     DATTOBD_STATE_UNVERIFIED_INCREMENTAL;
	if (dev->vol.core.snapshot_mode)
		return active ? DATTOBD_STATE_ACTIVE_SNAPSHOT : DATTOBD_STATE_DORMANT_SNAPSHOT;
	return active ? DATTOBD_STATE_ACTIVE_INCREMENTAL : DATTOBD_STATE_DORMANT_INCREMENTAL;
}

u64 device_cache_bytes(const struct dattobd_device *dev)
{
	return dev->cache_bytes ?: cow_max_memory_default;
}

int device_check_thawed(const struct dattobd_device *dev)
{
	if (!compat_bdev_frozen(origin_bdev(&dev->vol.origin)))
		return 0;
	pr_dev_err(dev, "the filesystem of %s is frozen: %d", dev->vol.origin.path, -EBUSY);
	return -EBUSY;
}
