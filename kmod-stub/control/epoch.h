/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The next snapshot of a device, made ready before the switch to it (control/epoch.c,
 * control/switch.c).
 */
#ifndef DATTOBD_CONTROL_EPOCH_H
#define DATTOBD_CONTROL_EPOCH_H

#include "control/device.h"

struct epoch {
	struct engine *engine;
	struct cow_file *cow;
	struct snapshot *snap;
	u64 fallocate_mib;
};

/**
 * epoch_create() - Create core, COW file and disk of a snapshot.
 * @path: of the COW file, as the caller gave it
 * @mib: its size; 0 for the default share of the origin
 * @epoch: result, zeroed before; zeroed again on an error
 *
 * Errors and their order: docs/ABI.md, B4.7b to B4.14.
 */
int epoch_create(struct dattobd_device *dev, const char *path, u64 mib, u64 cache_bytes, u64 seqid,
		 struct epoch *epoch);

/**
 * epoch_take_over() - From here on it is the device's. Context: core_lock.
 */
void epoch_take_over(struct dattobd_device *dev, struct epoch *epoch);

/** epoch_discard() - Undo epoch_create(): the COW file is removed. */
void epoch_discard(struct epoch *epoch);

#endif
