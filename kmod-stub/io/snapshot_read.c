// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads of the frozen view, planned by the core and served from three places: the origin (blocks
 * not copied yet), the ring (copies in memory) and the COW file. Blocks of the COW file itself
 * read as zeros.
 *
 * That happens in the submitter's context: a switch to a worker for every read costs far more
 * than the planning. Only a read that misses an index section goes on in the worker, where it may
 * wait for the disk.
 *
 * A read is registered before it is planned and until it has ended; a write to the origin that
 * overlaps it waits (io/tracker.c). So what a plan found on the origin stays there until it was
 * read.
 */
#include <linux/blk-cgroup.h>
#include <linux/sched/mm.h>
#include "cow/map.h"
#include "io/reads.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "io/snapshot_read.h"
#include "io/volume.h"

static void clone_end_io(struct bio *clone)
{
	struct snapshot_read *read = clone->bi_private;

	if (clone->bi_status)
		read->status = clone->bi_status;
	bio_put(clone);
	read_put(read);
}

/* The next @nr_sectors of the read. */
static struct bvec_iter part(struct snapshot_read *read, sector_t nr_sectors)
{
	struct bvec_iter iter = read->bio->bi_iter;

	bio_advance_iter(read->bio, &iter, read->done * SECTOR_SIZE);
	iter.bi_size = nr_sectors * SECTOR_SIZE;
	return iter;
}

/* Read a part from the origin's disk, from @sector of the origin on. */
static void read_disk(struct snapshot_read *read, struct bvec_iter iter, sector_t sector)
{
	struct snapshot *snap = read->snap;
	struct bio *clone = compat_bio_clone(origin_bdev(&snap->vol->origin), read->bio, GFP_NOIO,
					     &snap->clones);

	/*
	 * Writes to the origin may wait for this read: it must not be throttled as its reader is.
	 */
	bio_associate_blkg_from_css(clone, blkcg_root_css);
	clone->bi_iter = iter;
	clone->bi_iter.bi_sector = sector;
	clone->bi_end_io = clone_end_io;
	clone->bi_private = read;
	atomic_inc(&read->pending);
	bio_submit_own(clone);
}

static void read_zeros(struct snapshot_read *read, struct bvec_iter iter)
{
	struct bvec_iter at;
	struct bio_vec bvec;

	__bio_for_each_segment(bvec, read->bio, at, iter)
		memzero_bvec(&bvec);
}

/*
 * Read from copied blocks, the one at @position on, @offset sectors into it. Return: sectors
 * served, 0 on an error.
 */
static sector_t read_copies(struct snapshot_read *read, sector_t nr_sectors, u64 position,
			    unsigned int offset)
{
	sector_t in_block = min_t(sector_t, nr_sectors, COW_BLOCK_SECTORS - offset);
	struct snapshot *snap = read->snap;
	u64 at = position * COW_BLOCK_SECTORS + offset, sector, contiguous;
	s64 on_disk;

	on_disk = ring_read(snap->ring, position, offset * SECTOR_SIZE, read->bio,
			    part(read, in_block));
	if (on_disk <= 0)
		return on_disk ? 0 : in_block;
	contiguous = cow_file_map(snap->cow, at, &sector);
	nr_sectors = min3((u64)nr_sectors, contiguous, (u64)on_disk * COW_BLOCK_SECTORS - offset);
	if (nr_sectors)
		read_disk(read, part(read, nr_sectors), sector);
	return nr_sectors;
}

/* Read from the origin what is not the COW file's own. Return: sectors served. */
static sector_t read_origin(struct snapshot_read *read, sector_t nr_sectors)
{
	sector_t sector = read->bio->bi_iter.bi_sector + read->done;
	u64 first = sector, owned;

	owned = cow_file_odd_part(read->snap->cow, sector, nr_sectors, &first);
	if (owned && first == sector) {
		read_zeros(read, part(read, owned));
		return owned;
	}
	nr_sectors = owned ? first - sector : nr_sectors;
	read_disk(read, part(read, nr_sectors), sector);
	return nr_sectors;
}

/* Serve what @run says of the next sectors of the read. */
static void read_planned(struct snapshot_read *read, const struct core_run *run)
{
	sector_t sector = read->bio->bi_iter.bi_sector + read->done;
	unsigned int offset = sector % COW_BLOCK_SECTORS;
	sector_t left = bio_sectors(read->bio) - read->done;
	u64 position = le64_to_cpu(run->start);
	sector_t served;

	left = min_t(sector_t, left, (u64)le32_to_cpu(run->count) * COW_BLOCK_SECTORS - offset);
	while (left && !read->status) {
		served = left;
		switch (le32_to_cpu(run->kind)) {
		case CORE_RUN_ORIGIN:
			served = read_origin(read, left);
			break;
		case CORE_RUN_ZERO:
			read_zeros(read, part(read, left));
			break;
		case CORE_RUN_COW:
			served = read_copies(read, left, position + offset / COW_BLOCK_SECTORS,
					     offset % COW_BLOCK_SECTORS);
			break;
		default:
			served = 0;
		}
		if (!served)
			read->status = BLK_STS_IOERR;
		read->done += served;
		offset += served;
		left -= served;
	}
}

/*
 * Plan the rest of the read, or as much of it as the core does at once. Return: number of runs;
 * CORE_STATUS_MISS and @section; or -errno.
 */
static s64 plan_rest(struct snapshot_read *read, struct core_run *runs, u64 *section)
{
	struct volume *vol = read->snap->vol;
	sector_t sector = read->bio->bi_iter.bi_sector + read->done;
	sector_t left = bio_sectors(read->bio) - read->done;
	unsigned long flags;
	s64 ret;

	core_lock(&vol->core, flags);
	ret = vol->core.error;
	if (!ret)
		ret = wasm_plan_read(vol->core.engine, sector, left);
	if (ret > 0)
		ret = core_read_plan(&vol->core, runs, ret, ring_head(read->snap->ring)) ?: ret;
	else if (ret == CORE_STATUS_MISS)
		*section = wasm_miss_section(vol->core.engine);
	core_unlock(&vol->core, flags);
	return ret;
}

/*
 * Serve the rest of the read. Return: false if it misses an index section and may not wait for it
 * here.
 */
static bool serve(struct snapshot_read *read, bool may_wait)
{
	struct volume *vol = read->snap->vol;
	struct core_run runs[CORE_READ_RUNS_MAX];
	unsigned int tries = 0;
	u64 section = 0;
	s64 i, ret;

	while (read->done < bio_sectors(read->bio) && !read->status) {
		ret = plan_rest(read, runs, &section);
		if (ret == CORE_STATUS_MISS) {
			if (!may_wait)
				return false;
			ret = sections_again(vol, section, &tries);
		} else if (!ret) {
			ret = -EIO;
		}
		if (ret < 0) {
			core_fail(&vol->core, ret, "a snapshot read could not be planned");
			read->status = BLK_STS_IOERR;
		}
		if (ret > 0)
			tries = 0;
		for (i = 0; i < ret; i++)
			read_planned(read, &runs[i]);
	}
	return true;
}

static struct snapshot_read *next_queued(struct snapshot *snap)
{
	struct snapshot_read *read;

	spin_lock_irq(&snap->lock);
	read = list_first_entry_or_null(&snap->queue, struct snapshot_read, queued);
	if (read)
		list_del_init(&read->queued);
	spin_unlock_irq(&snap->lock);
	return read;
}

static void serve_queue(struct work_struct *work)
{
	struct snapshot *snap = container_of(work, struct snapshot, work);
	unsigned int noio = memalloc_noio_save();
	struct snapshot_read *read;

	while ((read = next_queued(snap))) {
		serve(read, true);
		read_put(read);
		cond_resched();
	}
	memalloc_noio_restore(noio);
}

void snapshot_read(struct snapshot *snap, struct bio *bio)
{
	struct snapshot_read *read = read_begin(snap, bio);
	unsigned long flags;

	if (serve(read, false)) {
		read_put(read);
		return;
	}
	spin_lock_irqsave(&snap->lock, flags);
	list_add_tail(&read->queued, &snap->queue);
	spin_unlock_irqrestore(&snap->lock, flags);
	queue_work(snap->wq, &snap->work);
}

int snapshot_reads_init(struct snapshot *snap)
{
	int err;

	compat_lock_init(&snap->reads_lock);
	INIT_LIST_HEAD(&snap->queue);
	INIT_WORK(&snap->work, serve_queue);
	snap->reads = RB_ROOT_CACHED;
	init_waitqueue_head(&snap->reads_wait);

	snap->wq = alloc_workqueue("datto_read%u", WQ_MEM_RECLAIM | WQ_UNBOUND, 1,
				   snap->vol->core.minor);
	if (!snap->wq)
		return -ENOMEM;
	err = mempool_init_kmalloc_pool(&snap->read_pool, SNAPSHOT_READS_MIN,
					sizeof(struct snapshot_read));
	if (err)
		goto free_wq;
	/*
	 * Clones are made in ->submit_bio(), where earlier ones are only queued: without a
	 * rescuer they could run out.
	 */
	err = bioset_init(&snap->clones, SNAPSHOT_READS_MIN, 0,
			  BIOSET_NEED_BVECS | BIOSET_NEED_RESCUER);
	if (err)
		goto free_pool;
	return 0;

free_pool:
	mempool_exit(&snap->read_pool);
free_wq:
	destroy_workqueue(snap->wq);
	return err;
}

static bool reads_ended(struct snapshot *snap)
{
	bool ended;

	spin_lock_irq(&snap->reads_wait.lock);
	ended = !snap->nr_reads;
	spin_unlock_irq(&snap->reads_wait.lock);
	return ended;
}

void snapshot_reads_exit(struct snapshot *snap)
{
	flush_work(&snap->work);
	wait_event(snap->reads_wait, reads_ended(snap));
	bioset_exit(&snap->clones);
	mempool_exit(&snap->read_pool);
	destroy_workqueue(snap->wq);
}
