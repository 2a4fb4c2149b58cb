// SPDX-License-Identifier: GPL-2.0-only
/*
 * A COW file that grows by itself before it is full.
 *
 * It is done well before the end, since a growth takes a while, in which writes come in and take
 * room: with a quarter of the file left, or with one step left if that is more, but not before half
 * of it is used. A writer that is about to overtake it is slowed down. It is not stopped, since the
 * growth writes too, and would wait for itself.
 */
#include "control/auto_grow.h"
#include "control/device.h"
#include "control/devices.h"
#include "control/state.h"
#include "killable.h"

#define STEP_MAX (256 * MIB) /* one that is larger is not taken several times at once */
#define RETRY_MAX (MIB / COW_BLOCK_SIZE)
#define WAITS_MAX 50 /* a growth */

/* Saturated: values are taken as they come. */
static u64 bytes_of(u64 mib)
{
	return mib > U64_MAX / MIB ? U64_MAX : mib * MIB;
}

/*
 * Be called again when the file is too full, or, after a growth that failed, a little later.
 * Return: true if it is too full already.
 */
static bool arm(struct dattobd_device *dev, bool failed)
{
	struct core *core = &dev->vol.core;
	struct fill *fill = &dev->vol.fill;
	struct fill_level level;
	unsigned long flags;
	bool wanted, full;
	u64 low;

	core_lock(core, flags);
	level = fill_level(core);
	low = fill_low_mark(fill, &level);
	wanted = fill->step && !core->error && !fill->paused;
	full = wanted && !failed && fill_room(&level) < low;
	fill->next = U64_MAX;
	if (wanted && failed)
		fill->next = level.used + clamp_t(u64, fill_room(&level) / 4, 1, RETRY_MAX);
	else if (wanted && !full)
		fill->next = level.end - low;
	core_unlock(core, flags);
	return full;
}

/* As many steps at once as it takes. Return: bytes. */
static u64 steps(struct dattobd_device *dev)
{
	u64 step = bytes_of(dev->auto_grow.step_mib), low, missing;
	struct core *core = &dev->vol.core;
	struct fill_level level;
	unsigned long flags;

	core_lock(core, flags);
	level = fill_level(core);
	low = fill_low_mark(&dev->vol.fill, &level);
	missing = low - min(low, fill_room(&level));
	core_unlock(core, flags);
	if (step > STEP_MAX)
		return step;
	return max(DIV64_U64_ROUND_UP(missing * COW_BLOCK_SIZE, step), 1ULL) * step;
}

static int grow(struct dattobd_device *dev)
{
	u64 step = bytes_of(dev->auto_grow.step_mib), bytes = steps(dev);
	u64 reserve = bytes_of(dev->auto_grow.reserved_mib);
	struct fill *fill = &dev->vol.fill;
	int err;

	if (device_state(dev) != DATTOBD_STATE_ACTIVE_SNAPSHOT)
		return -EAGAIN;
	WRITE_ONCE(fill->waits, WAITS_MAX);
	err = expand_cow_file(dev, bytes, reserve);
	if (err == -ENOSPC && bytes > step)
		err = expand_cow_file(dev, step, reserve);
	WRITE_ONCE(fill->waits, 0);
	wake_up_all(&fill->ended);
	return err == -EBUSY ? -EAGAIN : err; /* frozen: later */
}

/* Once until it works again. */
static void report_growth(struct dattobd_device *dev, int err)
{
	struct auto_grow *own = &dev->auto_grow;

	if (err && err != -EAGAIN && !own->reported && !READ_ONCE(dev->vol.core.error))
		pr_dev_warn(dev, "the COW file %s does not grow; %llu MiB must stay free: %d",
			    cow_file_path(dev->vol.cow), own->reserved_mib, err);
	own->reported = err && (own->reported || err != -EAGAIN);
}

static void grow_work(struct work_struct *work)
{
	struct dattobd_device *dev = container_of(work, struct dattobd_device, vol.fill.work);
	int err = 0;

	mutex_lock(&dev->growth.mutex);
	while (arm(dev, err)) {
		err = grow(dev);
		report_growth(dev, err);
	}
	mutex_unlock(&dev->growth.mutex);
}

void auto_expand_init(struct dattobd_device *dev)
{
	INIT_WORK(&dev->vol.fill.work, grow_work);
}

/* Under growth.mutex; the core's lock is what the writers look at it under. */
static void set_step(struct dattobd_device *dev, u64 step_mib)
{
	unsigned long flags;

	core_lock(&dev->vol.core, flags);
	dev->vol.fill.step = bytes_of(step_mib) / COW_BLOCK_SIZE;
	core_unlock(&dev->vol.core, flags);
}

int auto_expand_set(struct dattobd_device *dev, u64 step_mib, u64 reserved_mib)
{
	struct auto_grow *own = &dev->auto_grow;
	int err;

	if (step_mib && compat_bdev_frozen(origin_bdev(&dev->vol.origin)))
		return -EBUSY; /* by a suspended device, perhaps: its snapshot cannot be read */
	err = mutex_lock_killable(&dev->growth.mutex);
	if (err)
		return err;
	if (step_mib)
		expand_prepare(dev);
	own->reported = false;
	mutex_lock(&devices_lock);
	own->configured = true;
	own->step_mib = step_mib;
	own->reserved_mib = reserved_mib;
	mutex_unlock(&devices_lock);
	set_step(dev, step_mib);
	mutex_unlock(&dev->growth.mutex);
	auto_expand_resume(dev);
	return 0;
}

void auto_expand_resume(struct dattobd_device *dev)
{
	unsigned long flags;

	core_lock(&dev->vol.core, flags);
	dev->vol.fill.paused = false;
	fill_wake_locked(&dev->vol.fill);
	core_unlock(&dev->vol.core, flags);
}

int auto_expand_pause(struct dattobd_device *dev, long timeout)
{
	struct fill *fill = &dev->vol.fill;
	unsigned long flags;

	core_lock(&dev->vol.core, flags);
	WRITE_ONCE(fill->paused, true);
	fill->next = U64_MAX; /* and so nobody queues it */
	core_unlock(&dev->vol.core, flags);
	return work_wait(&fill->work, timeout);
}

void auto_expand_drop(struct dattobd_device *dev)
{
	mutex_lock(&devices_lock);
	dev->auto_grow.configured = false;
	dev->auto_grow.step_mib = 0;
	mutex_unlock(&devices_lock);
	set_step(dev, 0);
}
