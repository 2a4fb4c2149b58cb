/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be changed without a change of mode. Under minor_lock(); may sleep. Errors and their
 * order: docs/ABI.md, B.4.
 */
#ifndef DATTOBD_CONTROL_RECONFIGURE_H
#define DATTOBD_CONTROL_RECONFIGURE_H

#include <linux/types.h>

struct dattobd_device;

int device_reconfigure(struct dattobd_device *dev, u64 cache_bytes); /* 0: the default */
int device_expand(struct dattobd_device *dev, u64 mib);
int device_set_auto_expand(struct dattobd_device *dev, u64 step_mib, u64 reserved_mib);

#endif
