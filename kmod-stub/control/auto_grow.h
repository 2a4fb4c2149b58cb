/* SPDX-License-Identifier: GPL-2.0-only */
/* A COW file that grows by itself. */
#ifndef DATTOBD_CONTROL_AUTO_GROW_H
#define DATTOBD_CONTROL_AUTO_GROW_H

#include <linux/types.h>

struct dattobd_device;

/**
 * struct auto_grow
 * @step_mib, @reserved_mib, @configured: as set, under devices_lock and growth.mutex
 * @reported: that it does not grow; under growth.mutex
 */
struct auto_grow {
	u64 step_mib, reserved_mib;
	bool configured, reported;
};

void auto_expand_init(struct dattobd_device *dev);

/**
 * auto_expand_set() - Let the COW file grow in steps of @step_mib (0: no more) as long as
 * @reserved_mib stay free on the filesystem.
 *
 * Return: 0; -%EINTR if the caller was killed; -%EBUSY if the filesystem is frozen.
 */
int auto_expand_set(struct dattobd_device *dev, u64 step_mib, u64 reserved_mib);

/**
 * auto_expand_pause() - End a growth that is under way; none begins until auto_expand_resume(),
 * even if the wait for its end was given up.
 * @timeout: jiffies
 *
 * Return: 0, -%EINTR or -%ETIMEDOUT.
 */
int auto_expand_pause(struct dattobd_device *dev, long timeout);
void auto_expand_resume(struct dattobd_device *dev);

/** auto_expand_drop() - Forget what was set. Context: paused. */
void auto_expand_drop(struct dattobd_device *dev);

#endif
