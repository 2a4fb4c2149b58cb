// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads of the frozen view that are in flight. A write to the origin waits for those that it
 * overlaps and that may have been planned before the write's old content was committed.
 */
#include <linux/blkdev.h>
#include <linux/interval_tree_generic.h>
#include "io/reads.h"
#include "io/snapshot.h"
#include "io/volume.h"

#define READ_START(read) ((read)->start)
#define READ_LAST(read) ((read)->last)
INTERVAL_TREE_DEFINE(struct snapshot_read, rb, sector_t, subtree_last, READ_START, READ_LAST,
		     static __maybe_unused, reads_tree)

bool snapshot_reads_overlap(struct snapshot *snap, sector_t sector, sector_t nr_sectors, u64 number)
{
	sector_t last = sector + nr_sectors - 1;
	struct snapshot_read *read;
	unsigned long flags;

	compat_lock_irqsave(&snap->reads_lock, flags);
	read = reads_tree_iter_first(&snap->reads, sector, last);
	while (read && read->number >= number)
		read = reads_tree_iter_next(read, sector, last);
	compat_unlock_irqrestore(&snap->reads_lock, flags);
	return read;
}

void snapshot_reads_divide(struct snapshot *snap)
{
	snap->divide = snapshot_reads_begun(snap);
}

void snapshot_wait_reads(struct snapshot *snap, sector_t sector, sector_t nr_sectors, u64 number)
{
	wait_event_timeout(snap->reads_wait,
			   !snapshot_reads_overlap(snap, sector, nr_sectors, number), HZ / 10);
}

u64 snapshot_reads_begun(struct snapshot *snap)
{
	unsigned long flags;
	u64 number;

	compat_lock_irqsave(&snap->reads_lock, flags);
	number = snap->next_read;
	compat_unlock_irqrestore(&snap->reads_lock, flags);
	return number;
}

bool snapshot_older_reads(struct snapshot *snap, u64 number)
{
	struct rb_node *node;
	unsigned long flags;
	bool found = false;

	compat_lock_irqsave(&snap->reads_lock, flags);
	for (node = rb_first_cached(&snap->reads); node && !found; node = rb_next(node))
		found = rb_entry(node, struct snapshot_read, rb)->number < number;
	compat_unlock_irqrestore(&snap->reads_lock, flags);
	return found;
}

struct snapshot_read *read_begin(struct snapshot *snap, struct bio *bio)
{
	struct snapshot_read *read = mempool_alloc(&snap->read_pool, GFP_NOIO);
	unsigned long flags;

	memset(read, 0, sizeof(*read));
	INIT_LIST_HEAD(&read->queued);
	read->snap = snap;
	read->bio = bio;
	read->start = bio->bi_iter.bi_sector;
	read->last = bio_end_sector(bio) - 1;
	atomic_set(&read->pending, 1);
	read->begun = bio_start_io_acct(bio);
	spin_lock_irq(&snap->reads_wait.lock);
	snap->nr_reads++;
	spin_unlock_irq(&snap->reads_wait.lock);
	compat_lock_irqsave(&snap->reads_lock, flags);
	read->number = snap->next_read++;
	reads_tree_insert(read, &snap->reads);
	compat_unlock_irqrestore(&snap->reads_lock, flags);
	return read;
}

void read_put(struct snapshot_read *read)
{
	struct snapshot *snap = read->snap;
	struct bio *bio = read->bio;
	unsigned long flags;

	if (!atomic_dec_and_test(&read->pending))
		return;
	/*
	 * Writes pass unpreserved from a failure on; what was read before it is not told apart
	 * from what was read after.
	 */
	if (READ_ONCE(snap->vol->core.error))
		read->status = BLK_STS_IOERR;
	bio->bi_status = read->status;
	bio_end_io_acct(bio, read->begun);
	bio_endio(bio);

	compat_lock_irqsave(&snap->reads_lock, flags);
	reads_tree_remove(read, &snap->reads);
	compat_unlock_irqrestore(&snap->reads_lock, flags);
	mempool_free(read, &snap->read_pool);

	/* Inside the lock: once nr_reads is seen to be 0, the snapshot may go. */
	spin_lock_irqsave(&snap->reads_wait.lock, flags);
	snap->nr_reads--;
	if (READ_ONCE(snap->wakes))
		queue_work(snap->vol->core.wq, &snap->vol->core.work);
	wake_up_all_locked(&snap->reads_wait);
	spin_unlock_irqrestore(&snap->reads_wait.lock, flags);
}

noinline int snapshot_drain_reads(struct snapshot *snap, u64 number, const bool *stop)
{
	long left = 0;
	int err = 0;

	while (!err && left <= 0) {
		left = wait_event_killable_timeout(snap->reads_wait,
						   !snapshot_older_reads(snap, number), HZ / 10);
		if (left <= 0)
			err = fatal_signal_pending(current) ? -EINTR :
			      stop && READ_ONCE(*stop)	    ? -EAGAIN :
							      0;
	}
	return err;
}
