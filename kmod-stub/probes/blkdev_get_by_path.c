// SPDX-License-Identifier: GPL-2.0-only
/* Up to 6.4 a block device is opened with an fmode_t and closed with blkdev_put(). */
/* (6.5 to 6.8 have other shapes.) */
#include <linux/blkdev.h>

void probe(const char *path, fmode_t mode);
void probe(const char *path, fmode_t mode)
{
	struct block_device *bdev = blkdev_get_by_path(path, mode, NULL);

	blkdev_put(bdev, mode);
}
