/* SPDX-License-Identifier: GPL-2.0-only */
/* The origins that are tracked, by the disk that they are on. */
#ifndef DATTOBD_IO_ORIGINS_H
#define DATTOBD_IO_ORIGINS_H

#include <linux/bio.h>
#include <linux/list.h>
#include "compat.h"

/** enum take - What became of a write. */
enum take {
	TAKE_NOT, /* it goes on */
	TAKE_DEFER, /* it must not be submitted */
	TAKE_AND_WAIT, /* nor may its submitter go on before pace_wait() */
};

/**
 * struct origin - A block device that is tracked.
 * @start: its first sector on its disk
 * @path: absolute, symbolic links resolved
 * @take: decides about a write-like bio on the disk. In any context, also with preemption off; does
 * not sleep or allocate.
 */
struct origin {
	struct hlist_node node;
	unsigned int minor;
	struct compat_bdev bdev;
	sector_t start;
	char *path;
	enum take (*take)(struct origin *origin, struct bio *bio);
};

static inline struct block_device *origin_bdev(const struct origin *origin)
{
	return origin->bdev.bdev;
}

/** origin_add(), origin_remove() - Decide about writes to it, or no more. May sleep. */
void origin_add(struct origin *origin);
void origin_remove(struct origin *origin);

/**
 * origins_take() - Let the origins on its disk decide about a write.
 * @minor: result: of the origin that took it
 *
 * Context, return: as @take.
 */
enum take origins_take(struct bio *bio, unsigned int *minor);

/**
 * origin_next() - Let a write go on that @origin deferred: to the next one on the same disk, or to
 * the disk.
 */
void origin_next(struct origin *origin, struct bio *bio);

/**
 * origin_range() - The part of @bio that lies on the first @nr_sectors of @origin, relative to it.
 *
 * Return: number of sectors, 0 if none.
 */
sector_t origin_range(const struct origin *origin, sector_t nr_sectors, const struct bio *bio,
		      sector_t *sector);

#endif
