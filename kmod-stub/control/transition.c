// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's way from mode to mode:
 *
 *   set-up --> snapshot --> incremental --> snapshot --> ... --> destroyed
 *
 * Each switch is one step under core_lock while the filesystem is frozen, so that every write
 * belongs to one side of it. This file has what transitions begin with, and the one to
 * incremental mode; control/setup.c and control/to_snapshot.c have what leads to a snapshot.
 */
#include "control/cut_cow.h"
#include "control/freeze.h"
#include "control/state.h"
#include "control/transition.h"
#include "cow/session.h"
#include "io/handover.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "killable.h"

int transition_begin(struct dattobd_device *dev, enum dattobd_state wanted)
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

	err = transition_begin(dev, DATTOBD_STATE_ACTIVE_SNAPSHOT);
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
	err = device_drain_frozen(dev);
	ring_hold(snap->ring, true);
	if (!err)
		err = device_frozen_result(dev, cow_writes_drain(&dev->vol.writes, DRAIN_WAIT));
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
