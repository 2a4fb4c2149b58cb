/* SPDX-License-Identifier: GPL-2.0-only */
/* What writes to the origin wait for while there is a live checkpoint (io/live.h). */
#ifndef DATTOBD_IO_LIVE_WRITES_H
#define DATTOBD_IO_LIVE_WRITES_H

#include <linux/types.h>

struct bio;
struct volume;

/**
 * live_holds() - Must a write of the superblock or the log wait until the header speaks of what it
 * writes?
 *
 * Context: core_lock.
 */
bool live_holds(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors);

/**
 * live_settle() - Do what a deferred write waits for: the map, the header, or the end of it.
 * @bio: the write
 *
 * Context: The worker. Return: was there anything to do?
 */
bool live_settle(struct volume *vol, struct bio *bio);

/**
 * live_flush_map() - Write what of the dirty map is wanted, if there is a live checkpoint.
 *
 * Context: May sleep. Return: 0 or -errno.
 */
int live_flush_map(struct volume *vol);

#endif
