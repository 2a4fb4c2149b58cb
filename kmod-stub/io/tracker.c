// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracker: which writes may go, which are held, and when held ones go on.
 *
 * A write may go once (1) the old content of every block it touches is copied and (2) no snapshot
 * read of the origin that was planned before that overlaps it. Both are looked at in one step,
 * under core_lock. They stay true: blocks are never un-copied within a snapshot, and a read
 * registers itself before it is planned, and a read planned after the copy does not go to the
 * origin. So a held write needs to be looked at until it passes, and never again.
 */
#include <linux/completion.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include "io/cut.h"
#include "control/grow_cow.h"
#include "io/reads.h"
#include "io/ring.h"
#include "io/memory.h"

/*
 * Longer writes (write-zeroes, mostly) are looked at by the worker, piece by piece, not with
 * interrupts off.
 */
#define INLINE_SECTORS (16 * 1024 * 1024 / SECTOR_SIZE)

sector_t tracker_range(const struct dattobd_device *dev, struct bio *bio, sector_t *sector)
{
	sector_t from = compat_bio_sector(bio), to;

	to = min(from + bio_sectors(bio), dev->start + dev->nr_sectors);
	from = max(from, dev->start);
	if (from >= to)
		return 0;
	*sector = from - dev->start;
	return to - from;
}

/*
 * Note that the blocks of a write change. A discard leaves those alone that read as zeros in every
 * snapshot. Return: false if the core needs room first, and nothing failed.
 */
static bool mark(struct dattobd_device *dev, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	u64 block = sector / COW_BLOCK_SECTORS;
	u64 end = DIV_ROUND_UP_ULL(sector + nr_sectors, COW_BLOCK_SECTORS);
	s64 ret;

	if (bio_op(bio) != REQ_OP_DISCARD)
		ret = engine_ask(dev->engine, CORE_MARK, sector, nr_sectors, 0, S64_MAX);
	else if (!cut_claims(dev, bio, sector, nr_sectors))
		ret = engine_ask(dev->engine, CORE_MARK_UNMASKED, block, end - block, 0, S64_MAX);
	else
		ret = 0;
	if (ret < 0 && ret != CORE_STATUS_ROOM)
		device_fail_locked(dev, ret, "the core could not record a write");
	return ret != CORE_STATUS_ROOM;
}

/*
 * Does a write of somebody else go to blocks of the live COW file? As long as the file is guarded
 * that cannot be, but for raw writers; while the filesystem is not mounted, and after it was
 * mounted again, the file may be moved, deleted or formatted over. Then those blocks are no longer
 * ours: the device fails, and the write waits until no write of our own to them is on its way.
 */
static bool fail_if_taken(struct dattobd_device *dev, sector_t sector, sector_t nr_sectors)
{
	if (!cow_file_overlaps(dev->cow, sector, nr_sectors))
		return false;
	device_fail_locked(dev, -ESTALE, "the blocks of its COW file were given to somebody else");
	return true;
}

/*
 * The same, while a raw write of our own to the COW file is in flight: also after a failure, or
 * after snapshot mode was left, which do not call such writes back.
 */
static bool meets_cow_write(const struct dattobd_device *dev, sector_t sector, sector_t nr_sectors)
{
	return atomic_read(&dev->nr_cow_writes) && cow_file_overlaps(dev->cow, sector, nr_sectors);
}

static bool may_go(struct dattobd_device *dev, struct bio *bio, sector_t sector,
		   sector_t nr_sectors)
{
	s64 copied;

	if (fail_if_taken(dev, sector, nr_sectors))
		return !meets_cow_write(dev, sector, nr_sectors);
	if (bio_op(bio) == REQ_OP_DISCARD || nr_sectors > INLINE_SECTORS)
		return false;
	copied = engine_ask(dev->engine, CORE_IS_COPIED, sector, nr_sectors, 0, 1);
	if (copied < 0) {
		device_fail_locked(dev, copied, "the core could not look a write up");
		return true;
	}
	return copied && !snapshot_reads_overlap(dev->snap, sector, nr_sectors);
}

/*
 * Nobody polls for a write that has not been submitted, so it ends in an interrupt, where it cannot
 * go back to a cache of bios that are polled for. And it may sleep where the worker submits it.
 */
static void make_patient(struct bio *bio)
{
	compat_bio_clear_polled(bio);
	bio->bi_opf &= ~REQ_NOWAIT;
}

bool tracker_take(struct dattobd_device *dev, struct bio *bio)
{
	sector_t sector, nr_sectors;
	unsigned long flags;
	bool held = false, closed, again;

	nr_sectors = tracker_range(dev, bio, &sector);
	if (!nr_sectors)
		return false; /* what the origin has grown by, perhaps: see control/grow_origin.c */
	if (!compat_may_lock()) {
		make_patient(bio);
		late_take(dev, bio);
		return true;
	}

	core_lock(dev, flags);
	closed = unlikely(dev->seal || seal_is_shut(dev));
	again = closed && proof_is_noted(dev, bio, sector, nr_sectors);
	if (closed && !again) {
		held = seal_take(dev);
	} else if (!dev->error && dev->snapshot_mode) {
		held = !may_go(dev, bio, sector, nr_sectors);
	} else {
		if (!dev->error && !fail_if_taken(dev, sector, nr_sectors))
			held = !mark(dev, bio, sector, nr_sectors);
		held = held || meets_cow_write(dev, sector, nr_sectors);
	}
	if (held) {
		make_patient(bio);
		bio_list_add(&dev->held, bio);
		dev->drain.held++;
	} else if (!again) {
		proof_note(dev, bio, sector, nr_sectors);
	}
	core_unlock(dev, flags);

	if (held)
		queue_work(dev->wq, &dev->work);
	return held;
}

/* Take writes off the held list, and note the ranges whose content must be preserved. */
static bool take_batch(struct dattobd_device *dev, struct bio_list *batch, unsigned int *nr_ranges)
{
	unsigned int count = 0;
	unsigned long flags;
	struct bio *bio;

	bio_list_init(batch);
	core_lock(dev, flags);
	while (count < COPY_RANGES && (bio = bio_list_pop(&dev->held))) {
		sector_t sector = 0, nr_sectors = tracker_range(dev, bio, &sector);

		bio_list_add(batch, bio);
		if (bio_op(bio) == REQ_OP_DISCARD)
			continue;
		dev->ranges[count].sector = cpu_to_le64(sector);
		dev->ranges[count++].nr_sectors = cpu_to_le64(nr_sectors);
	}
	core_unlock(dev, flags);
	*nr_ranges = count;
	return !bio_list_empty(batch);
}

static int compare_ranges(const void *a, const void *b)
{
	u64 left = le64_to_cpu(((const struct core_range *)a)->sector);
	u64 right = le64_to_cpu(((const struct core_range *)b)->sector);

	return left < right ? -1 : left > right;
}

/*
 * Let one write of the batch go, if it may. The mode is looked at again: a device that became
 * incremental meanwhile must record the write, one that failed lets everything go.
 */
static bool release(struct dattobd_device *dev, struct bio *bio)
{
	sector_t sector = 0, nr_sectors = tracker_range(dev, bio, &sector);
	bool swallow = false, blocked = false;
	unsigned long flags;

	core_lock(dev, flags);
	/* Again: a seal holds writes before they are looked at, and the COW file may have grown. */
	if (dev->error || fail_if_taken(dev, sector, nr_sectors)) {
		blocked = meets_cow_write(dev, sector, nr_sectors);
	} else if (!dev->snapshot_mode) {
		blocked = !mark(dev, bio, sector, nr_sectors);
	} else {
		swallow = bio_op(bio) == REQ_OP_DISCARD;
		blocked = !swallow && snapshot_reads_overlap(dev->snap, sector, nr_sectors);
	}
	if (!blocked && !swallow)
		proof_note(dev, bio, sector, nr_sectors);
	core_unlock(dev, flags);

	if (blocked)
		return false;
	if (swallow)
		bio_endio(bio); /* a hint; obeying it would destroy frozen content */
	else
		intercept_next(dev, bio);
	return true;
}

/* For what release() found in the way. */
static void wait_to_release(struct dattobd_device *dev, struct bio *bio)
{
	sector_t sector = 0, nr_sectors = tracker_range(dev, bio, &sector);
	int err;

	if (READ_ONCE(dev->error)) {
		device_cow_writes_wait(dev);
	} else if (!READ_ONCE(dev->snapshot_mode)) {
		err = room_make(dev);
		if (err)
			device_fail(dev, err,
				    "there is no memory to record a write; a full backup is needed");
	} else {
		snapshot_wait_reads(dev->snap, sector, nr_sectors);
	}
}

/* Copies go on to the COW file. The snapshot may be taken from the device meanwhile. */
static void flush_copies(struct dattobd_device *dev)
{
	struct snapshot *snap = READ_ONCE(dev->snap);

	if (snap)
		ring_flush(snapshot_ring(snap));
}

static void release_batch(struct dattobd_device *dev, struct bio_list *batch)
{
	struct bio_list blocked = BIO_EMPTY_LIST;
	struct blk_plug plug;
	struct bio *bio;

	if (READ_ONCE(dev->error) || !READ_ONCE(dev->snapshot_mode))
		device_cow_writes_wait(dev);
	blk_start_plug(&plug);
	while ((bio = bio_list_pop(batch))) {
		if (!release(dev, bio))
			bio_list_add(&blocked, bio);
	}
	flush_copies(dev);
	blk_finish_plug(&plug);

	while ((bio = bio_list_pop(&blocked))) {
		while (!release(dev, bio))
			wait_to_release(dev, bio);
	}
}

/* Copying that somebody waits for, who has no write; or did, and gave up. */
struct copy_request {
	struct list_head list;
	refcount_t users;
	struct core_range range;
	struct completion done;
};

static void copy_request_put(struct copy_request *request)
{
	if (refcount_dec_and_test(&request->users))
		kfree(request);
}

static struct copy_request *next_request(struct dattobd_device *dev)
{
	struct copy_request *request;
	unsigned long flags;

	core_lock(dev, flags);
	request = list_first_entry_or_null(&dev->copy_requests, struct copy_request, list);
	if (request)
		list_del(&request->list);
	core_unlock(dev, flags);
	return request;
}

static void serve_copies(struct dattobd_device *dev)
{
	struct copy_request *request;

	while ((request = next_request(dev))) {
		copy_ranges(dev, &request->range, 1);
		flush_copies(dev);
		complete(&request->done);
		copy_request_put(request);
	}
}

int tracker_copy(struct dattobd_device *dev, sector_t sector, sector_t nr_sectors)
{
	struct copy_request *request = kmalloc(sizeof(*request), GFP_KERNEL);
	unsigned long flags;
	int err = 0;

	if (!request)
		return -ENOMEM;
	request->range.sector = cpu_to_le64(sector);
	request->range.nr_sectors = cpu_to_le64(nr_sectors);
	refcount_set(&request->users, 2);
	init_completion(&request->done);
	core_lock(dev, flags);
	list_add_tail(&request->list, &dev->copy_requests);
	core_unlock(dev, flags);
	queue_work(dev->wq, &dev->work);
	while (!err && wait_for_completion_killable_timeout(&request->done, HZ / 10) <= 0)
		err = expand_interrupted(dev);
	copy_request_put(request);
	return err;
}

/*
 * dev->snap may become NULL in the middle of this, but only once nothing is copied any more; what
 * it pointed to is freed after this work was flushed (device_drop_snapshot()).
 */
void tracker_work(struct work_struct *work)
{
	struct dattobd_device *dev = container_of(work, struct dattobd_device, work);
	unsigned int noio = memalloc_noio_save();
	u64 asked = drain_begin(&dev->drain);
	struct bio_list batch;
	unsigned int count, size;

	late_decide(dev);
	while (seal_let_go(dev)) {
		serve_copies(dev);
		if (!take_batch(dev, &batch, &count))
			break;
		sort(dev->ranges, count, sizeof(*dev->ranges), compare_ranges, NULL);
		auto_expand_yield(dev);
		copy_ranges(dev, dev->ranges, count);
		size = bio_list_size(&batch);
		release_batch(dev, &batch);
		drain_gone(&dev->drain, size);
		cond_resched();
		late_decide(dev);
	}
	seal_make(dev);
	memalloc_noio_restore(noio);
	drain_end(&dev->drain, asked);
}

void tracker_drain(struct dattobd_device *dev)
{
	queue_work(dev->wq, &dev->work);
	flush_work(&dev->work);
}
