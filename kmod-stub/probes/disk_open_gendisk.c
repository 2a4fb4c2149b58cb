// SPDX-License-Identifier: GPL-2.0-only
/* From 6.5 on a disk is opened as a disk, with a blk_mode_t. */
#include <linux/blkdev.h>

static int open(struct gendisk *disk, blk_mode_t mode)
{
	return 0;
}

static void release(struct gendisk *disk)
{
}

const struct block_device_operations *probe(void);
const struct block_device_operations *probe(void)
{
	static const struct block_device_operations ops = { .open = open, .release = release };

	return &ops;
}
