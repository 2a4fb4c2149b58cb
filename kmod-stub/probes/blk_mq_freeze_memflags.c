// SPDX-License-Identifier: GPL-2.0-only
/* From 6.14 on freezing a queue returns the allocation flags to be restored. */
#include <linux/blk-mq.h>
#include <linux/blkdev.h>

void probe(struct request_queue *queue);
void probe(struct request_queue *queue)
{
	unsigned int flags = blk_mq_freeze_queue(queue);

	blk_mq_unfreeze_queue(queue, flags);
}
