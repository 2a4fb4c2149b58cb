// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's end. Nothing can be freed that a disk may still read from or write to, so what is on
 * its way is waited for; first where that can be given up.
 */
#include "control/destroy.h"
#include "control/device.h"
#include "control/devices.h"
#include "control/state.h"
#include "cow/session.h"
#include "io/intercept.h"
#include "io/reads.h"
#include "io/snapshot.h"
#include "killable.h"

static void unlink_cow(struct dattobd_device *dev)
{
	int err = cow_file_unlink(dev->vol.cow);

	if (err && err != -ENOENT)
		pr_dev_warn(dev, "the COW file %s could not be removed: %d",
			    cow_file_path(dev->vol.cow), err);
}

void transition_dismantle(struct dattobd_device *dev, bool keep_cow)
{
	core_end(&dev->vol.core);
	auto_expand_pause(dev, 0);
	cancel_work_sync(&dev->vol.fill.work);
	flush_work(&dev->vol.sections.work);
	/* Others' writes to the COW file's blocks are deferred until our own to them have ended. */
	cow_writes_wait(&dev->vol.writes);
	/* A live checkpoint is removed while writes are still deferred for that. */
	worker_flush(&dev->vol);
	origin_remove(&dev->vol.origin);
	worker_flush(&dev->vol);
	device_drop_snapshot(dev);
	if (!keep_cow)
		unlink_cow(dev);
	device_free(dev);
	intercept_disable();
}

/*
 * Wait until nothing of a failed device is on its way: no growth, no write, no copy, no read.
 */
static int drain(struct dattobd_device *dev)
{
	int err = auto_expand_pause(dev, MAX_SCHEDULE_TIMEOUT);

	if (!err)
		err = work_wait(&dev->vol.sections.work, MAX_SCHEDULE_TIMEOUT);
	if (!err)
		err = cow_writes_drain(&dev->vol.writes, MAX_SCHEDULE_TIMEOUT);
	if (!err)
		err = worker_drain_deferred(&dev->vol, MAX_SCHEDULE_TIMEOUT);
	if (!err && dev->vol.snap)
		err = snapshot_drain_reads(dev->vol.snap, U64_MAX, NULL);
	return err;
}

/*
 * All that may take long, where it can still be given up. Then the device stays, failed, and what
 * it waits for is waited for by the next attempt.
 */
static int wind_down(struct dattobd_device *dev, bool keep_cow)
{
	int err;

	if (keep_cow && !READ_ONCE(dev->vol.core.error)) {
		err = worker_make_clean(&dev->vol, MAX_SCHEDULE_TIMEOUT);
		if (err == -EINTR)
			return err;
	}
	if (!READ_ONCE(dev->vol.core.error)) {
		err = worker_end_live(&dev->vol, MAX_SCHEDULE_TIMEOUT);
		if (err == -EINTR)
			return err;
	}
	core_end(&dev->vol.core);
	return drain(dev);
}

void transition_unload(struct dattobd_device *dev)
{
	bool keep_cow = !compat_bdev_mounted_rw(origin_bdev(&dev->vol.origin));

	device_enlist(dev, false);
	if (dev->phase == PHASE_REFUSED) {
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

	if (dev->vol.snap && snapshot_close(dev->vol.snap))
		return -EBUSY;
	err = device_check_thawed(dev);
	if (!err && dev->phase != PHASE_REFUSED)
		err = wind_down(dev, !compat_bdev_mounted_rw(origin_bdev(&dev->vol.origin)));
	if (!err) {
		request_ignore_kill();
		transition_unload(dev);
		return 0;
	}
	if (err != -EBUSY)
		pr_dev_err(dev, "its origin does not answer, it was not destroyed: %d", err);
	if (dev->vol.snap)
		snapshot_reopen(dev->vol.snap);
	return err;
}
