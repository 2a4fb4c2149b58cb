// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blkdev.h>
#include <linux/sched/mm.h>
#include "io/sender.h"
#include "io/tracker.h"
#include "io/volume.h"

static bool next_to_send(struct sender *sender, struct list_head *writes)
{
	spin_lock(&sender->lock);
	list_splice_init(&sender->to_send, writes);
	spin_unlock(&sender->lock);
	return !list_empty(writes);
}

static void submit_writes(struct volume *vol, const struct list_head *writes)
{
	struct write *write;
	struct blk_plug plug;

	blk_start_plug(&plug);
	list_for_each_entry(write, writes, list)
		tracker_send(vol, write->bio);
	blk_finish_plug(&plug);
}

static void send_writes(struct work_struct *work)
{
	struct sender *sender = container_of(work, struct sender, work);
	struct volume *vol = container_of(sender, struct volume, sender);
	unsigned int noio = memalloc_noio_save();
	LIST_HEAD(writes);

	while (next_to_send(sender, &writes)) {
		submit_writes(vol, &writes);
		spin_lock(&sender->lock);
		list_splice_tail_init(&writes, &sender->sent);
		spin_unlock(&sender->lock);
		queue_work(vol->core.wq, &vol->core.work);
		wake_up_all(&vol->worker.wait);
	}
	memalloc_noio_restore(noio);
}

void sender_add(struct sender *sender, struct list_head *writes, unsigned int nr)
{
	if (!nr)
		return;
	sender->nr += nr;
	spin_lock(&sender->lock);
	list_splice_tail_init(writes, &sender->to_send);
	spin_unlock(&sender->lock);
	queue_work(sender->wq, &sender->work);
}

struct write *sender_take(struct sender *sender)
{
	struct write *write;

	spin_lock(&sender->lock);
	write = list_first_entry_or_null(&sender->sent, struct write, list);
	if (write)
		list_del(&write->list);
	spin_unlock(&sender->lock);
	sender->nr -= !!write;
	return write;
}

bool sender_has_sent(const struct sender *sender)
{
	return !list_empty(&sender->sent);
}

int sender_init(struct sender *sender, unsigned int minor)
{
	spin_lock_init(&sender->lock);
	INIT_LIST_HEAD(&sender->to_send);
	INIT_LIST_HEAD(&sender->sent);
	INIT_WORK(&sender->work, send_writes);
	sender->wq = alloc_workqueue("datto_send%u", WQ_MEM_RECLAIM | WQ_UNBOUND, 1, minor);
	return sender->wq ? 0 : -ENOMEM;
}

void sender_exit(struct sender *sender)
{
	if (sender->wq)
		destroy_workqueue(sender->wq);
	sender->wq = NULL;
}
