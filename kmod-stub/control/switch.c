// SPDX-License-Identifier: GPL-2.0-only
/*
 * The switch to a snapshot: one instant for all members of a request.
 *
 *   prepare all -> freeze all -> make all ready
 *   -> attempt each, then lock all cores: if all are quiet, change all; else try again
 *   -> settle and thaw one after the other, backwards -> finish each
 *
 * While all cores are locked no write is decided about, also not one that passes a filesystem. A
 * write that ended before belongs to the side before on its volume; one that begins afterwards, on
 * whatever volume, to the other side.
 *
 * A frozen filesystem can be what the next freeze waits for: a volume on a loop device whose file
 * lies on another member, a service that has its files there. So filesystems of a group are frozen
 * for a limited time before the switch; then a work thaws them, the freeze that waits goes on, and
 * the request is given up. A single member waits for no other.
 *
 * Freezing and thawing write to a volume, and a volume takes no writes while what it lies on is
 * frozen. So of frozen members none lies on one that was frozen before it, and the last one is
 * settled and thawed first.
 */
#include <linux/slab.h>
#include "control/devices.h"
#include "control/freeze.h"
#include "control/request.h"
#include "control/switch.h"
#include "cow/find.h"

#define FROZEN_MOST 10 /* s, before the switch, if there are several */

/**
 * struct switch_group - All members of a request.
 * @first, @end: one for each member; @end lies behind the last
 * @limit: passes in @queue, which needs no memory: reclaim may wait for what is frozen
 * @over: the limit has passed, and all are thawed
 * @switched: the limit is of no meaning any more
 */
struct switch_group {
	struct client_request *request;
	const struct switch_kind *kind;
	struct snapshot_switch *first, *end;
	unsigned int nr;
	struct workqueue_struct *queue;
	struct delayed_work limit;
	struct mutex lock; /* over, switched, snapshot_switch.frozen */
	bool over, switched;
};

/* Return: @err, after which the request says whose it is. */
static int note_failure(struct switch_group *group, const struct snapshot_switch *s, int err)
{
	if (err && group->request->failed == group->nr)
		group->request->failed = s->member->index;
	return err;
}

/* Undo what came before @end. */
static void undo_members(struct switch_group *group, struct snapshot_switch *end)
{
	while (end-- > group->first)
		group->kind->undo(end);
}

static int prepare_members(struct switch_group *group)
{
	struct snapshot_switch *s;
	int err;

	for (s = group->first; s < group->end; s++) {
		err = group->kind->prepare(s);
		if (!err)
			continue;
		undo_members(group, s);
		return note_failure(group, s, err);
	}
	return 0;
}

/*
 * What is written back now is not while the others are frozen. A filesystem that somebody is busy
 * with is left alone.
 */
static void write_back(struct snapshot_switch *s)
{
	struct super_block *sb = cow_super_lock(origin_bdev(&s->dev->vol.origin));

	if (!sb)
		return;
	sync_filesystem(sb);
	cow_super_unlock(sb);
}

/* The first members were prepared a while ago: what has changed since is little for the freeze. */
static int catch_up(struct switch_group *group)
{
	struct snapshot_switch *s;
	int err;

	for (s = group->first; s < group->end; s++) {
		write_back(s);
		err = group->kind->is_new ? 0 : group->kind->catch_up(s);
		if (err)
			return note_failure(group, s, err);
	}
	return 0;
}

/* Context: group.lock. */
static void thaw_members(struct switch_group *group)
{
	struct snapshot_switch *s;

	for (s = group->end; s-- > group->first;) {
		if (s->frozen)
			device_thaw(s->dev);
		s->frozen = false;
	}
}

static void limit_work(struct work_struct *work)
{
	struct switch_group *group =
		container_of(to_delayed_work(work), struct switch_group, limit);

	mutex_lock(&group->lock);
	if (!group->switched) {
		group->over = true;
		thaw_members(group);
	}
	mutex_unlock(&group->lock);
}

static int give_up_group(const struct snapshot_switch *s, const char *what)
{
	pr_dev_err(s->dev, "the group's snapshot is given up: %s %s within %u s: %d",
		   s->dev->vol.origin.path, what, FROZEN_MOST, -EBUSY);
	return -EBUSY;
}

static int freeze_member(struct switch_group *group, struct snapshot_switch *s)
{
	int err = device_freeze(s->dev);
	bool over;

	if (err)
		return err;
	mutex_lock(&group->lock);
	over = group->over;
	s->frozen = !over;
	mutex_unlock(&group->lock);
	if (!over)
		return 0;
	device_thaw(s->dev);
	return give_up_group(s,
			     "could not be frozen beside the others, one of which it may lie on,");
}

static int freeze_members(struct switch_group *group)
{
	struct snapshot_switch *s;
	int err = 0;

	if (group->nr > 1)
		err = catch_up(group);
	if (err)
		return err;
	if (group->nr > 1)
		queue_delayed_work(group->queue, &group->limit, FROZEN_MOST * HZ);
	for (s = group->first; s < group->end; s++) {
		err = freeze_member(group, s);
		if (err)
			return note_failure(group, s, err);
	}
	for (s = group->first; s < group->end; s++) {
		err = group->kind->make_ready(s);
		if (err)
			return note_failure(group, s, err);
	}
	return 0;
}

static int attempt_members(struct switch_group *group, unsigned int tries)
{
	struct snapshot_switch *s;
	int err = 0;

	if (group->kind->is_new)
		return 0;
	for (s = group->first; s < group->end; s++) {
		err = group->kind->attempt(s, tries);
		if (err)
			break;
	}
	return err ? note_failure(group, s, err) : 0;
}

/*
 * Change all of them, if all are quiet. Return: NULL, or the one that is not. Context:
 * devices_lock.
 */
static struct snapshot_switch *change_members(struct switch_group *group)
{
	const struct switch_kind *kind = group->kind;
	struct snapshot_switch *s, *busy = NULL;
	unsigned long flags;

	core_locks_begin(flags);
	for (s = group->first; s < group->end; s++)
		core_lock_one_of(&s->dev->vol.core, &devices_lock);
	for (s = group->first; s < group->end && !busy; s++) {
		if (!kind->is_new && !kind->is_quiet(s))
			busy = s;
	}
	if (busy) {
		for (s = group->first; s < busy; s++)
			kind->stay(s);
	} else {
		for (s = group->first; s < group->end; s++)
			kind->change(s);
	}
	for (s = group->first; s < group->end; s++)
		core_unlock_one_of(&s->dev->vol.core);
	core_locks_end(flags);
	return busy;
}

/* Return: 0; -%EAGAIN if a write came in between; -%EBUSY if the limit has passed. */
static int try_change(struct switch_group *group, struct snapshot_switch **busy)
{
	int err = -EBUSY;
	ktime_t begin;
	s64 us = 0;

	*busy = NULL;
	mutex_lock(&group->lock);
	if (!group->over) {
		/* What control/status.c reads changes as one. */
		mutex_lock(&devices_lock);
		begin = ktime_get();
		*busy = change_members(group);
		us = ktime_us_delta(ktime_get(), begin);
		mutex_unlock(&devices_lock);
		group->switched = !*busy;
		err = *busy ? -EAGAIN : 0;
	}
	mutex_unlock(&group->lock);
	if (!err && group->nr > 1)
		pr_dev_debug(group->first->dev, "the cores of %u devices were locked for %lld us",
			     group->nr, us);
	return err;
}

static int change_frozen(struct switch_group *group)
{
	struct snapshot_switch *busy;
	unsigned int tries;
	int err;

	for (tries = 0; tries < SWITCH_TRIES; tries++) {
		err = attempt_members(group, tries);
		if (err)
			return err;
		err = try_change(group, &busy);
		if (err == -EBUSY)
			return give_up_group(group->first, "and the others did not become quiet");
		if (!err)
			return 0;
	}
	return note_failure(group, busy, -EBUSY);
}

/* Each is thawed as soon as it can be. Return: the first error. */
static int settle_members(struct switch_group *group)
{
	struct snapshot_switch *s;
	int err = 0;

	for (s = group->end; s-- > group->first;) {
		s->err = group->kind->settle(s);
		device_thaw(s->dev);
		s->frozen = false;
		err = err ?: note_failure(group, s, s->err);
	}
	return err;
}

static int finish_members(struct switch_group *group)
{
	struct snapshot_switch *s;
	int err = 0, result;

	for (s = group->first; s < group->end; s++) {
		result = group->kind->finish(s);
		err = err ?: note_failure(group, s, result);
	}
	return err;
}

/* Context: all are prepared. */
static int carry_on(struct switch_group *group)
{
	int err = freeze_members(group) ?: change_frozen(group);

	if (group->queue)
		cancel_delayed_work_sync(&group->limit);
	if (err) {
		mutex_lock(&group->lock);
		thaw_members(group);
		mutex_unlock(&group->lock);
	} else {
		err = settle_members(group);
		if (!err || !group->kind->is_new) {
			group->request->taken = true;
			return finish_members(group);
		}
	}
	undo_members(group, group->end);
	return err;
}

int switch_to_snapshots(struct client_request *request, const struct switch_kind *kind)
{
	struct switch_group group = { .request = request, .kind = kind, .nr = request->nr_members };
	struct snapshot_switch *s;
	int err = -ENOMEM;

	mutex_init(&group.lock);
	INIT_DELAYED_WORK_ONSTACK(&group.limit, limit_work);
	group.first = kcalloc(group.nr, sizeof(*s), GFP_KERNEL);
	if (group.nr > 1)
		group.queue = alloc_workqueue("datto_thaw%u", WQ_MEM_RECLAIM | WQ_UNBOUND, 1,
					      request->members->minor);
	if (!group.first || (group.nr > 1 && !group.queue))
		goto free;
	group.end = group.first + group.nr;
	for (s = group.first; s < group.end; s++)
		s->member = &request->members[s - group.first];
	err = prepare_members(&group) ?: carry_on(&group);
free:
	if (group.queue)
		destroy_workqueue(group.queue);
	destroy_delayed_work_on_stack(&group.limit);
	kfree(group.first);
	return err;
}
