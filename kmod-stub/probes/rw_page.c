// SPDX-License-Identifier: GPL-2.0-only
/* Up to 6.2 a driver may take pages past any bio. */
#include <linux/blkdev.h>

bool probe(struct block_device *bdev);
bool probe(struct block_device *bdev)
{
	return bdev->bd_disk->fops->rw_page;
}
