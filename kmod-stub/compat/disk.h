/* SPDX-License-Identifier: GPL-2.0-only */
/* Disks of our own. */
#ifndef DATTOBD_COMPAT_DISK_H
#define DATTOBD_COMPAT_DISK_H

#include <linux/blkdev.h>
#include "probes.h"

static inline struct gendisk *compat_alloc_disk(struct block_device *origin)
{
#ifdef HAVE_BLK_ALLOC_DISK_LIMITS
	struct queue_limits limits = {
		.logical_block_size = bdev_logical_block_size(origin),
		.physical_block_size = bdev_physical_block_size(origin),
	};

	return blk_alloc_disk(&limits, NUMA_NO_NODE);
#else
#ifdef blk_alloc_disk
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
#else
	struct gendisk *disk = alloc_disk(1);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	disk->queue = blk_alloc_queue(NUMA_NO_NODE);
	if (!disk->queue) {
		put_disk(disk);
		return ERR_PTR(-ENOMEM);
	}
#endif
	blk_queue_logical_block_size(disk->queue, bdev_logical_block_size(origin));
	blk_queue_physical_block_size(disk->queue, bdev_physical_block_size(origin));
	return disk;
#endif
}

static inline int compat_add_disk(struct gendisk *disk)
{
#ifdef HAVE_DEVICE_ADD_DISK_INT
	return device_add_disk(NULL, disk, NULL);
#else
	device_add_disk(NULL, disk, NULL);
	return 0;
#endif
}

/* compat_put_disk() - Free a disk. @added: whether compat_add_disk() succeeded */
static inline void compat_put_disk(struct gendisk *disk, bool added)
{
#if defined(HAVE_BLK_CLEANUP_DISK)
	blk_cleanup_disk(disk);
#elif defined(blk_alloc_disk)
	put_disk(disk);
#else
	struct request_queue *queue = disk->queue;

	/* Only a disk that was added holds its queue itself. */
	if (!added)
		disk->queue = NULL;
	blk_cleanup_queue(queue);
	put_disk(disk);
#endif
}

/*
 * compat_disk_bdev_get() - The whole disk as a block device, to be asked and mounted.
 *
 * Return: To be put, or ERR_PTR().
 */
static inline struct block_device *compat_disk_bdev_get(struct gendisk *disk)
{
#ifdef HAVE_DISK_PART0_BDEV
	return disk->part0;
#else
	return blkdev_get_by_dev(disk_devt(disk), FMODE_READ, NULL); /* closed, it has no policy */
#endif
}

static inline void compat_disk_bdev_put(struct block_device *bdev)
{
#ifndef HAVE_DISK_PART0_BDEV
	blkdev_put(bdev, FMODE_READ);
#endif
}

#ifndef HAVE_GENHD_FL_NO_PART
#define GENHD_FL_NO_PART GENHD_FL_NO_PART_SCAN
#endif

#ifdef HAVE_DISK_OPEN_GENDISK
#define COMPAT_DISK_OPEN(fn) int fn(struct gendisk *disk, blk_mode_t mode)
#define COMPAT_DISK_OF(arg) (disk)
#define COMPAT_DISK_RELEASE(fn) void fn(struct gendisk *disk)
#else
#define COMPAT_DISK_OPEN(fn) int fn(struct block_device *bdev, fmode_t mode)
#define COMPAT_DISK_OF(arg) (bdev->bd_disk)
#define COMPAT_DISK_RELEASE(fn) void fn(struct gendisk *disk, fmode_t mode)
#endif

#endif
