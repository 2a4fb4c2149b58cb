// SPDX-License-Identifier: GPL-2.0-only
/* From 5.16 on, and in stable kernels before. */
#include <linux/blkdev.h>

sector_t probe(struct block_device *bdev);
sector_t probe(struct block_device *bdev)
{
	return bdev_nr_sectors(bdev);
}
