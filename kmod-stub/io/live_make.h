/* SPDX-License-Identifier: GPL-2.0-only */
/* How a live checkpoint is made (io/live.h). */
#ifndef DATTOBD_IO_LIVE_MAKE_H
#define DATTOBD_IO_LIVE_MAKE_H

#include <linux/types.h>

struct volume;

/**
 * live_work() - Go on with the checkpoint that is being made, or remove it.
 *
 * Context: The worker. Return: is there more to do?
 */
bool live_work(struct volume *vol);

/**
 * live_resume() - Make a live checkpoint of the clean one, before the first write.
 *
 * Context: The worker, the clean checkpoint is on disk, and nobody wrote elsewhere.
 * Return: 0; positive if it cannot be one, and nothing was written; -errno, and the device failed.
 */
int live_resume(struct volume *vol);

#endif
