// SPDX-License-Identifier: GPL-2.0-only
#include "control/cut_cow.h"
#include "control/device.h"
#include "cow/open.h"
#include "cow/session.h"
#include "io/cut.h"

#define MOVE_WAIT (30 * HZ) /* for a checkpoint */

static int cut_data_area(struct dattobd_device *dev)
{
	unsigned long flags;
	s64 data_offset;
	int err = 0;

	core_lock(&dev->vol.core, flags);
	data_offset = wasm_stat(dev->vol.core.engine, CORE_STAT_DATA_OFFSET);
	if (data_offset < 0)
		core_fail_locked(&dev->vol.core, data_offset,
				 "the core could not be asked for its state");
	core_unlock(&dev->vol.core, flags);
	core_print(&dev->vol.core);
	if (data_offset < 0)
		return 0;

	if (cow_file_bytes(dev->vol.cow) > (u64)data_offset || cow_file_is_longer(dev->vol.cow)) {
		cut_begin(&dev->vol, data_offset);
		err = cow_file_truncate(dev->vol.cow, data_offset);
	}
	if (err)
		return err;
	core_lock(&dev->vol.core, flags);
	/* It may be shorter, of an origin that has grown. */
	wasm_set_fsize(dev->vol.core.engine, min_t(u64, data_offset, cow_file_bytes(dev->vol.cow)));
	core_unlock(&dev->vol.core, flags);
	return 0;
}

static void report_cut(struct dattobd_device *dev, int err)
{
	if (err)
		pr_dev_warn(dev, "the COW file %s could not be truncated: %d",
			    cow_file_path(dev->vol.cow), err);
}

/* Does no live checkpoint lie in the data area? */
static bool is_vacant(struct volume *vol)
{
	unsigned long flags;
	bool in_use;

	core_lock(&vol->core, flags);
	in_use = !vol->core.error && (vol->live.on || vol->live.switching) &&
		 wasm_stat(vol->core.engine, CORE_STAT_NEEDED_BYTES) >
			 wasm_stat(vol->core.engine, CORE_STAT_DATA_OFFSET);
	core_unlock(&vol->core, flags);
	return !in_use;
}

void cut_cow_file(struct dattobd_device *dev)
{
	struct volume *vol = &dev->vol;

	if (!is_vacant(vol)) {
		live_want(vol);
		wait_event_timeout(vol->worker.wait, !live_busy(vol), MOVE_WAIT);
	}
	if (is_vacant(vol) || !worker_end_live(vol, MAX_SCHEDULE_TIMEOUT))
		report_cut(dev, cut_data_area(dev));
}

void cut_cow_file_late(struct dattobd_device *dev)
{
	int err;

	if (!dev->cut_wanted || dev->vol.core.snapshot_mode ||
	    !cow_file_has_filesystem(dev->vol.cow) || !is_vacant(&dev->vol))
		return;
	err = cut_data_area(dev);
	/* Frozen, or its filesystem is busy: later. */
	dev->cut_wanted = err == -EBUSY || err == -EAGAIN || err == -ENOENT;
	if (!dev->cut_wanted)
		report_cut(dev, err);
}
