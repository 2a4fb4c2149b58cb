// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include "io/pace.h"
#include "io/deferred.h"

#define URGENT (REQ_SYNC | REQ_META | REQ_PRIO | REQ_FUA | REQ_PREFLUSH)

static bool is_urgent(const struct bio *bio)
{
	return bio->bi_opf & URGENT;
}

void copy_request_init(struct copy_request *request, sector_t sector, sector_t nr_sectors)
{
	request->sector = sector;
	request->nr_sectors = nr_sectors;
	refcount_set(&request->users, 2);
	init_completion(&request->done);
}

void copy_request_put(struct copy_request *request)
{
	if (refcount_dec_and_test(&request->users))
		kfree(request);
}

/* Context: core_lock. */
static void count_background(struct deferred *deferred, s64 sectors)
{
	u64 most = BACKGROUND_MAX / SECTOR_SIZE;
	bool full;

	deferred->nr_background += sectors;
	full = deferred->nr_background > (deferred->full ? most * 3 / 4 : most);
	if (full != deferred->full)
		pace_set(deferred->core->minor, full);
	deferred->full = full;
}

bool deferred_add(struct deferred *deferred, struct bio *bio)
{
	bool urgent = is_urgent(bio);

	bio_list_add(urgent ? &deferred->urgent : &deferred->background, bio);
	deferred->nr_deferred++;
	if (urgent)
		return false;
	count_background(deferred, bio_sectors(bio));
	return deferred->full;
}

void deferred_request(struct deferred *deferred, struct copy_request *request)
{
	request->stamp = deferred->barrier;
	list_add_tail(&request->list, &deferred->requests);
}

bool deferred_to_plan(const struct deferred *deferred, bool more)
{
	return !list_empty(&deferred->to_plan[false]) || !list_empty(&deferred->to_plan[true]) ||
	       !list_empty(&deferred->requests) ||
	       (more &&
		(!bio_list_empty(&deferred->urgent) || !bio_list_empty(&deferred->background) ||
		 !bio_list_empty(&deferred->barred)));
}

bool deferred_waiting(const struct deferred *deferred)
{
	return !bio_list_empty(&deferred->urgent) || !bio_list_empty(&deferred->background) ||
	       !bio_list_empty(&deferred->barred) || !list_empty(&deferred->requests) ||
	       deferred->nr_active;
}

static bool take_request(struct deferred *deferred, struct write *write)
{
	write->request = list_first_entry_or_null(&deferred->requests, struct copy_request, list);
	if (!write->request)
		return false;
	list_del(&write->request->list);
	write->stamp = write->request->stamp;
	return true;
}

static bool take_deferred(struct deferred *deferred, struct write *write, bool urgent)
{
	write->stamp = deferred->barrier;
	write->bio = urgent ? bio_list_pop(&deferred->barred) : NULL;
	if (write->bio)
		write->stamp = deferred->passed; /* several barriers may wait for it */
	else
		write->bio = bio_list_pop(urgent ? &deferred->urgent : &deferred->background);
	return write->bio;
}

struct write *deferred_next(struct deferred *deferred, bool urgent, bool more)
{
	struct list_head *to_plan = &deferred->to_plan[urgent];
	struct write *write;
	unsigned long flags;
	bool taken;

	write = list_first_entry_or_null(to_plan, struct write, list);
	if (write) {
		list_del_init(&write->list);
		return write;
	}
	write = list_first_entry_or_null(&deferred->free, struct write, list);
	if (!write)
		return NULL;
	core_lock(deferred->core, flags);
	taken = (urgent && take_request(deferred, write)) ||
		(more && take_deferred(deferred, write, urgent));
	core_unlock(deferred->core, flags);
	if (!taken)
		return NULL; /* bio and request are NULL */
	list_del_init(&write->list);
	write->urgent = urgent;
	write->next = 0;
	write->end = 0;
	write->nr_jobs = 0;
	write->background = write->bio && !is_urgent(write->bio) ? bio_sectors(write->bio) : 0;
	deferred->nr_active++;
	return write;
}

void deferred_put(struct deferred *deferred, struct write *write)
{
	write->bio = NULL;
	write->request = NULL;
	list_add(&write->list, &deferred->free);
	deferred->nr_active--;
}

u64 deferred_barrier(struct deferred *deferred)
{
	bio_list_merge(&deferred->barred, &deferred->urgent);
	bio_list_merge(&deferred->barred, &deferred->background);
	bio_list_init(&deferred->urgent);
	bio_list_init(&deferred->background);
	return ++deferred->barrier;
}

static bool is_in_hand(const struct write *write)
{
	return write->bio || write->request;
}

void deferred_pass(struct deferred *deferred)
{
	struct copy_request *request;
	unsigned long flags;
	unsigned int i;
	u64 passed;

	core_lock(deferred->core, flags);
	request = list_first_entry_or_null(&deferred->requests, struct copy_request, list);
	passed = request ? request->stamp : deferred->barrier;
	if (!bio_list_empty(&deferred->barred))
		passed = deferred->passed;
	core_unlock(deferred->core, flags);
	for (i = 0; i < WRITES_MAX && passed > deferred->passed; i++) {
		if (is_in_hand(&deferred->pool[i]))
			passed = min(passed, deferred->pool[i].stamp);
	}
	if (passed > deferred->passed)
		WRITE_ONCE(deferred->passed, passed);
}

void deferred_gone(struct deferred *deferred, unsigned int nr, u64 background)
{
	unsigned long flags;

	core_lock(deferred->core, flags);
	WRITE_ONCE(deferred->nr_gone, deferred->nr_gone + nr);
	if (background)
		count_background(deferred, -(s64)background);
	core_unlock(deferred->core, flags);
}

int deferred_init(struct deferred *deferred, struct core *core)
{
	unsigned int i;

	deferred->core = core;
	bio_list_init(&deferred->urgent);
	bio_list_init(&deferred->background);
	bio_list_init(&deferred->barred);
	INIT_LIST_HEAD(&deferred->requests);
	INIT_LIST_HEAD(&deferred->free);
	INIT_LIST_HEAD(&deferred->to_plan[false]);
	INIT_LIST_HEAD(&deferred->to_plan[true]);
	INIT_LIST_HEAD(&deferred->held);
	INIT_LIST_HEAD(&deferred->ready);
	INIT_LIST_HEAD(&deferred->blocked);
	deferred->pool = kcalloc(WRITES_MAX, sizeof(*deferred->pool), GFP_KERNEL);
	if (!deferred->pool)
		return -ENOMEM;
	for (i = 0; i < WRITES_MAX; i++)
		list_add(&deferred->pool[i].list, &deferred->free);
	return 0;
}

void deferred_exit(struct deferred *deferred)
{
	kfree(deferred->pool);
}
