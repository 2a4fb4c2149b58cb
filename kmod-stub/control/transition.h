/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device's way from mode to mode. Under minor_lock(); may sleep. Errors and their order:
 * docs/ABI.md, B.4.
 */
#ifndef DATTOBD_CONTROL_TRANSITION_H
#define DATTOBD_CONTROL_TRANSITION_H

#include <linux/types.h>

struct dattobd_device;

int transition_setup(unsigned int minor, const char *origin, const char *cow, u64 fallocate_mib,
		     u64 cache_bytes);
int transition_to_incremental(struct dattobd_device *dev);
int transition_to_snapshot(struct dattobd_device *dev, const char *cow, u64 fallocate_mib);

#endif
