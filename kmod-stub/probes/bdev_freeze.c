// SPDX-License-Identifier: GPL-2.0-only
/* From 6.8 on freezing goes through the holder of the device. */
#include <linux/blkdev.h>

int probe(struct block_device *bdev);
int probe(struct block_device *bdev)
{
	return bdev_freeze(bdev) ?: bdev_thaw(bdev);
}
