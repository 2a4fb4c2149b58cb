// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's way from mode to mode:
 *
 *   set-up --> snapshot --> incremental --> snapshot --> ... --> destroyed
 *
 * Each switch is one step under core_lock while the filesystem is frozen, so that every write
 * belongs to one side of it.
 */
#include <linux/uuid.h>
#include <linux/slab.h>
#include "control/cut_cow.h"
#include "control/destroy.h"
#include "control/devices.h"
#include "control/epoch.h"
#include "control/freeze.h"
#include "control/grow_origin.h"
#include "control/state.h"
#include "control/transition.h"
#include "cow/session.h"
#include "io/cut.h"
#include "io/handover.h"
#include "io/intercept.h"
#include "io/live_next.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "killable.h"

#define SWITCH_TRIES 16
#define DRAIN_WAIT (5 * HZ) /* under a freeze, for our own I/O: writers wait as long */
#define DISK_WAIT (60 * HZ) /* for the disk */

/* Let the next snapshot take over. Context: core_lock, or a device that nobody else knows. */
static void switch_epoch(struct dattobd_device *dev, struct epoch *epoch)
{
	dev->vol.core.engine = epoch->engine;
	dev->vol.cow = epoch->cow;
	dev->vol.snap = epoch->snap;
	dev->fallocate_mib = epoch->fallocate_mib;
	dev->cut_wanted = false; /* of the file of before */
	WRITE_ONCE(dev->vol.core.snapshot_mode, true);
}

/*
 * The writes from before the snapshot are not in it before they have ended. If they do not, the
 * device fails, before the thaw: what then comes must not wait for copies.
 */
static int drain_old_writes(struct dattobd_device *dev)
{
	int err = compat_bdev_drain(origin_bdev(&dev->vol.origin), DISK_WAIT);

	if (err)
		core_fail(&dev->vol.core, err, "the writes from before the snapshot did not end");
	return err;
}

/* Return: 0, -%EINTR, or -%EBUSY if it took too long. */
static int frozen_result(struct dattobd_device *dev, int err)
{
	if (err != -ETIMEDOUT)
		return err;
	pr_dev_err(dev,
		   "the switch is given up: writes to %s did not end within %u s; try again: %d",
		   dev->vol.origin.path, DRAIN_WAIT / HZ, -EBUSY);
	return -EBUSY;
}

/* What is deferred goes. Context: frozen. Return: as frozen_result(). */
static int drain_frozen(struct dattobd_device *dev)
{
	return frozen_result(dev, worker_drain_deferred(&dev->vol, DRAIN_WAIT));
}

int transition_setup(unsigned int minor, const char *origin, const char *cow, u64 fallocate_mib,
		     u64 cache_bytes)
{
	struct dattobd_device *dev = device_new(minor, origin, true);
	struct epoch epoch = {};
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	generate_random_uuid(dev->uuid);
	dev->cache_bytes = cache_bytes;
	err = device_check_thawed(dev);
	if (!err)
		err = epoch_create(dev, cow, fallocate_mib, device_cache_bytes(dev), 1, &epoch);
	if (err)
		goto free;
	err = handover_mask_cow(epoch.engine, epoch.cow);
	if (err)
		goto discard;
	err = intercept_enable(origin_bdev(&dev->vol.origin));
	if (err)
		goto discard;
	err = device_freeze(dev);
	if (err)
		goto disable;
	switch_epoch(dev, &epoch);
	device_set_phase(dev, PHASE_TRACKING);
	origin_add(&dev->vol.origin);
	err = drain_old_writes(dev) ?: shutter_begin(&dev->vol);
	device_thaw(dev);

	if (!err)
		err = snapshot_publish(dev->vol.snap);
	if (err) {
		request_ignore_kill();
		transition_dismantle(dev, false);
		return err;
	}
	device_enlist(dev, true);
	live_want(&dev->vol);
	shutter_look_soon(&dev->vol);
	pr_dev_debug(dev, "snapshot 1 of %s, COW file %s", dev->vol.origin.path,
		     cow_file_path(dev->vol.cow));
	return 0;

disable:
	intercept_disable();
discard:
	epoch_discard(&epoch);
free:
	device_free(dev);
	return err;
}

/*
 * Steps C6 and C7 of docs/ABI.md, B.4, then the state. On success a snapshot refuses to be opened,
 * and no checkpoint is left but a live one: that stays true.
 */
static int begin_transition(struct dattobd_device *dev, enum dattobd_state wanted)
{
	int err = -EINVAL;

	if (dev->vol.snap && snapshot_close(dev->vol.snap))
		return -EBUSY;
	device_look(dev);
	if (!READ_ONCE(dev->vol.core.error) && device_state(dev) == wanted)
		err = device_check_thawed(dev) ?: worker_clear_clean(&dev->vol, false);
	if (err && dev->vol.snap)
		snapshot_reopen(dev->vol.snap);
	return err;
}

static void leave_snapshot_mode(struct dattobd_device *dev)
{
	unsigned long flags;
	s64 ret = 0;

	core_lock(&dev->vol.core, flags);
	if (!dev->vol.core.error)
		ret = wasm_to_incremental(dev->vol.core.engine,
					  wasm_stat(dev->vol.core.engine, CORE_STAT_FSIZE));
	WRITE_ONCE(dev->vol.core.snapshot_mode, false);
	if (ret < 0)
		core_fail_locked(&dev->vol.core, ret, "the core could not leave snapshot mode");
	core_unlock(&dev->vol.core, flags);
	core_print(&dev->vol.core);
}

int transition_to_incremental(struct dattobd_device *dev)
{
	struct snapshot *snap = dev->vol.snap;
	int err;

	err = begin_transition(dev, DATTOBD_STATE_ACTIVE_SNAPSHOT);
	if (err)
		return err;
	/* Now, while it can be given up: the freeze waits for their writers whatever comes. */
	err = worker_pause_live(&dev->vol);
	if (!err)
		err = auto_expand_pause(dev, MAX_SCHEDULE_TIMEOUT) ?:
			      work_wait(&dev->vol.sections.work, MAX_SCHEDULE_TIMEOUT);
	if (!err)
		err = worker_drain_deferred(&dev->vol, MAX_SCHEDULE_TIMEOUT);
	if (err)
		goto stay;
	err = device_freeze(dev);
	if (err)
		goto stay;
	/*
	 * Writers that pass the filesystem go on: what they write is recorded, and their copies are
	 * not written any more.
	 */
	err = drain_frozen(dev);
	ring_hold(snap->ring, true);
	if (!err)
		err = frozen_result(dev, cow_writes_drain(&dev->vol.writes, DRAIN_WAIT));
	if (err) {
		ring_hold(snap->ring, false);
		device_thaw(dev);
		goto stay;
	}
	request_ignore_kill();
	leave_snapshot_mode(dev);
	expand_end(dev);
	err = READ_ONCE(dev->vol.core.error) ? 0 :
					       handover_mark_shared(&dev->vol.core, dev->vol.cow);
	if (err)
		core_fail(&dev->vol.core, err,
			  "the core could not list the blocks that its COW file shares");
	auto_expand_drop(dev);
	worker_flush(&dev->vol); /* what came in between is marked */
	/* From here on the file's blocks may become somebody else's. */
	cow_writes_wait(&dev->vol.writes);
	device_thaw(dev);

	device_drop_snapshot(dev); /* no copy is on its way to the COW file from here on */

	worker_resume_live(&dev->vol);
	err = READ_ONCE(dev->vol.core.error);
	if (err) {
		/* A live checkpoint is removed from the file while that is its own. */
		worker_flush(&dev->vol);
		cow_file_unlink(dev->vol.cow);
		return err;
	}
	sections_drop(&dev->vol);
	cut_cow_file(dev);
	if (!READ_ONCE(dev->vol.live.on))
		live_want(&dev->vol);
	pr_dev_debug(dev, "incremental");
	return 0;

stay:
	worker_resume_live(&dev->vol);
	auto_expand_resume(dev);
	snapshot_reopen(snap);
	queue_work(dev->vol.core.wq, &dev->vol.core.work); /* copies wait to be written */
	return err;
}

/* If the origin has grown, go on with all of it, before anything is made for its size. */
static int follow_size(struct dattobd_device *dev)
{
	int err = grow_check(dev);

	if (err <= 0)
		return err;
	err = worker_end_live(&dev->vol, MAX_SCHEDULE_TIMEOUT) ?: device_freeze(dev);
	if (err)
		return err;
	err = drain_frozen(dev) ?: grow_origin(dev);
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

/* Switch to @epoch, if no write came in since its core was given the state of the present one. */
static bool switched(struct dattobd_device *dev, struct epoch *epoch, u64 changed)
{
	unsigned long flags;
	bool quiet;

	/* devices_lock: what control/status.c reads changes as one. */
	mutex_lock(&devices_lock);
	core_lock(&dev->vol.core, flags);
	/* A write that is still deferred was not looked at by the next core. */
	quiet = wasm_stat(dev->vol.core.engine, CORE_STAT_NR_CHANGED) == changed &&
		dev->vol.deferred.nr_deferred == dev->vol.deferred.nr_gone &&
		!dev->vol.core.error && live_take_over(&dev->vol, epoch->engine);
	if (quiet) {
		switch_epoch(dev, epoch);
		live_switched(&dev->vol);
	}
	core_unlock(&dev->vol.core, flags);
	if (quiet)
		dev->cache_bytes = 0;
	mutex_unlock(&devices_lock);
	return quiet;
}

/* All that takes long, before the freeze. */
static int prepare_switch(struct dattobd_device *dev, struct epoch *epoch)
{
	int err = handover_list_next(&dev->vol.core, epoch->cow);

	if (!err)
		err = live_to_next(&dev->vol, epoch->engine, epoch->cow, epoch->snap->ring);
	return err ?: handover_prepare(&dev->vol.core, epoch->engine, epoch->cow);
}

static int switch_frozen(struct dattobd_device *dev, struct epoch *epoch)
{
	unsigned int tries;
	u64 changed;
	int err = drain_frozen(dev) ?: check_size(dev);

	if (!err)
		err = frozen_result(dev, live_finish(&dev->vol, DRAIN_WAIT));
	if (err)
		return err;
	for (tries = 0; tries < SWITCH_TRIES; tries++) {
		err = handover_inherit(&dev->vol.core, epoch->engine, epoch->cow, &changed);
		/* Better none than no snapshot. */
		if (!err && (live_hand_over(&dev->vol, epoch->engine) || tries > SWITCH_TRIES / 2))
			err = frozen_result(dev, worker_end_live(&dev->vol, DRAIN_WAIT));
		if (err)
			return err;
		if (switched(dev, epoch, changed))
			return 0;
	}
	return -EBUSY;
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

int transition_to_snapshot(struct dattobd_device *dev, const char *cow, u64 fallocate_mib)
{
	struct cow_file *old = dev->vol.cow;
	struct core_counters counters;
	struct engine *engine;
	struct epoch epoch = {};
	int err, lost;

	err = begin_transition(dev, DATTOBD_STATE_ACTIVE_INCREMENTAL);
	if (!err)
		err = check_cow_file(dev);
	if (!err)
		err = follow_size(dev);
	if (err)
		return err;
	engine = dev->vol.core.engine; /* another one if the origin has grown */
	core_counters(&dev->vol.core, &counters);
	err = epoch_create(dev, cow, fallocate_mib ?: dev->fallocate_mib, cow_max_memory_default,
			   counters.seqid + 1, &epoch);
	if (err)
		return err;
	err = prepare_switch(dev, &epoch) ?: device_freeze(dev);
	if (err)
		goto discard;
	err = switch_frozen(dev, &epoch);
	if (err) {
		device_thaw(dev);
		goto discard;
	}
	request_ignore_kill(); /* the index of before is wanted, whatever comes */
	err = drain_old_writes(dev);
	live_preserve_header(&dev->vol, DISK_WAIT);
	device_thaw(dev);
	cut_end(&dev->vol);

	lost = hand_over(dev, engine, old);
	err = err ?: worker_close_former(&dev->vol);
	if (err)
		return err;
	live_want(&dev->vol);
	err = snapshot_publish(dev->vol.snap);
	if (err)
		core_fail(&dev->vol.core, err, "the snapshot's disk could not be added");
	else
		pr_dev_debug(dev, "snapshot %llu, COW file %s", counters.seqid + 1,
			     cow_file_path(dev->vol.cow));
	return err ?: lost;

discard:
	live_back(&dev->vol);
	epoch_discard(&epoch);
	return err;
}
