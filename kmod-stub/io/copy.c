// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preserving old content: the core plans which blocks to copy, the old data is read from the
 * origin into the ring's blocks at the positions that the blocks will get, and the core commits
 * them. From then on snapshot reads are served from the ring, until the copies are on disk.
 */
#include <linux/completion.h>
#include "control/grow_cow.h"
#include "io/reads.h"
#include "io/ring.h"
#include "io/memory.h"
#include "io/sections.h"

/* One wait for any number of reads. */
struct reading {
	atomic_t pending;
	blk_status_t status;
	struct completion done;
};

static void reading_put(struct reading *reading)
{
	if (atomic_dec_and_test(&reading->pending))
		complete(&reading->done);
}

static void read_end_io(struct bio *bio)
{
	struct reading *reading = bio->bi_private;

	if (bio->bi_status)
		reading->status = bio->bi_status;
	bio_put(bio);
	reading_put(reading);
}

/* Bytes of @block that exist: the last block of an origin may be partial. */
static unsigned int block_bytes(struct dattobd_device *dev, u64 block)
{
	return min_t(u64, (dev->nr_sectors - block * COW_BLOCK_SECTORS) * SECTOR_SIZE,
		     COW_BLOCK_SIZE);
}

/* Read @count blocks from @block on into the ring's blocks from @position on. */
static void read_run(struct dattobd_device *dev, struct reading *reading, u64 block,
		     unsigned int count, u64 position)
{
	struct ring *ring = snapshot_ring(dev->snap);

	while (count) {
		unsigned int in_bio = min_t(unsigned int, count, BIO_MAX_VECS);
		struct bio *bio = compat_bio_alloc(origin_bdev(dev), in_bio, REQ_OP_READ, GFP_NOIO,
						   &dev->read_bios);

		bio->bi_iter.bi_sector = block * COW_BLOCK_SECTORS;
		bio->bi_end_io = read_end_io;
		bio->bi_private = reading;
		count -= in_bio;
		while (in_bio--) {
			unsigned int bytes = block_bytes(dev, block++);

			memset(ring_block(ring, position) + bytes, 0, COW_BLOCK_SIZE - bytes);
			ring_add_block(ring, bio, position++, 0, bytes);
		}
		atomic_inc(&reading->pending);
		intercept_submit(bio);
	}
}

static void zero_run(struct ring *ring, unsigned int count, u64 position)
{
	while (count--)
		memset(ring_block(ring, position++), 0, COW_BLOCK_SIZE);
}

/* What is the COW file's of blocks that it shares reads as zeros, however it is read. */
static void zero_odd_parts(struct dattobd_device *dev, u64 block, unsigned int count, u64 position)
{
	struct ring *ring = snapshot_ring(dev->snap);
	u64 start = block * COW_BLOCK_SECTORS, end = start + (u64)count * COW_BLOCK_SECTORS;
	u64 at = start, first, owned;

	for (; (owned = cow_file_odd_part(dev->cow, at, end - at, &first)); at = first + owned) {
		for (at = first; at < first + owned; at++)
			memset(ring_block(ring, position + (at - start) / COW_BLOCK_SECTORS) +
				       (at - start) % COW_BLOCK_SECTORS * SECTOR_SIZE,
			       0, SECTOR_SIZE);
	}
}

static int read_runs(struct dattobd_device *dev, const struct core_run *runs, unsigned int nr_runs)
{
	struct ring *ring = snapshot_ring(dev->snap);
	struct reading reading = { .pending = ATOMIC_INIT(1) };
	u64 position = ring_head(ring);
	struct blk_plug plug;
	unsigned int i;

	init_completion(&reading.done);
	blk_start_plug(&plug);
	for (i = 0; i < nr_runs; i++) {
		unsigned int count = le32_to_cpu(runs[i].count);

		if (le32_to_cpu(runs[i].kind) == CORE_RUN_ZERO)
			zero_run(ring, count, position);
		else
			read_run(dev, &reading, le64_to_cpu(runs[i].start), count, position);
		position += count;
	}
	blk_finish_plug(&plug);
	reading_put(&reading);
	wait_for_completion_io(&reading.done);

	for (i = 0, position = ring_head(ring); i < nr_runs; i++) {
		unsigned int count = le32_to_cpu(runs[i].count);

		if (le32_to_cpu(runs[i].kind) != CORE_RUN_ZERO)
			zero_odd_parts(dev, le64_to_cpu(runs[i].start), count, position);
		position += count;
	}
	return blk_status_to_errno(reading.status);
}

/* Whether copying still makes sense. Context: core_lock. */
static bool wanted(const struct dattobd_device *dev)
{
	return dev->snapshot_mode && !dev->error;
}

/* A plan must fit into the ring, and lie on the origin. */
static bool plan_fits(const struct dattobd_device *dev, const struct core_run *runs, s64 nr_runs,
		      u64 space)
{
	u64 nr_blocks = device_nr_blocks(dev);
	s64 i;

	for (i = 0; i < nr_runs; i++) {
		u32 kind = le32_to_cpu(runs[i].kind);
		u64 start = le64_to_cpu(runs[i].start), count = le32_to_cpu(runs[i].count);

		if ((kind != CORE_RUN_ORIGIN && kind != CORE_RUN_ZERO) || !count || count > space ||
		    start >= nr_blocks || count > nr_blocks - start)
			return false;
		space -= count;
	}
	return true;
}

/* Context: core_lock. */
static s64 plan_locked(struct dattobd_device *dev, const struct core_range *ranges,
		       unsigned int count, unsigned int space)
{
	void *buffer = engine_memory(dev->engine, CORE_BUFFER_ADDRESS, dev->buffer_address,
				     count * sizeof(*ranges));
	const void *runs;
	s64 ret;

	if (!buffer)
		return -ENOTRECOVERABLE;
	memcpy(buffer, ranges, count * sizeof(*ranges));
	ret = engine_ask(dev->engine, CORE_PLAN_COPY, count, space, 0, space);
	if (ret <= 0)
		return ret;
	runs = engine_memory(dev->engine, CORE_RUNS_ADDRESS, dev->runs_address,
			     ret * sizeof(*dev->runs));
	if (!runs)
		return -ENOTRECOVERABLE;
	memcpy(dev->runs, runs, ret * sizeof(*dev->runs));
	return plan_fits(dev, dev->runs, ret, space) ?
		       ret :
		       engine_distrust(dev->engine, CORE_PLAN_COPY, ret);
}

/*
 * Plan up to @space blocks. Return: number of runs (in dev->runs), 0 if nothing is left to copy,
 * or -errno.
 */
static s64 plan(struct dattobd_device *dev, const struct core_range *ranges, unsigned int count,
		unsigned int space)
{
	unsigned long flags;
	s64 ret = 0;

	core_lock(dev, flags);
	if (wanted(dev))
		ret = plan_locked(dev, ranges, count, space);
	core_unlock(dev, flags);
	return ret;
}

/* Commit one run, loading index sections as they are missed, and making room for bitmaps. */
static int commit_run(struct dattobd_device *dev, u64 block, unsigned int count)
{
	struct ring *ring = snapshot_ring(dev->snap);
	u64 section = 0;
	int err;

	while (count) {
		unsigned long flags;
		s64 ret = 0;

		core_lock(dev, flags);
		if (wanted(dev)) {
			ret = engine_ask(dev->engine, CORE_COMMIT_COPY, block, count, 0, count);
			if (!ret)
				ret = engine_distrust(dev->engine, CORE_COMMIT_COPY, ret);
		}
		if (ret > 0) {
			ring_publish(ring, ret);
			snapshot_reads_divide(dev->snap);
			auto_expand_note(dev, ring_head(ring));
		} else if (ret == CORE_STATUS_MISS) {
			section = engine_call(dev->engine, CORE_MISS_SECTION, 0, 0, 0);
		}
		core_unlock(dev, flags);

		if (ret > 0) {
			block += ret;
			count -= ret;
			continue;
		}
		if (ret == CORE_STATUS_MISS)
			err = sections_load(dev, section);
		else
			err = ret == CORE_STATUS_ROOM ? room_make(dev) : ret;
		if (err || !ret)
			return err;
	}
	return 0;
}

/*
 * Fail the device, unless it left snapshot mode meanwhile: then the core refuses to copy, and
 * nothing is lost.
 */
static void fail_copy(struct dattobd_device *dev, int error, const char *what)
{
	unsigned long flags;

	core_lock(dev, flags);
	if (wanted(dev))
		device_fail_locked(dev, error, what);
	core_unlock(dev, flags);
}

/*
 * Read and commit what was planned. Return: number of blocks, or -errno after failing the device.
 */
static int copy_runs(struct dattobd_device *dev, const struct core_run *runs, unsigned int nr_runs)
{
	unsigned int i, total = 0;
	int err = read_runs(dev, runs, nr_runs);

	if (err) {
		fail_copy(dev, err, "old content could not be read from the origin");
		return err;
	}
	for (i = 0; i < nr_runs && !err; i++) {
		err = commit_run(dev, le64_to_cpu(runs[i].start), le32_to_cpu(runs[i].count));
		total += le32_to_cpu(runs[i].count);
	}
	if (err) {
		fail_copy(dev, err,
			  err == -EFBIG ? "the COW file is full" :
					  "old content could not be preserved");
		return err;
	}
	return total;
}

void copy_ranges(struct dattobd_device *dev, const struct core_range *ranges, unsigned int count)
{
	/* dev->snap is there until this worker was drained after snapshot mode had been left. */
	while (count && READ_ONCE(dev->snapshot_mode)) {
		struct ring *ring = snapshot_ring(dev->snap);
		unsigned int space = min_t(unsigned int, ring_wait_free(ring), COPY_BLOCKS);
		s64 ret = plan(dev, ranges, count, space);

		if (ret < 0)
			fail_copy(dev, ret, "the core could not plan a copy");
		else if (ret > 0)
			ret = copy_runs(dev, dev->runs, ret);
		if (ret < (s64)space)
			return; /* all copied, or failed */
		ring_flush(ring);
	}
}
