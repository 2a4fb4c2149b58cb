// SPDX-License-Identifier: GPL-2.0-only
/*
 * The watch: once a second, and soon after a write that removed a checkpoint, look what became of
 * the origin's filesystem.
 *
 * - It is mounted read-write: a reloaded device becomes active, with its /dev/dattoN; a COW file
 *   whose filesystem was unmounted is guarded again; once it is proved that nobody wrote elsewhere,
 *   writes go on at once.
 * - It is not: they no longer do. Write a checkpoint, so that the power may fail, the module go,
 *   and the device be reloaded. Somebody who writes to the origin all the same breaks it, and gets
 *   some peace.
 *
 * Nothing waits for the watch, and it misses nothing: writes are tracked at all times.
 */
#include <linux/reboot.h>
#include <linux/suspend.h>
#include "control/checkpoints.h"
#include "control/cut_cow.h"
#include "control/device.h"
#include "control/devices.h"
#include "control/state.h"
#include "control/watch.h"
#include "cow/open.h"
#include "cow/pin.h"
#include "io/snapshot.h"

#define INTERVAL HZ
#define SOON (HZ / 20)
#define PEACE (5 * HZ) /* between two checkpoints, if a write removed the first */
#define QUIET (2 * HZ) /* without a write, before a checkpoint */
#define CHECKPOINT_WAIT HZ /* for a checkpoint; others wait for the watch meanwhile */
#define LAST_REQUESTS (5 * HZ) /* when the machine goes down: for all requests to end */
#define LAST_CHECKPOINTS (15 * HZ) /* and for all checkpoints */
#define LAST_EACH HZ /* but for each so much, whatever the others took */

static void guard_mounted_again(struct dattobd_device *dev)
{
	int err;

	/* A growth that is under way sees to the guards itself. */
	if (cow_file_has_filesystem(dev->vol.cow) || !mutex_trylock(&dev->growth.mutex))
		return;
	err = cow_file_guard_mounted(dev->vol.cow);
	mutex_unlock(&dev->growth.mutex);
	if (err && err != -EAGAIN && err != -ENOMEM)
		core_fail(&dev->vol.core, -ESTALE,
			  err == -ESTALE ?
				  "its COW file is gone or resized; a full backup is needed" :
				  "its COW file could not be guarded; a full backup is needed");
}

static void mounted(struct dattobd_device *dev)
{
	int err;

	dev->watch.idle_ticks = 0;
	dev->watch.no_checkpoint = false;
	guard_mounted_again(dev);
	worker_open_shutter(&dev->vol);
	checkpoints_consider(&dev->vol);
	if (!READ_ONCE(dev->vol.core.error))
		cut_cow_file_late(dev);
	if (!dev->vol.snap || !dev->publish_wanted || READ_ONCE(dev->vol.core.error))
		return;
	err = snapshot_publish(dev->vol.snap);
	dev->publish_wanted = false;
	if (err)
		core_fail(&dev->vol.core, err, "the snapshot's disk could not be added");
}

/* Others may mount what is mounted here until this machine comes back. */
static void shut_all(void)
{
	unsigned int minor;

	mutex_lock(&devices_lock);
	for (minor = 0; minor < max_snap_devices; minor++) {
		if (devices[minor])
			shutter_shut(&devices[minor]->vol);
	}
	mutex_unlock(&devices_lock);
}

/*
 * A machine that hibernates is switched off, but goes on from the memory that it had before: a
 * checkpoint that is written once that is saved would be right on disk, and unknown to who goes on.
 */
static int on_sleep(struct notifier_block *block, unsigned long action, void *data)
{
	if (action == PM_HIBERNATION_PREPARE) {
		shutter_hibernate(true);
		shut_all();
	} else if (action == PM_POST_HIBERNATION) {
		shutter_hibernate(false);
	}
	return NOTIFY_DONE;
}

/* @moment: jiffies; 0 if never */
static bool was_within(unsigned long moment, unsigned long span)
{
	return moment && time_before(jiffies, moment + span);
}

/* The second look: an unmount that is under way still writes. */
static void not_mounted(struct dattobd_device *dev)
{
	int err;

	shutter_shut(&dev->vol);
	if (READ_ONCE(dev->vol.clean.state) != CLEAN_NONE ||
	    bdev_read_only(origin_bdev(&dev->vol.origin)) || dev->watch.no_checkpoint ||
	    shutter_hibernating())
		return;
	if (dev->watch.idle_ticks < 2) {
		dev->watch.idle_ticks++;
		return;
	}
	if (was_within(dev->vol.clean.broken, PEACE) ||
	    was_within(READ_ONCE(dev->vol.shutter.proved), QUIET))
		return;
	err = worker_make_clean(&dev->vol, CHECKPOINT_WAIT);
	dev->watch.no_checkpoint = err && err != -EBUSY && err != -ETIMEDOUT;
}

static unsigned long next_look(struct dattobd_device *dev)
{
	bool recent = was_within(dev->vol.clean.broken, INTERVAL) ||
		      was_within(READ_ONCE(dev->vol.shutter.proved), INTERVAL);

	return recent && !cow_file_has_filesystem(dev->vol.cow) ? SOON : INTERVAL;
}

void watch_work(struct work_struct *work)
{
	struct dattobd_device *dev =
		container_of(to_delayed_work(work), struct dattobd_device, watch.work);
	unsigned long interval = SOON;

	if (minor_trylock(dev->vol.core.minor)) {
		bool rw = device_look(dev);

		if (!READ_ONCE(dev->vol.core.error)) {
			if (rw)
				mounted(dev);
			else
				not_mounted(dev);
		}
		if (READ_ONCE(dev->vol.live.stuck))
			queue_work(dev->vol.core.wq, &dev->vol.core.work);
		interval = next_look(dev);
		minor_unlock(dev->vol.core.minor);
	}
	queue_delayed_work(COMPAT_UNBOUND_WQ, &dev->watch.work, interval);
}

/* The time until @end. */
static long left(unsigned long end)
{
	return max_t(long, end - jiffies, LAST_EACH);
}

/* Write the last checkpoint of a device, by @end. */
static int last_checkpoint(struct dattobd_device *dev, unsigned long end)
{
	unsigned int tries;
	int err = auto_expand_pause(dev, left(end));

	if (err)
		return err;
	for (tries = 0; tries < 3; tries++) {
		err = worker_make_clean(&dev->vol, left(end));
		if (err != -EBUSY)
			break;
	}
	return err;
}

static void go_down(struct dattobd_device *dev, unsigned long end)
{
	if (!READ_ONCE(dev->vol.core.error) && last_checkpoint(dev, end) == -ETIMEDOUT)
		pr_dev_err(dev,
			   "its origin does not answer: no checkpoint is written, a full backup will be needed");
}

static bool lock_by(unsigned int minor, unsigned long end)
{
	unsigned long give_up = jiffies + left(end);

	while (!minor_trylock(minor)) {
		if (time_after(jiffies, give_up))
			return false;
		schedule_timeout_uninterruptible(HZ / 10);
	}
	return true;
}

/*
 * The machine goes down. The root filesystem is read-only by now, or nobody writes to it any more:
 * as long as that holds, the checkpoint will be right at the next boot. An origin that does not
 * answer keeps nobody from going down.
 */
static int on_reboot(struct notifier_block *block, unsigned long action, void *data)
{
	unsigned long lock_end = jiffies + LAST_REQUESTS, end = jiffies + LAST_CHECKPOINTS;
	unsigned int minor;

	if (shutter_hibernating())
		return NOTIFY_DONE;
	for (minor = 0; minor < max_snap_devices; minor++) {
		if (!lock_by(minor, lock_end)) {
			pr_err("datto: minor %u: a request does not end: no checkpoint is written, a full backup will be needed\n",
			       minor);
			continue;
		}
		if (devices[minor])
			go_down(devices[minor], end);
		minor_unlock(minor);
	}
	return NOTIFY_DONE;
}

static struct notifier_block reboot_block = {
	.notifier_call = on_reboot,
	/* after everybody who may still write */
	.priority = INT_MIN,
};

static struct notifier_block sleep_block = {
	.notifier_call = on_sleep,
};

int watch_init(void)
{
	int err = register_pm_notifier(&sleep_block);

	if (err)
		return err;
	err = register_reboot_notifier(&reboot_block);
	if (err)
		unregister_pm_notifier(&sleep_block);
	return err;
}

void watch_exit(void)
{
	unregister_reboot_notifier(&reboot_block);
	unregister_pm_notifier(&sleep_block);
}
