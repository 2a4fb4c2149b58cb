// SPDX-License-Identifier: GPL-2.0-only
/*
 * The worker of a device: it lets the writes go that are deferred, once what they overwrite is
 * copied, and writes and removes the clean mark, since no write goes but by it then.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include "io/late.h"
#include "io/live_make.h"
#include "io/pipeline.h"
#include "io/volume.h"
#include "io/worker.h"
#include "killable.h"

#define LOOK (HZ / 10) /* whether a wait is to be stopped */

static int is_interrupted(const bool *stop)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	return stop && READ_ONCE(*stop) ? -EAGAIN : 0;
}

int worker_copy(struct volume *vol, sector_t sector, sector_t nr_sectors, const bool *stop,
		long timeout)
{
	struct copy_request *request = kmalloc(sizeof(*request), GFP_KERNEL);
	unsigned long flags;
	int err = 0;

	if (!request)
		return -ENOMEM;
	copy_request_init(request, sector, nr_sectors);
	core_lock(&vol->core, flags);
	deferred_request(&vol->deferred, request);
	core_unlock(&vol->core, flags);
	queue_work(vol->core.wq, &vol->core.work);
	while (!err && wait_for_completion_killable_timeout(&request->done, LOOK) <= 0) {
		timeout -= LOOK;
		err = is_interrupted(stop) ?: timeout <= 0 ? -ETIMEDOUT : 0;
	}
	copy_request_put(request);
	return err;
}

/* Return: may the worker go on? @guarded: let only those writes go that are deferred now. */
static bool pass_gate(struct volume *vol, bool *guarded)
{
	bool clean, shut, loading, wanted;
	unsigned long flags;

	core_lock(&vol->core, flags);
	clean = vol->clean.state == CLEAN_VALID;
	loading = vol->clean.state == CLEAN_LOADING;
	shut = !loading && shutter_is_shut(vol);
	wanted = vol->worker.look || deferred_waiting(&vol->deferred);
	vol->worker.look = false;
	if (loading && deferred_waiting(&vol->deferred))
		vol->clean.spoiled = true; /* as in tracker_take() */
	core_unlock(&vol->core, flags);
	*guarded = clean || shut;
	if (clean && wanted)
		clean_break(vol);
	else if (shut && wanted)
		shutter_look(vol);
	return wanted || !*guarded;
}

/* Return: whether there was anything to do. */
static bool work_once(struct volume *vol)
{
	u64 asked = atomic64_read(&vol->worker.asked);
	bool guarded, any = false;

	late_decide(vol);
	if (pass_gate(vol, &guarded)) {
		any = pipeline_step(vol, true, guarded);
		if (guarded)
			pipeline_settle(vol);
	}
	any |= live_work(vol);
	clean_make(vol);
	deferred_pass(&vol->deferred);
	WRITE_ONCE(vol->worker.ended, asked);
	wake_up_all(&vol->worker.wait);
	cond_resched();
	return any;
}

/*
 * vol->snap may become NULL in the middle of this, but only once nothing is copied any more; what
 * it pointed to is freed after this work was flushed (device_drop_snapshot()), as is the device.
 */
static void run(struct work_struct *work)
{
	struct volume *vol = container_of(work, struct volume, core.work);
	unsigned int noio = memalloc_noio_save();

	while (work_once(vol))
		;
	memalloc_noio_restore(noio);
}

/* Everything that is deferred now goes first. Return: see deferred_barrier(). */
static u64 begin_drain(struct volume *vol)
{
	unsigned long flags;
	u64 barrier;

	late_decide(vol);
	core_lock(&vol->core, flags);
	barrier = deferred_barrier(&vol->deferred);
	core_unlock(&vol->core, flags);
	queue_work(vol->core.wq, &vol->core.work);
	return barrier;
}

void worker_flush(struct volume *vol)
{
	u64 barrier = begin_drain(vol);

	wait_event(vol->worker.wait, READ_ONCE(vol->deferred.passed) >= barrier);
	flush_work(&vol->core.work);
}

noinline int worker_drain_deferred(struct volume *vol, long timeout)
{
	u64 barrier = begin_drain(vol), *passed = &vol->deferred.passed;
	long left;

	left = wait_event_killable_timeout(vol->worker.wait, READ_ONCE(*passed) >= barrier,
					   timeout);
	return wait_result(left);
}

/* Have the worker look at what is wanted, once. */
static noinline int change(struct volume *vol, bool *wanted, long timeout)
{
	struct worker *worker = &vol->worker;
	unsigned long flags;
	u64 asked;
	long left;

	core_lock(&vol->core, flags);
	*wanted = true;
	core_unlock(&vol->core, flags);
	asked = atomic64_inc_return(&worker->asked); /* who sees it sees the wish */
	queue_work(vol->core.wq, &vol->core.work);
	left = wait_event_killable_timeout(worker->wait, READ_ONCE(worker->ended) >= asked,
					   timeout);
	return wait_result(left) ?: READ_ONCE(vol->core.error);
}

int worker_make_clean(struct volume *vol, long timeout)
{
	int err;

	if (READ_ONCE(vol->clean.state) == CLEAN_VALID)
		return 0;
	vol->clean.error = -EBUSY;
	err = worker_drain_deferred(vol, timeout) ?: change(vol, &vol->clean.wanted, timeout);
	if (!err)
		err = vol->clean.error;
	if (err == -ENOSPC)
		pr_vol_warn(vol,
			    "%s has no room for a checkpoint: it cannot be reloaded, a full backup will be needed",
			    cow_file_path(vol->cow));
	else if (err == -EXDEV)
		pr_vol_warn(vol,
			    "the log of the filesystem of %s is on another device: there is no checkpoint, a full backup will be needed",
			    vol->origin.path);
	else if (err && err != -EBUSY && err != -ETIMEDOUT)
		pr_vol_warn(vol, "no checkpoint could be written to %s: %d",
			    cow_file_path(vol->cow), err);
	return err;
}

void worker_open_shutter(struct volume *vol)
{
	unsigned long flags;

	core_lock(&vol->core, flags);
	vol->worker.look = vol->shutter.shut;
	core_unlock(&vol->core, flags);
	if (READ_ONCE(vol->shutter.shut))
		queue_work(vol->core.wq, &vol->core.work);
}

int worker_clear_clean(struct volume *vol, bool end_live)
{
	unsigned long flags;
	bool open;
	int err;

	/* An attempt that its caller gave up may not come true in the middle of a transition. */
	core_lock(&vol->core, flags);
	vol->clean.wanted = false;
	vol->live.unwanted = end_live; /* a clean one does not become a live one */
	open = vol->clean.state == CLEAN_NONE && !shutter_is_shut(vol);
	core_unlock(&vol->core, flags);
	if (!open) {
		err = change(vol, &vol->worker.look, MAX_SCHEDULE_TIMEOUT);
		vol->worker.look = false;
		if (err)
			return err;
	}
	return end_live ? worker_end_live(vol, MAX_SCHEDULE_TIMEOUT) : 0;
}

int worker_pause_live(struct volume *vol)
{
	return change(vol, &vol->live.paused, MAX_SCHEDULE_TIMEOUT);
}

void worker_resume_live(struct volume *vol)
{
	unsigned long flags;

	core_lock(&vol->core, flags);
	vol->live.paused = false;
	core_unlock(&vol->core, flags);
}

int worker_close_former(struct volume *vol)
{
	return change(vol, &vol->live.closed, MAX_SCHEDULE_TIMEOUT);
}

int worker_end_live(struct volume *vol, long timeout)
{
	return change(vol, &vol->live.unwanted, timeout);
}

int worker_init(struct volume *vol)
{
	struct worker *worker = &vol->worker;

	late_init(&worker->late);
	init_waitqueue_head(&worker->wait);
	INIT_WORK(&vol->core.work, run);
	/* Bound: the writer's CPU is warm and about to be free, another would have to be woken. */
	vol->core.wq = alloc_workqueue("datto_cow%u", WQ_MEM_RECLAIM | WQ_HIGHPRI | COMPAT_WQ_BOUND,
				       1, vol->core.minor);
	return vol->core.wq ? 0 : -ENOMEM;
}

void worker_exit(struct volume *vol)
{
	if (vol->core.wq)
		destroy_workqueue(vol->core.wq);
	vol->core.wq = NULL;
}
