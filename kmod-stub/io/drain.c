// SPDX-License-Identifier: GPL-2.0-only
#include "control/grow_cow.h"
#include "io/reads.h"
#include "io/snapshot.h"

void drain_init(struct drain *drain)
{
	init_waitqueue_head(&drain->wait);
}

u64 drain_begin(struct drain *drain)
{
	return atomic64_read(&drain->asked);
}

/* The device is freed only after the worker's function has returned. */
void drain_end(struct drain *drain, u64 asked)
{
	WRITE_ONCE(drain->ended, asked);
	wake_up_all(&drain->wait);
}

void drain_gone(struct drain *drain, unsigned int count)
{
	WRITE_ONCE(drain->gone, drain->gone + count);
	wake_up_all(&drain->wait);
}

/* Of a wait with a timeout. */
static int result(long left)
{
	if (left > 0)
		return 0;
	return left ? -EINTR : -ETIMEDOUT;
}

noinline int drain_worker(struct dattobd_device *dev, long timeout)
{
	struct drain *drain = &dev->drain;
	u64 asked = atomic64_inc_return(&drain->asked);

	queue_work(dev->wq, &dev->work);
	return result(wait_event_killable_timeout(drain->wait, READ_ONCE(drain->ended) >= asked,
						  timeout));
}

noinline int drain_held(struct dattobd_device *dev, long timeout)
{
	struct drain *drain = &dev->drain;
	unsigned long flags;
	long left;
	u64 held;

	late_decide(dev);
	core_lock(dev, flags);
	held = drain->held;
	core_unlock(dev, flags);
	left = wait_event_killable_timeout(drain->wait, READ_ONCE(drain->gone) >= held, timeout);
	return result(left);
}

noinline int drain_reads(struct dattobd_device *dev, u64 number)
{
	struct snapshot *snap = dev->snap;
	long left = 0;
	int err = 0;

	while (!err && left <= 0) {
		left = wait_event_killable_timeout(snap->reads_wait,
						   !snapshot_older_reads(snap, number), HZ / 10);
		err = left > 0 ? 0 : expand_interrupted(dev);
	}
	return err;
}

/* Polled: a flush_work() cannot be given up. */
noinline int drain_work(struct work_struct *work, long timeout)
{
	long left = timeout;

	while (work_busy(work)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (left <= 0)
			return -ETIMEDOUT;
		schedule_timeout_killable(1);
		left -= timeout == MAX_SCHEDULE_TIMEOUT ? 0 : 1;
	}
	return 0;
}

noinline int drain_cow_writes(struct dattobd_device *dev, long timeout)
{
	return result(wait_event_killable_timeout(dev->cow_writes_wait,
						  !atomic_read(&dev->nr_cow_writes), timeout));
}

int drain_device(struct dattobd_device *dev)
{
	int err = auto_expand_pause(dev, MAX_SCHEDULE_TIMEOUT);

	if (!err)
		err = drain_work(&dev->cache_work, MAX_SCHEDULE_TIMEOUT);
	if (!err)
		err = drain_cow_writes(dev, MAX_SCHEDULE_TIMEOUT);
	if (!err)
		err = drain_worker(dev, MAX_SCHEDULE_TIMEOUT);
	if (!err && dev->snap)
		err = drain_reads(dev, U64_MAX);
	return err;
}
