/* SPDX-License-Identifier: GPL-2.0-only */
/* The filesystem of an origin, stopped for a switch. */
#ifndef DATTOBD_CONTROL_FREEZE_H
#define DATTOBD_CONTROL_FREEZE_H

struct dattobd_device;

/**
 * device_freeze() - Stop the writers. The filesystem writes back first, which takes as long as it
 * takes, and counts: its writers wait. Who was killed meanwhile turns back.
 *
 * Return: 0, -%EINTR or -errno.
 */
int device_freeze(struct dattobd_device *dev);

/** device_thaw() - Let them go on, and note how long they were stopped. */
void device_thaw(struct dattobd_device *dev);

#endif
