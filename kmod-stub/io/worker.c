// SPDX-License-Identifier: GPL-2.0-only
/*
 * The worker of a device: it lets the writes go that are deferred, once what they overwrite is
 * copied, and writes and removes the clean mark, since no write goes but by it then.
 */
#include <linux/completion.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include "core/room.h"
#include "io/copy.h"
#include "io/late.h"
#include "io/reads.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "io/tracker.h"
#include "io/volume.h"
#include "io/worker.h"
#include "killable.h"

/* Take writes off the deferred list, and note the ranges whose content must be preserved. */
static bool take_batch(struct volume *vol, struct bio_list *batch, unsigned int *nr_ranges)
{
	unsigned int count = 0;
	unsigned long flags;
	struct bio *bio;

	bio_list_init(batch);
	core_lock(&vol->core, flags);
	while (count < COPY_RANGES && (bio = bio_list_pop(&vol->worker.deferred))) {
		sector_t sector = 0, nr_sectors = tracker_range(vol, bio, &sector);

		bio_list_add(batch, bio);
		if (bio_op(bio) == REQ_OP_DISCARD)
			continue;
		vol->worker.ranges[count].sector = cpu_to_le64(sector);
		vol->worker.ranges[count++].nr_sectors = cpu_to_le64(nr_sectors);
	}
	core_unlock(&vol->core, flags);
	*nr_ranges = count;
	return !bio_list_empty(batch);
}

static int compare_ranges(const void *a, const void *b)
{
	u64 left = le64_to_cpu(((const struct core_range *)a)->sector);
	u64 right = le64_to_cpu(((const struct core_range *)b)->sector);

	return left < right ? -1 : left > right;
}

/* For what tracker_release() found in the way. */
static void wait_to_release(struct volume *vol, struct bio *bio, unsigned int *tries)
{
	sector_t sector = 0, nr_sectors = tracker_range(vol, bio, &sector);
	int err;

	if (READ_ONCE(vol->core.error)) {
		cow_writes_wait(&vol->writes);
	} else if (!READ_ONCE(vol->core.snapshot_mode)) {
		err = room_again(&vol->core, tries);
		if (err)
			core_fail(&vol->core, err,
				  "there is no memory to record a write; a full backup is needed");
	} else {
		snapshot_wait_reads(vol->snap, sector, nr_sectors);
	}
}

/* Copies go on to the COW file. The snapshot may be taken from the device meanwhile. */
static void flush_copies(struct volume *vol)
{
	struct snapshot *snap = READ_ONCE(vol->snap);

	if (snap)
		ring_flush(snapshot_ring(snap));
}

static void release_batch(struct volume *vol, struct bio_list *batch)
{
	struct bio_list blocked = BIO_EMPTY_LIST;
	struct blk_plug plug;
	struct bio *bio;

	if (READ_ONCE(vol->core.error) || !READ_ONCE(vol->core.snapshot_mode))
		cow_writes_wait(&vol->writes);
	blk_start_plug(&plug);
	while ((bio = bio_list_pop(batch))) {
		if (!tracker_release(vol, bio))
			bio_list_add(&blocked, bio);
	}
	flush_copies(vol);
	blk_finish_plug(&plug);

	while ((bio = bio_list_pop(&blocked))) {
		unsigned int tries = 0;

		while (!tracker_release(vol, bio))
			wait_to_release(vol, bio, &tries);
	}
}

/* Copying that somebody waits for, who has no write; or did, and gave up. */
struct copy_request {
	struct list_head list;
	refcount_t users;
	struct core_range range;
	struct completion done;
};

static void copy_request_put(struct copy_request *request)
{
	if (refcount_dec_and_test(&request->users))
		kfree(request);
}

static struct copy_request *next_request(struct volume *vol)
{
	struct copy_request *request;
	unsigned long flags;

	core_lock(&vol->core, flags);
	request = list_first_entry_or_null(&vol->worker.copy_requests, struct copy_request, list);
	if (request)
		list_del(&request->list);
	core_unlock(&vol->core, flags);
	return request;
}

static void serve_copies(struct volume *vol)
{
	struct copy_request *request;

	while ((request = next_request(vol))) {
		copy_ranges(vol, &request->range, 1);
		flush_copies(vol);
		complete(&request->done);
		copy_request_put(request);
	}
}

static int is_interrupted(const bool *stop)
{
	if (fatal_signal_pending(current))
		return -EINTR;
	return stop && READ_ONCE(*stop) ? -EAGAIN : 0;
}

int worker_copy(struct volume *vol, sector_t sector, sector_t nr_sectors, const bool *stop)
{
	struct copy_request *request = kmalloc(sizeof(*request), GFP_KERNEL);
	unsigned long flags;
	int err = 0;

	if (!request)
		return -ENOMEM;
	request->range.sector = cpu_to_le64(sector);
	request->range.nr_sectors = cpu_to_le64(nr_sectors);
	refcount_set(&request->users, 2);
	init_completion(&request->done);
	core_lock(&vol->core, flags);
	list_add_tail(&request->list, &vol->worker.copy_requests);
	core_unlock(&vol->core, flags);
	queue_work(vol->core.wq, &vol->core.work);
	while (!err && wait_for_completion_killable_timeout(&request->done, HZ / 10) <= 0)
		err = is_interrupted(stop);
	copy_request_put(request);
	return err;
}

static bool pass_gate(struct volume *vol)
{
	bool clean, shut, loading, wanted;
	unsigned long flags;

	core_lock(&vol->core, flags);
	clean = vol->clean.state == CLEAN_VALID;
	loading = vol->clean.state == CLEAN_LOADING;
	shut = !loading && shutter_is_shut(vol);
	wanted = vol->worker.look || !list_empty(&vol->worker.copy_requests) ||
		 !bio_list_empty(&vol->worker.deferred);
	vol->worker.look = false;
	if (loading && !bio_list_empty(&vol->worker.deferred))
		vol->clean.spoiled = true; /* as in tracker_take() */
	core_unlock(&vol->core, flags);
	if (clean && wanted)
		clean_break(vol);
	else if (shut && wanted)
		shutter_look(vol);
	return wanted || !(clean || shut);
}

/*
 * vol->snap may become NULL in the middle of this, but only once nothing is copied any more; what
 * it pointed to is freed after this work was flushed (device_drop_snapshot()).
 */
static void run(struct work_struct *work)
{
	struct volume *vol = container_of(work, struct volume, core.work);
	unsigned int noio = memalloc_noio_save();
	u64 asked = atomic64_read(&vol->worker.asked);
	struct bio_list batch;
	unsigned int count, size;

	late_decide(vol);
	while (pass_gate(vol)) {
		serve_copies(vol);
		if (!take_batch(vol, &batch, &count))
			break;
		sort(vol->worker.ranges, count, sizeof(*vol->worker.ranges), compare_ranges, NULL);
		fill_yield(&vol->fill, &vol->core);
		if (READ_ONCE(vol->clean.state) != CLEAN_LOADING)
			copy_ranges(vol, vol->worker.ranges, count);
		size = bio_list_size(&batch);
		release_batch(vol, &batch);
		WRITE_ONCE(vol->worker.nr_gone, vol->worker.nr_gone + size);
		wake_up_all(&vol->worker.wait);
		cond_resched();
		late_decide(vol);
	}
	clean_make(vol);
	memalloc_noio_restore(noio);
	/* The device is freed only after this function has returned. */
	WRITE_ONCE(vol->worker.ended, asked);
	wake_up_all(&vol->worker.wait);
}

void worker_flush(struct volume *vol)
{
	queue_work(vol->core.wq, &vol->core.work);
	flush_work(&vol->core.work);
}

noinline int worker_drain(struct volume *vol, long timeout)
{
	struct worker *worker = &vol->worker;
	u64 asked = atomic64_inc_return(&worker->asked);

	queue_work(vol->core.wq, &vol->core.work);
	return wait_result(wait_event_killable_timeout(worker->wait,
						       READ_ONCE(worker->ended) >= asked, timeout));
}

noinline int worker_drain_deferred(struct volume *vol, long timeout)
{
	struct worker *worker = &vol->worker;
	unsigned long flags;
	long left;
	u64 deferred;

	late_decide(vol);
	core_lock(&vol->core, flags);
	deferred = worker->nr_deferred;
	core_unlock(&vol->core, flags);
	left = wait_event_killable_timeout(worker->wait, READ_ONCE(worker->nr_gone) >= deferred,
					   timeout);
	return wait_result(left);
}

static int change(struct volume *vol, bool *wanted, long timeout)
{
	unsigned long flags;
	int err;

	core_lock(&vol->core, flags);
	*wanted = true;
	core_unlock(&vol->core, flags);
	err = worker_drain(vol, timeout);
	return err ?: READ_ONCE(vol->core.error);
}

int worker_make_clean(struct volume *vol, long timeout)
{
	int err;

	if (READ_ONCE(vol->clean.state) == CLEAN_VALID)
		return 0;
	vol->clean.error = -EBUSY;
	err = change(vol, &vol->clean.wanted, timeout);
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

int worker_clear_clean(struct volume *vol)
{
	unsigned long flags;
	bool open;
	int err;

	/* An attempt that its caller gave up may not come true in the middle of a transition. */
	core_lock(&vol->core, flags);
	vol->clean.wanted = false;
	open = vol->clean.state == CLEAN_NONE && !shutter_is_shut(vol);
	core_unlock(&vol->core, flags);
	if (open)
		return 0;
	err = change(vol, &vol->worker.look, MAX_SCHEDULE_TIMEOUT);
	vol->worker.look = false;
	return err;
}

int worker_init(struct volume *vol)
{
	struct worker *worker = &vol->worker;

	bio_list_init(&worker->deferred);
	late_init(&worker->late);
	INIT_LIST_HEAD(&worker->copy_requests);
	init_waitqueue_head(&worker->wait);
	INIT_WORK(&vol->core.work, run);
	worker->ranges = kmalloc_array(COPY_RANGES, sizeof(*worker->ranges), GFP_KERNEL);
	worker->slice = kmalloc_array(COPY_RANGES, sizeof(*worker->slice), GFP_KERNEL);
	worker->runs = kmalloc_array(CORE_PLAN_RUNS_MAX, sizeof(*worker->runs), GFP_KERNEL);
	/* Bound: the writer's CPU is warm and about to be free, another would have to be woken. */
	vol->core.wq = alloc_workqueue("datto_cow%u", WQ_MEM_RECLAIM | WQ_HIGHPRI | COMPAT_WQ_BOUND,
				       1, vol->core.minor);
	return worker->ranges && worker->slice && worker->runs && vol->core.wq ? 0 : -ENOMEM;
}

void worker_exit(struct volume *vol)
{
	if (vol->core.wq)
		destroy_workqueue(vol->core.wq);
	vol->core.wq = NULL;
	kfree(vol->worker.ranges);
	kfree(vol->worker.slice);
	kfree(vol->worker.runs);
}
