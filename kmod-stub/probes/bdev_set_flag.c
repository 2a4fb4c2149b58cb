// SPDX-License-Identifier: GPL-2.0-only
/* From 6.10 on a device's policy to be read-only is a flag among others. */
#include <linux/blkdev.h>

void probe(struct block_device *bdev);
void probe(struct block_device *bdev)
{
	bdev_set_flag(bdev, BD_READ_ONLY);
}
