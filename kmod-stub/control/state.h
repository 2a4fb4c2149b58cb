/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of a device: what it went through, and what users see of it. */
#ifndef DATTOBD_CONTROL_STATE_H
#define DATTOBD_CONTROL_STATE_H

#include "layout.h"

struct dattobd_device;

/** enum phase - What a device went through; its mode and its error are those of its core. */
enum phase {
	PHASE_NEW, /* it is being made, and nothing is intercepted */
	PHASE_LOADING, /* its writes are intercepted, and its checkpoint is being read */
	PHASE_RELOADED, /* not mounted read-write since */
	PHASE_TRACKING,
	PHASE_REFUSED, /* a reload that failed: names and an error, and nothing is intercepted */
};

/** device_set_phase() - Context: minor_lock(). A phase that cannot follow changes nothing. */
void device_set_phase(struct dattobd_device *dev, enum phase phase);

/**
 * device_look() - See whether the origin is mounted read-write. A reloaded device is verified then.
 *
 * Context: minor_lock(). Return: whether it is.
 */
bool device_look(struct dattobd_device *dev);

/** device_state() - As users see it; nothing is changed. */
enum dattobd_state device_state(const struct dattobd_device *dev);

/** device_is_verified() - Has a device of this state been mounted read-write since its reload? */
static inline bool device_is_verified(enum dattobd_state state)
{
	return !(state & DATTOBD_STATE_UNVERIFIED_INCREMENTAL);
}

/** device_cache_bytes() - The cache limit in force, the default substituted for 0. */
u64 device_cache_bytes(const struct dattobd_device *dev);

/**
 * device_check_thawed() - A frozen filesystem, be it by fsfreeze or a suspended device mapper,
 * takes no writes: a file can neither be created nor removed.
 *
 * Return: 0 or -%EBUSY.
 */
int device_check_thawed(const struct dattobd_device *dev);

#endif
