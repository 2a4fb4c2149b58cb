// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include "io/pace.h"
#include "io/deferred.h"

#define DURABLE (REQ_META | REQ_PRIO | REQ_FUA | REQ_PREFLUSH)

bool deferred_is_urgent(const struct bio *bio)
{
	if (bio->bi_opf & DURABLE)
		return true;
	return (bio->bi_opf & REQ_SYNC) && bio_sectors(bio) <= URGENT_SECTORS;
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

/*
 * What a write counts for: a long one not for all its sectors, or others would wait for all of it.
 * Of the urgent ones only those do of which one task submits many, as fsync() may. One that a
 * transaction waits for, or direct I/O, does not.
 */
static unsigned int counts_for(const struct bio *bio)
{
	if (deferred_is_urgent(bio))
		return !(bio->bi_opf & (DURABLE | REQ_IDLE));
	return min_t(unsigned int, bio_sectors(bio), MIB / SECTOR_SIZE);
}

/* Context: core_lock. Return: are they not too many any more? */
static bool count(struct deferred *deferred, bool urgent, s64 counts)
{
	struct crowd *crowd = &deferred->crowds[urgent];
	bool was_full = crowd->full;

	crowd->nr += counts;
	crowd->full = crowd->nr > (was_full ? crowd->most * 3 / 4 : crowd->most);
	if (crowd->full != was_full)
		pace_set(deferred->core->minor, urgent, crowd->full);
	return was_full && !crowd->full;
}

bool deferred_add(struct deferred *deferred, struct bio *bio)
{
	unsigned int counts = counts_for(bio);
	bool urgent = deferred_is_urgent(bio);

	bio_list_add(urgent ? &deferred->urgent : &deferred->background, bio);
	deferred->nr_deferred++;
	count(deferred, urgent, counts);
	return counts && deferred->crowds[urgent].full;
}

void deferred_request(struct deferred *deferred, struct copy_request *request)
{
	request->stamp = deferred->barrier;
	deferred->nr_requests++;
	list_add_tail(&request->list, &deferred->requests);
}

bool deferred_to_plan(const struct deferred *deferred, bool more)
{
	if (READ_ONCE(deferred->nr_requests))
		return false;
	return !list_empty(&deferred->to_plan[false]) || !list_empty(&deferred->to_plan[true]) ||
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
		write->stamp = deferred->passed; /* it is what all barriers wait for */
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
	if (!write || (!urgent && deferred->nr_active >= WRITES_MAX - SPARE_WRITES &&
		       deferred->nr_urgent < URGENT_JOBS))
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
	write->crowd = write->bio && deferred_is_urgent(write->bio);
	if (write->crowd)
		deferred->urgent_at = jiffies;
	write->counts = write->bio ? counts_for(write->bio) : 0;
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

void deferred_gone(struct deferred *deferred, const struct gone *gone)
{
	unsigned long flags;
	bool wake;

	core_lock(deferred->core, flags);
	deferred->nr_gone += gone->nr_writes;
	deferred->nr_requests -= gone->nr_requests;
	wake = count(deferred, false, -(s64)gone->counts[false]);
	wake |= count(deferred, true, -(s64)gone->counts[true]);
	core_unlock(deferred->core, flags);
	if (wake)
		pace_wake();
}

int deferred_init(struct deferred *deferred, struct core *core)
{
	unsigned int i;

	deferred->core = core;
	deferred->urgent_at = jiffies - HZ;
	deferred->crowds[false].most = BACKGROUND_MAX / SECTOR_SIZE;
	deferred->crowds[true].most = URGENT_MAX;
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
