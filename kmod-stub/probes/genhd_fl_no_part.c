// SPDX-License-Identifier: GPL-2.0-only
/* From 5.17 on this is the name of the flag against partitions. */
#include <linux/blkdev.h>

void probe(struct gendisk *disk);
void probe(struct gendisk *disk)
{
	disk->flags |= GENHD_FL_NO_PART;
}
