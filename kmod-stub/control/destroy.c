// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's end. Nothing can be freed that a disk may still read from or write to, so what is on
 * its way is waited for; first where that can be given up.
 */
#include "control/grow_cow.h"
#include "control/request.h"

static void unlink_cow(struct dattobd_device *dev)
{
	int err = cow_file_unlink(dev->cow);

	if (err && err != -ENOENT)
		pr_dev_warn(dev, "the COW file %s could not be removed: %d",
			    cow_file_path(dev->cow), err);
}

/* From here on nothing is held, copied or read any more, but what is on its way. */
static void end_work(struct dattobd_device *dev)
{
	unsigned long flags;

	core_lock(dev, flags);
	if (!dev->error)
		WRITE_ONCE(dev->error, -ESHUTDOWN);
	core_unlock(dev, flags);
}

void transition_dismantle(struct dattobd_device *dev, bool keep_cow)
{
	end_work(dev);
	auto_expand_pause(dev, 0);
	cancel_work_sync(&dev->auto_expand.work);
	flush_work(&dev->cache_work);
	/* Others' writes to the COW file's blocks are held until our own to them have ended. */
	device_cow_writes_wait(dev);
	intercept_remove(dev);
	tracker_drain(dev);
	device_drop_snapshot(dev);
	if (!keep_cow)
		unlink_cow(dev);
	device_free(dev);
	intercept_disable();
}

/*
 * All that may take long, where it can still be given up. Then the device stays, failed, and what
 * it waits for is waited for by the next attempt.
 */
static int wind_down(struct dattobd_device *dev, bool keep_cow)
{
	int err;

	if (keep_cow && !READ_ONCE(dev->error)) {
		err = seal_apply(dev, MAX_SCHEDULE_TIMEOUT);
		if (err == -EINTR)
			return err;
	}
	end_work(dev);
	return drain_device(dev);
}

void transition_unload(struct dattobd_device *dev)
{
	bool keep_cow = !compat_bdev_mounted_rw(origin_bdev(dev));

	device_enlist(dev, false);
	if (!dev->tracked) {
		device_free(dev);
		return;
	}
	wind_down(dev, keep_cow);
	pr_dev_debug(dev, "destroyed");
	transition_dismantle(dev, keep_cow);
}

int transition_destroy(struct dattobd_device *dev)
{
	int err;

	if (dev->snap && snapshot_close(dev->snap))
		return -EBUSY;
	err = device_check_thawed(dev);
	if (!err && dev->tracked)
		err = wind_down(dev, !compat_bdev_mounted_rw(origin_bdev(dev)));
	if (!err) {
		request_ignore_kill();
		transition_unload(dev);
		return 0;
	}
	if (err != -EBUSY)
		pr_dev_err(dev, "its origin does not answer, it was not destroyed: %d", err);
	if (dev->snap)
		snapshot_reopen(dev->snap);
	return err;
}
