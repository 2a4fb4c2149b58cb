// SPDX-License-Identifier: GPL-2.0-only
/*
 * A COW file that grows by itself before it is full.
 *
 * It is done well before the end, since a growth takes a while, in which writes come in and take
 * room: with a quarter of the file left, or with one step left if that is more, but not before half
 * of it is used. A writer that is about to overtake it is slowed down. It is not stopped, since the
 * growth writes too, and would wait for itself.
 */
#include <linux/wait.h>
#include "control/grow_cow.h"
#include "io/ring.h"

#define LOW_MAX (256 * MIB / COW_BLOCK_SIZE)
#define RETRY_MAX (MIB / COW_BLOCK_SIZE)
#define WAITS_MAX 50 /* a growth */
#define WAIT_JIFFIES (HZ / 10)

/* Saturated: values are taken as they come. */
static u64 bytes_of(u64 mib)
{
	return mib > U64_MAX / MIB ? U64_MAX : mib * MIB;
}

/* In blocks. */
struct fill {
	u64 end, used;
};

static u64 room(const struct fill *fill)
{
	return fill->end - min(fill->end, fill->used);
}

/* Less room than this is too little. */
static u64 low_mark(const struct dattobd_device *dev, const struct fill *fill)
{
	u64 step = bytes_of(dev->auto_expand.step_mib) / COW_BLOCK_SIZE;

	return max(min(step, fill->end / 2), min(fill->end / 4, LOW_MAX));
}

/* Context: core_lock. */
static struct fill fill_of(struct dattobd_device *dev)
{
	s64 bytes = engine_ask(dev->engine, CORE_STAT, CORE_STAT_FSIZE, 0, 0, S64_MAX);
	s64 used = engine_ask(dev->engine, CORE_STAT, CORE_STAT_FPOS, 0, 0, S64_MAX);

	/* A core that has come to its end fails its device soon, and needs no room. */
	if (bytes < 0 || used < 0)
		return (struct fill){ .end = U64_MAX };
	return (struct fill){ .end = DIV_ROUND_UP_ULL(bytes, COW_BLOCK_SIZE), .used = used };
}

/*
 * Be called again when the file is too full, or, after a growth that failed, a little later.
 * Return: true if it is too full already.
 */
static bool arm(struct dattobd_device *dev, bool failed)
{
	struct auto_expand *own = &dev->auto_expand;
	unsigned long flags;
	struct fill fill;
	bool wanted, full;
	u64 low;

	core_lock(dev, flags);
	fill = fill_of(dev);
	low = low_mark(dev, &fill);
	wanted = own->step_mib && !dev->error && !own->paused;
	full = wanted && !failed && room(&fill) < low;
	own->next = U64_MAX;
	if (wanted && failed)
		own->next = fill.used + clamp_t(u64, room(&fill) / 4, 1, RETRY_MAX);
	else if (wanted && !full)
		own->next = fill.end - low;
	core_unlock(dev, flags);
	return full;
}

/* As many steps at once as it takes. Return: bytes. */
static u64 steps(struct dattobd_device *dev)
{
	u64 step = bytes_of(dev->auto_expand.step_mib), missing;
	unsigned long flags;
	struct fill fill;

	core_lock(dev, flags);
	fill = fill_of(dev);
	missing = low_mark(dev, &fill) - min(low_mark(dev, &fill), room(&fill));
	core_unlock(dev, flags);
	if (step > LOW_MAX * COW_BLOCK_SIZE)
		return step;
	return max(DIV64_U64_ROUND_UP(missing * COW_BLOCK_SIZE, step), 1ULL) * step;
}

static int grow(struct dattobd_device *dev)
{
	u64 step = bytes_of(dev->auto_expand.step_mib), bytes = steps(dev);
	u64 reserve = bytes_of(dev->auto_expand.reserved_mib);
	int err;

	if (device_state(dev) != DATTOBD_STATE_ACTIVE_SNAPSHOT)
		return -EAGAIN;
	WRITE_ONCE(dev->auto_expand.waits, WAITS_MAX);
	err = expand_cow_file(dev, bytes, reserve);
	if (err == -ENOSPC && bytes > step)
		err = expand_cow_file(dev, step, reserve);
	WRITE_ONCE(dev->auto_expand.waits, 0);
	wake_up_all(&dev->auto_expand.ended);
	return err == -EBUSY ? -EAGAIN : err; /* frozen: later */
}

/* Once until it works again. */
static void tell(struct dattobd_device *dev, int err)
{
	struct auto_expand *own = &dev->auto_expand;

	if (err && err != -EAGAIN && !own->told && !READ_ONCE(dev->error))
		pr_dev_warn(dev, "the COW file %s does not grow; %llu MiB must stay free: %d",
			    cow_file_path(dev->cow), own->reserved_mib, err);
	own->told = err && (own->told || err != -EAGAIN);
}

static void auto_expand_work(struct work_struct *work)
{
	struct dattobd_device *dev = container_of(work, struct dattobd_device, auto_expand.work);
	int err = 0;

	mutex_lock(&dev->expand_mutex);
	while (arm(dev, err)) {
		err = grow(dev);
		tell(dev, err);
	}
	mutex_unlock(&dev->expand_mutex);
}

static bool is_scarce(struct dattobd_device *dev)
{
	unsigned long flags;
	struct fill fill;

	core_lock(dev, flags);
	fill = fill_of(dev);
	core_unlock(dev, flags);
	return room(&fill) < low_mark(dev, &fill) / 4;
}

void auto_expand_yield(struct dattobd_device *dev)
{
	struct auto_expand *own = &dev->auto_expand;
	unsigned int waits = READ_ONCE(own->waits);

	if (!waits || !is_scarce(dev))
		return;
	/* Only a growth that has begun meanwhile would have it otherwise. */
	cmpxchg(&own->waits, waits, waits - 1);
	wait_event_timeout(own->ended, !READ_ONCE(own->waits) || !is_scarce(dev), WAIT_JIFFIES);
}

void auto_expand_init(struct dattobd_device *dev)
{
	init_waitqueue_head(&dev->auto_expand.ended);
	INIT_WORK(&dev->auto_expand.work, auto_expand_work);
	dev->auto_expand.next = U64_MAX;
}

void auto_expand_wake_locked(struct dattobd_device *dev)
{
	dev->auto_expand.next = U64_MAX;
	queue_work(COMPAT_UNBOUND_WQ, &dev->auto_expand.work);
}

int auto_expand_set(struct dattobd_device *dev, u64 step_mib, u64 reserved_mib)
{
	struct auto_expand *own = &dev->auto_expand;
	int err;

	if (step_mib && compat_bdev_frozen(origin_bdev(dev)))
		return -EBUSY; /* by a suspended device, perhaps: its snapshot cannot be read */
	err = mutex_lock_killable(&dev->expand_mutex);
	if (err)
		return err;
	if (step_mib)
		expand_prepare(dev);
	own->told = false;
	mutex_lock(&devices_lock);
	own->configured = true;
	own->step_mib = step_mib;
	own->reserved_mib = reserved_mib;
	mutex_unlock(&devices_lock);
	mutex_unlock(&dev->expand_mutex);
	auto_expand_resume(dev);
	return 0;
}

void auto_expand_resume(struct dattobd_device *dev)
{
	unsigned long flags;

	core_lock(dev, flags);
	dev->auto_expand.paused = false;
	auto_expand_wake_locked(dev);
	core_unlock(dev, flags);
}

int auto_expand_pause(struct dattobd_device *dev, long timeout)
{
	struct auto_expand *own = &dev->auto_expand;
	unsigned long flags;

	core_lock(dev, flags);
	WRITE_ONCE(own->paused, true);
	own->next = U64_MAX; /* and so nobody queues it */
	core_unlock(dev, flags);
	return drain_work(&own->work, timeout);
}

void auto_expand_drop(struct dattobd_device *dev)
{
	mutex_lock(&devices_lock);
	dev->auto_expand.configured = false;
	dev->auto_expand.step_mib = 0;
	mutex_unlock(&devices_lock);
}
