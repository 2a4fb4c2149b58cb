// SPDX-License-Identifier: GPL-2.0-only
/* The next snapshot of devices that are incremental: the steps of one, see control/switch.h. */
#include "control/cut_cow.h"
#include "control/devices.h"
#include "control/freeze.h"
#include "control/grow_origin.h"
#include "control/request.h"
#include "control/switch.h"
#include "control/to_snapshot.h"
#include "control/transition.h"
#include "cow/session.h"
#include "io/cut.h"
#include "io/handover.h"
#include "io/live_next.h"
#include "io/snapshot.h"
#include "killable.h"

/* If the origin has grown, go on with all of it, before anything is made for its size. */
static int follow_size(struct dattobd_device *dev)
{
	int err = grow_check(dev);

	if (err <= 0)
		return err;
	err = worker_end_live(&dev->vol, MAX_SCHEDULE_TIMEOUT) ?: device_freeze(dev);
	if (err)
		return err;
	err = device_drain_frozen(dev) ?: grow_origin(dev);
	device_thaw(dev);
	return err;
}

/* What is made for one size is of no use if the origin grew once more. */
static int check_size(struct dattobd_device *dev)
{
	int err = grow_check(dev);

	return err > 0 ? -EAGAIN : err;
}

/* The index goes to the old COW file, which must be there, and where it was. */
static int check_cow_file(struct dattobd_device *dev)
{
	int err = cow_file_guard(dev->vol.cow);

	if (err == -ESTALE)
		core_fail(&dev->vol.core, err,
			  "its COW file was moved or replaced while it was not guarded; a full backup is needed");
	else if (err)
		pr_dev_err(dev, "its COW file %s cannot be reached: %d",
			   cow_file_path(dev->vol.cow), err);
	return err;
}

static void undo_next(struct snapshot_switch *s)
{
	live_back(&s->dev->vol);
	epoch_discard(&s->epoch);
}

/* What the next core and its COW file take of the present ones, but for what still changes. */
static int fill_next(struct dattobd_device *dev, struct epoch *epoch)
{
	int err = handover_list_next(&dev->vol.core, epoch->cow);

	if (!err)
		err = live_to_next(&dev->vol, epoch->engine, epoch->cow, epoch->snap->ring);
	return err ?: handover_prepare(&dev->vol.core, epoch->engine, epoch->cow);
}

static int prepare_next(struct snapshot_switch *s)
{
	struct dattobd_device *dev = devices[s->member->minor];
	struct core_counters counters;
	int err;

	s->dev = dev;
	s->old_cow = dev->vol.cow;
	err = transition_begin(dev, DATTOBD_STATE_ACTIVE_INCREMENTAL);
	if (!err)
		err = check_cow_file(dev);
	if (!err)
		err = follow_size(dev);
	if (err)
		return err;
	s->old_engine = dev->vol.core.engine; /* another one if the origin has grown */
	core_counters(&dev->vol.core, &counters);
	s->seqid = counters.seqid + 1;
	err = epoch_create(dev, s->member->cow, s->member->mib ?: dev->fallocate_mib,
			   cow_max_memory_default, s->seqid, &s->epoch);
	if (err)
		return err;
	err = fill_next(dev, &s->epoch);
	if (err)
		undo_next(s);
	return err;
}

static int catch_up_next(struct snapshot_switch *s)
{
	return handover_inherit(&s->dev->vol.core, s->epoch.engine, s->epoch.cow, &s->changed);
}

static int make_next_ready(struct snapshot_switch *s)
{
	int err = device_drain_frozen(s->dev) ?: check_size(s->dev);

	return err ?: device_frozen_result(s->dev, live_finish(&s->dev->vol, DRAIN_WAIT));
}

static int attempt_next(struct snapshot_switch *s, unsigned int tries)
{
	struct volume *vol = &s->dev->vol;
	int err = catch_up_next(s);

	/* Better none than no snapshot. */
	if (!err && (live_hand_over(vol, s->epoch.engine) || tries > SWITCH_TRIES / 2))
		err = device_frozen_result(s->dev, worker_end_live(vol, DRAIN_WAIT));
	return err;
}

/* Did no write come in since the next core was given the state of the present one? */
static bool next_is_quiet(struct snapshot_switch *s)
{
	struct volume *vol = &s->dev->vol;

	/* A write that is still deferred was not looked at by the next core. */
	return wasm_stat(vol->core.engine, CORE_STAT_NR_CHANGED) == s->changed &&
	       vol->deferred.nr_deferred == vol->deferred.nr_gone && !vol->core.error &&
	       live_take_over(vol, s->epoch.engine);
}

static void stay_with_former(struct snapshot_switch *s)
{
	live_give_back(&s->dev->vol, s->epoch.engine);
}

static void change_to_next(struct snapshot_switch *s)
{
	epoch_take_over(s->dev, &s->epoch);
	live_switched(&s->dev->vol);
	s->dev->cache_bytes = 0;
}

static int settle_next(struct snapshot_switch *s)
{
	int err;

	request_ignore_kill(); /* the index of before is wanted, whatever comes */
	err = device_drain_old_writes(s->dev);
	live_preserve_header(&s->dev->vol, DISK_WAIT);
	return err;
}

/*
 * What a failed core or unreadable disk leaves behind cannot be an index: better none than a
 * wrong one.
 */
static int hand_over(struct dattobd_device *dev, struct engine *engine, struct cow_file *cow)
{
	int err = handover_export(engine, cow, cow_file_path(dev->vol.cow));
	bool removed;

	if (err) {
		removed = !cow_file_unlink(cow);
		pr_dev_err(dev,
			   "the list of what changed before this snapshot could not be written to %s, which %s; a full backup is needed: %d",
			   cow_file_path(cow), removed ? "is removed" : "is of no use", err);
	}
	cow_file_release(cow);
	engine_destroy(engine);
	return err;
}

static int finish_next(struct snapshot_switch *s)
{
	struct dattobd_device *dev = s->dev;
	int err, lost;

	cut_end(&dev->vol);
	lost = hand_over(dev, s->old_engine, s->old_cow);
	err = s->err ?: worker_close_former(&dev->vol);
	if (err)
		return err;
	live_want(&dev->vol);
	err = snapshot_publish(dev->vol.snap);
	if (err)
		core_fail(&dev->vol.core, err, "the snapshot's disk could not be added");
	else
		pr_dev_debug(dev, "snapshot %llu, COW file %s", s->seqid,
			     cow_file_path(dev->vol.cow));
	return err ?: lost;
}

static const struct switch_kind next_snapshot = {
	.prepare = prepare_next,
	.catch_up = catch_up_next,
	.make_ready = make_next_ready,
	.attempt = attempt_next,
	.is_quiet = next_is_quiet,
	.stay = stay_with_former,
	.change = change_to_next,
	.settle = settle_next,
	.finish = finish_next,
	.undo = undo_next,
};

int transition_to_snapshot(struct client_request *request)
{
	unsigned int i;

	for (i = 0; i < request->nr_members; i++) {
		if (!devices[request->members[i].minor]) {
			request->failed = request->members[i].index;
			return -ENOENT;
		}
	}
	return switch_to_snapshots(request, &next_snapshot);
}
