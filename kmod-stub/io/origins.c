// SPDX-License-Identifier: GPL-2.0-only
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include "bio.h"
#include "compat.h"
#include "io/origins.h"

static DEFINE_MUTEX(list_lock);
static DEFINE_HASHTABLE(tracked, 5); /* by disk; RCU for lookups */

/*
 * The origin with the lowest minor above @minor on @disk: a write that spans several visits each,
 * in order.
 */
static struct origin *next_on_disk(struct gendisk *disk, int minor)
{
	struct origin *origin, *best = NULL;

	hash_for_each_possible_rcu_notrace(tracked, origin, node, (unsigned long)disk) {
		if (origin_bdev(origin)->bd_disk == disk && (int)origin->minor > minor &&
		    (!best || origin->minor < best->minor))
			best = origin;
	}
	return best;
}

/* @minor: the next one is above it; result: who took the bio */
static enum take take_above(struct bio *bio, int *minor)
{
	struct gendisk *disk = compat_bio_disk(bio);
	enum take taken = TAKE_NOT;
	struct origin *origin;

	while (!taken && (origin = next_on_disk(disk, *minor))) {
		*minor = origin->minor;
		taken = origin->take(origin, bio);
	}
	return taken;
}

enum take origins_take(struct bio *bio, unsigned int *minor)
{
	enum take taken;
	int above = -1;

	/* ftrace calls with preemption on, where nothing else keeps a device from being freed. */
	rcu_read_lock();
	taken = take_above(bio, &above);
	rcu_read_unlock();
	*minor = above;
	return taken;
}

void origin_next(struct origin *origin, struct bio *bio)
{
	int minor = origin->minor;
	enum take taken;

	rcu_read_lock();
	taken = take_above(bio, &minor);
	rcu_read_unlock();
	if (!taken)
		bio_submit_own(bio);
}

void origin_add(struct origin *origin)
{
	mutex_lock(&list_lock);
	hash_add_rcu(tracked, &origin->node, (unsigned long)origin_bdev(origin)->bd_disk);
	mutex_unlock(&list_lock);
}

void origin_remove(struct origin *origin)
{
	mutex_lock(&list_lock);
	hash_del_rcu(&origin->node);
	mutex_unlock(&list_lock);
	synchronize_rcu();
}

sector_t origin_range(const struct origin *origin, sector_t nr_sectors, const struct bio *bio,
		      sector_t *sector)
{
	sector_t from = compat_bio_sector(bio), to;

	to = min(from + bio_sectors(bio), origin->start + nr_sectors);
	from = max(from, origin->start);
	if (from >= to)
		return 0;
	*sector = from - origin->start;
	return to - from;
}
