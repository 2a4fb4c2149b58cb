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

#define DRAIN_WAIT (5 * HZ) /* under a freeze, for our own I/O: writers wait as long */
#define DISK_WAIT (60 * HZ) /* for the disk */

/**
 * device_frozen_result() - The result of a wait of %DRAIN_WAIT under a freeze.
 *
 * Return: @err; -%EBUSY, logged, if it took too long.
 */
int device_frozen_result(struct dattobd_device *dev, int err);

/** device_drain_frozen() - What is deferred goes. Return: 0, -%EINTR, or -%EBUSY as above. */
int device_drain_frozen(struct dattobd_device *dev);

/**
 * device_drain_old_writes() - The writes from before the snapshot are not in it before they have
 * ended. If they do not, the device fails, before the thaw: what then comes must not wait for
 * copies.
 *
 * Return: 0, -%EINTR or -%ETIMEDOUT.
 */
int device_drain_old_writes(struct dattobd_device *dev);

#endif
