/* SPDX-License-Identifier: GPL-2.0-only */
/* One tracked origin: how it is made and freed, and all that belongs to it. */
#ifndef DATTOBD_CONTROL_DEVICE_H
#define DATTOBD_CONTROL_DEVICE_H

#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/workqueue.h>
#include "control/auto_grow.h"
#include "control/grow_cow.h"
#include "control/state.h"
#include "io/volume.h"

/**
 * struct watch - Under minor_lock().
 * @work: looks
 * @idle_ticks: looks in a row that found no filesystem mounted read-write
 * @no_checkpoint: none could be written: not tried again before the next mount
 */
struct watch {
	struct delayed_work work;
	unsigned int idle_ticks;
	bool no_checkpoint;
};

/**
 * struct dattobd_device - What is not said to be otherwise is under minor_lock().
 * @claim: see device_claim()
 * @uuid: of the series
 * @phase: see device_set_phase()
 * @publish_wanted: /dev/dattoN comes with the mount
 * @cut_wanted: the COW file has a data area still, after a crash in snapshot mode; the watch's
 * @origin_name, @cow_name: as given to reload, else NULL
 * @cache_bytes, @fallocate_mib: as configured, for status only; 0 bytes is the default
 * @frozen_at, @last_freeze_ms: when the filesystem was frozen last, and for how long
 * @has_frozen: it was, since the device was made
 */
struct dattobd_device {
	struct volume vol;
	struct list_head claim;
	u8 uuid[COW_UUID_SIZE];
	enum phase phase;
	bool publish_wanted;
	bool cut_wanted;
	char *origin_name, *cow_name;
	u64 cache_bytes, fallocate_mib;
	ktime_t frozen_at;
	u64 last_freeze_ms;
	bool has_frozen;
	struct watch watch;
	struct growth growth;
	struct auto_grow auto_grow;
};

#define pr_dev_err(dev, fmt, ...) pr_vol_err(&(dev)->vol, fmt, ##__VA_ARGS__)
#define pr_dev_warn(dev, fmt, ...) pr_vol_warn(&(dev)->vol, fmt, ##__VA_ARGS__)
#define pr_dev_debug(dev, fmt, ...) pr_vol_debug(&(dev)->vol, fmt, ##__VA_ARGS__)
#define pr_dev_info(dev, fmt, ...) pr_minor_info((dev)->vol.core.minor, fmt, ##__VA_ARGS__)

/**
 * device_new() - A device for an origin, not tracking yet.
 * @origin: path, as the caller gave it
 * @mounted: whether the origin must be mounted read-write, or must not
 *
 * Errors and their order: docs/ABI.md, B4.3 to B4.7, B4.22 to B4.24.
 */
struct dattobd_device *device_new(unsigned int minor, const char *origin, bool mounted);

/**
 * device_free() - Free a device that is not in the table of io/intercept.c, with what it still
 * holds.
 */
void device_free(struct dattobd_device *dev);

/**
 * device_drop_snapshot() - Take the snapshot, if there is one, from a device that copies nothing
 * any more, and destroy it. Context: snapshot_close() has succeeded.
 */
void device_drop_snapshot(struct dattobd_device *dev);

#endif
