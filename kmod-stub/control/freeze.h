/* SPDX-License-Identifier: GPL-2.0-only */
/* The filesystem of an origin, stopped for a switch. */
#ifndef DATTOBD_CONTROL_FREEZE_H
#define DATTOBD_CONTROL_FREEZE_H

struct dattobd_device;

/**
 * device_write_back() - Have the filesystem write back what is dirty, while its writers go on.
 *
 * Otherwise the freeze does, while they stand still. What is written may have to be copied first:
 * the COW file must be able to grow meanwhile.
 */
void device_write_back(struct dattobd_device *dev);

/**
 * device_freeze() - Stop the writers. The filesystem writes back what is dirty, which takes as long
 * as it takes. Who was killed meanwhile turns back.
 *
 * Return: 0, -%EINTR or -errno.
 */
int device_freeze(struct dattobd_device *dev);

/** device_thaw() - Let them go on, and note how long they were stopped. */
void device_thaw(struct dattobd_device *dev);

#endif
