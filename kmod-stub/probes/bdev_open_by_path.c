// SPDX-License-Identifier: GPL-2.0-only
/* In 6.7 and 6.8 a block device is opened as a handle. */
#include <linux/blkdev.h>

struct bdev_handle *probe(const char *path);
struct bdev_handle *probe(const char *path)
{
	return bdev_open_by_path(path, BLK_OPEN_READ, NULL, NULL);
}
