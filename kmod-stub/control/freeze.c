// SPDX-License-Identifier: GPL-2.0-only
#include "control/device.h"
#include "control/freeze.h"

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

int device_frozen_result(struct dattobd_device *dev, int err)
{
	if (err != -ETIMEDOUT)
		return err;
	pr_dev_err(dev,
		   "the switch is given up: writes to %s did not end within %u s; try again: %d",
		   dev->vol.origin.path, DRAIN_WAIT / HZ, -EBUSY);
	return -EBUSY;
}

int device_drain_frozen(struct dattobd_device *dev)
{
	return device_frozen_result(dev, worker_drain_deferred(&dev->vol, DRAIN_WAIT));
}

int device_drain_old_writes(struct dattobd_device *dev)
{
	int err = compat_bdev_drain(origin_bdev(&dev->vol.origin), DISK_WAIT);

	if (err)
		core_fail(&dev->vol.core, err, "the writes from before the snapshot did not end");
	return err;
}
