// SPDX-License-Identifier: GPL-2.0-only
/* Raw I/O to the COW file. */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include "bio.h"
#include "core/core.h"
#include "cow/map.h"
#include "cow/private.h"
#include "cow/raw.h"
#include "killable.h"

struct raw_io {
	struct own_bio own;
	atomic_t pending; /* bios in flight, and one for the submitter */
	int error; /* the first */
	struct completion done;
};

static void raw_put(struct raw_io *io)
{
	if (atomic_dec_and_test(&io->pending))
		complete(&io->done);
}

static void raw_end(struct bio *bio)
{
	struct raw_io *io = container_of(bio->bi_private, struct raw_io, own);

	if (bio->bi_status)
		cmpxchg(&io->error, 0, blk_status_to_errno(bio->bi_status));
	bio_put(bio);
	raw_put(io);
}

static struct page *page_of(const void *data)
{
	return is_vmalloc_addr(data) ? vmalloc_to_page(data) : virt_to_page(data);
}

/* Submit one bio for up to @bytes bytes. Return: for how many. */
static size_t raw_submit(struct raw_io *io, struct cow_file *cow, blk_opf_t op, u64 sector,
			 void *data, u64 bytes)
{
	unsigned short nr_vecs = min_t(u64, bytes / SECTOR_SIZE, BIO_MAX_VECS);
	struct bio *bio =
		compat_bio_alloc(cow->origin, nr_vecs, op | REQ_SYNC, GFP_NOIO, &cow->raw_bios);
	size_t done = 0;

	bio->bi_iter.bi_sector = sector;
	/* A file that is not pinned yet is no snapshot's. */
	bio_set_own(bio, &io->own, !cow->live);
	while (done < bytes) {
		unsigned int offset = offset_in_page(data + done);
		unsigned int piece = min_t(u64, bytes - done, PAGE_SIZE - offset);

		if (!bio_add_page(bio, page_of(data + done), piece, offset))
			break;
		done += piece;
	}
	atomic_inc(&io->pending);
	bio_submit_own(bio);
	return done;
}

int cow_file_raw(struct cow_file *cow, blk_opf_t op, u64 offset, void *data, size_t bytes)
{
	struct raw_io io = { .own.end = raw_end, .pending = ATOMIC_INIT(1) };
	unsigned int noio;
	u64 sectors, sector;
	size_t done;

	if (!IS_ALIGNED(offset | bytes | (unsigned long)data, COW_BLOCK_SIZE))
		return -EINVAL;
	noio = memalloc_noio_save();
	init_completion(&io.done);
	while (bytes) {
		sectors = cow_file_map(cow, offset / SECTOR_SIZE, &sector);
		if (!sectors) {
			cmpxchg(&io.error, 0, -EFBIG);
			break;
		}
		done = raw_submit(&io, cow, op, sector, data,
				  min_t(u64, sectors * SECTOR_SIZE, bytes));
		offset += done;
		data += done;
		bytes -= done;
	}
	raw_put(&io);
	wait_for_completion_io(&io.done);
	memalloc_noio_restore(noio);
	return io.error;
}

int cow_file_flush(struct cow_file *cow)
{
	struct raw_io io = { .own.end = raw_end, .pending = ATOMIC_INIT(1) };
	unsigned int noio = memalloc_noio_save();
	struct bio *bio = compat_bio_alloc(cow->origin, 0, REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC,
					   GFP_NOIO, &cow->raw_bios);

	init_completion(&io.done);
	bio_set_own(bio, &io.own, !cow->live);
	bio_submit_own(bio);
	wait_for_completion_io(&io.done);
	memalloc_noio_restore(noio);
	return io.error;
}

void cow_writes_init(struct cow_writes *writes, struct core *core)
{
	writes->core = core;
	init_waitqueue_head(&writes->wait);
}

bool cow_writes_begin(struct cow_writes *writes)
{
	unsigned long flags;
	bool allowed;

	core_lock(writes->core, flags);
	allowed = !writes->core->error;
	if (allowed)
		atomic_inc(&writes->nr);
	core_unlock(writes->core, flags);
	return allowed;
}

void cow_writes_more(struct cow_writes *writes)
{
	atomic_inc(&writes->nr);
}

void cow_writes_end(struct cow_writes *writes)
{
	unsigned long flags;

	/* Under the lock, so that the device is not freed between the count and the wake-up. */
	spin_lock_irqsave(&writes->wait.lock, flags);
	if (atomic_dec_and_test(&writes->nr))
		wake_up_all_locked(&writes->wait);
	spin_unlock_irqrestore(&writes->wait.lock, flags);
}

void cow_writes_wait(struct cow_writes *writes)
{
	wait_event(writes->wait, !cow_writes_any(writes));
	spin_lock_irq(&writes->wait.lock);
	spin_unlock_irq(&writes->wait.lock);
}

noinline int cow_writes_drain(struct cow_writes *writes, long timeout)
{
	long left = wait_event_killable_timeout(writes->wait, !cow_writes_any(writes), timeout);

	return wait_result(left);
}
