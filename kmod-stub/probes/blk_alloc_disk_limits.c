// SPDX-License-Identifier: GPL-2.0-only
/* From 6.9 on blk_alloc_disk() takes the queue's limits. */
#include <linux/blkdev.h>

struct gendisk *probe(struct queue_limits *limits);
struct gendisk *probe(struct queue_limits *limits)
{
	return blk_alloc_disk(limits, NUMA_NO_NODE);
}
