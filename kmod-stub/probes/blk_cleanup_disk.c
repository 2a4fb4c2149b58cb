// SPDX-License-Identifier: GPL-2.0-only
/* From 5.14 to 5.19 this frees a disk that blk_alloc_disk() made. */
#include <linux/blkdev.h>

void probe(struct gendisk *disk);
void probe(struct gendisk *disk)
{
	blk_cleanup_disk(disk);
}
