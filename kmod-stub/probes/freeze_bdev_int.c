// SPDX-License-Identifier: GPL-2.0-only
/* From 5.11 to 6.7 freeze_bdev() returns an errno and thaw_bdev() takes the device alone. */
#include <linux/blkdev.h>

int probe(struct block_device *bdev);
int probe(struct block_device *bdev)
{
	return freeze_bdev(bdev) ?: thaw_bdev(bdev);
}
