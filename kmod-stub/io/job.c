// SPDX-License-Identifier: GPL-2.0-only
#include "bio.h"
#include "cow/map.h"
#include "io/job.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "io/volume.h"

static void job_put(struct job *job)
{
	struct copies *copies = job->copies;
	struct volume *vol = copies->snap->vol;
	unsigned long flags;

	if (!atomic_dec_and_test(&job->pending))
		return;
	/* Inside the lock: once the worker has taken the job, the snapshot may go. */
	spin_lock_irqsave(&copies->lock, flags);
	list_add_tail(&job->ended, &copies->ended);
	queue_work(vol->core.wq, &vol->core.work);
	wake_up_all(&vol->worker.wait);
	spin_unlock_irqrestore(&copies->lock, flags);
}

static void read_end_io(struct bio *bio)
{
	struct job *job = bio->bi_private;

	if (bio->bi_status)
		job->status = bio->bi_status;
	bio_put(bio);
	job_put(job);
}

/* Bytes of @block that exist: the last block of an origin may be partial. */
static unsigned int block_bytes(const struct volume *vol, u64 block)
{
	return min_t(u64, (vol->core.nr_sectors - block * COW_BLOCK_SECTORS) * SECTOR_SIZE,
		     COW_BLOCK_SIZE);
}

/* Read @count blocks from @block on into @slots. */
static void read_run(struct job *job, u64 block, unsigned int count, const u16 *slots)
{
	struct snapshot *snap = job->copies->snap;
	struct volume *vol = snap->vol;

	while (count) {
		unsigned int in_bio = min_t(unsigned int, count, BIO_MAX_VECS);
		struct bio *bio = compat_bio_alloc(origin_bdev(&vol->origin), in_bio, REQ_OP_READ,
						   GFP_NOIO, &vol->read_bios);

		bio->bi_iter.bi_sector = block * COW_BLOCK_SECTORS;
		bio->bi_end_io = read_end_io;
		bio->bi_private = job;
		count -= in_bio;
		while (in_bio--) {
			unsigned int bytes = block_bytes(vol, block++);

			memset(ring_memory(snap->ring, *slots) + bytes, 0, COW_BLOCK_SIZE - bytes);
			ring_add_slot(snap->ring, bio, *slots++, 0, bytes);
		}
		atomic_inc(&job->pending);
		bio_submit_own(bio);
	}
}

static void zero_run(struct ring *ring, unsigned int count, const u16 *slots)
{
	while (count--)
		memset(ring_memory(ring, *slots++), 0, COW_BLOCK_SIZE);
}

void job_zero_odd(struct snapshot *snap, u64 block, unsigned int count, const u16 *slots)
{
	u64 start = block * COW_BLOCK_SECTORS, end = start + (u64)count * COW_BLOCK_SECTORS;
	u64 at = start, first, owned;

	for (; (owned = cow_file_odd_part(snap->cow, at, end - at, &first)); at = first + owned) {
		for (at = first; at < first + owned; at++)
			memset(ring_memory(snap->ring, slots[(at - start) / COW_BLOCK_SECTORS]) +
				       (at - start) % COW_BLOCK_SECTORS * SECTOR_SIZE,
			       0, SECTOR_SIZE);
	}
}

void job_read(struct job *job)
{
	const u16 *slots = job->slots;
	struct blk_plug plug;
	unsigned int i;

	job->status = BLK_STS_OK;
	atomic_set(&job->pending, 1);
	blk_start_plug(&plug);
	for (i = 0; i < job->nr_runs; i++) {
		unsigned int count = le32_to_cpu(job->runs[i].count);

		if (le32_to_cpu(job->runs[i].kind) == CORE_RUN_ZERO)
			zero_run(job->copies->snap->ring, count, slots);
		else
			read_run(job, le64_to_cpu(job->runs[i].start), count, slots);
		slots += count;
	}
	blk_finish_plug(&plug);
	job_put(job);
}
