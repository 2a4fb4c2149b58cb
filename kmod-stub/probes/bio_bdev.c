// SPDX-License-Identifier: GPL-2.0-only
/* From 5.12 on a bio points to a block device rather than to a disk and a partition. */
#include <linux/bio.h>

struct block_device *probe(struct bio *bio);
struct block_device *probe(struct bio *bio)
{
	return bio->bi_bdev;
}
