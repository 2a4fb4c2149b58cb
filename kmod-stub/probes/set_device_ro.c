// SPDX-License-Identifier: GPL-2.0-only
/* Up to 5.10 a device's policy to be read-only is set by this. */
#include <linux/blkdev.h>

void probe(struct block_device *bdev);
void probe(struct block_device *bdev)
{
	set_device_ro(bdev, true);
}
