/* SPDX-License-Identifier: GPL-2.0-only */
/* A device's end. Under minor_lock(); may sleep. */
#ifndef DATTOBD_CONTROL_DESTROY_H
#define DATTOBD_CONTROL_DESTROY_H

#include <linux/types.h>

struct dattobd_device;

int transition_destroy(struct dattobd_device *dev);

/**
 * transition_dismantle() - Stop tracking, let deferred writes go, remove disk and COW file, and
 * free the device. A checkpoint stays in a COW file that is kept, unless a write still comes.
 */
void transition_dismantle(struct dattobd_device *dev, bool keep_cow);

/**
 * transition_unload() - The same, without a chance to refuse. Context: Nobody has the snapshot
 * open, nor can.
 */
void transition_unload(struct dattobd_device *dev);

#endif
