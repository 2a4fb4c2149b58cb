/* SPDX-License-Identifier: GPL-2.0-only */
/* Going on with a checkpoint. */
#ifndef DATTOBD_CONTROL_RELOAD_H
#define DATTOBD_CONTROL_RELOAD_H

#include <linux/types.h>

/**
 * reload() - Go on tracking where a checkpoint ends. Errors and their order: docs/ABI.md, B4.22
 * to B4.25. If the checkpoint is not right, the device exists in the failed state (docs/STATES.md,
 * E.6).
 * @cow: path from the root of the filesystem
 */
int reload(unsigned int minor, const char *origin, const char *cow, u64 cache_bytes,
	   bool snapshot_mode);

#endif
