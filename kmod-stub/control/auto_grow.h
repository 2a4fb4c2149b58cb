/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of a device that is control/auto_grow.c's; what it offers is in control/grow_cow.h. */
#ifndef DATTOBD_CONTROL_AUTO_GROW_H
#define DATTOBD_CONTROL_AUTO_GROW_H

#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/**
 * struct auto_expand - A COW file that grows by itself.
 * @step_mib, @reserved_mib, @configured: as set, under devices_lock and expand_mutex
 * @next: position of the COW file whose use queues @work; under core_lock, as is @paused
 * @told: that it does not grow; under expand_mutex
 * @waits: how often writes may still wait for the growth that is under way; 0 if none is
 * @ended: woken at its end
 */
struct auto_expand {
	u64 step_mib, reserved_mib;
	bool configured, told, paused;
	u64 next;
	unsigned int waits;
	wait_queue_head_t ended;
	struct work_struct work;
};

#endif
