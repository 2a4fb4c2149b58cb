/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of a device, as users see it. */
#ifndef DATTOBD_CONTROL_STATE_H
#define DATTOBD_CONTROL_STATE_H

#include "layout.h"

struct dattobd_device;

/** device_state() - As users see it. */
enum dattobd_state device_state(struct dattobd_device *dev);

/** device_is_active() - Has a reloaded device's origin been mounted read-write since? */
bool device_is_active(struct dattobd_device *dev);

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
