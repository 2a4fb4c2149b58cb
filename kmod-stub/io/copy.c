// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preserving old content: the core plans which blocks to copy, the old data is read from the
 * origin into the ring's blocks at the positions that the blocks will get, and the core commits
 * them. From then on snapshot reads are served from the ring, until the copies are on disk.
 */
#include <linux/completion.h>
#include "core/room.h"
#include "cow/map.h"
#include "io/copy.h"
#include "io/reads.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "io/volume.h"

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
static unsigned int block_bytes(struct volume *vol, u64 block)
{
	return min_t(u64, (vol->core.nr_sectors - block * COW_BLOCK_SECTORS) * SECTOR_SIZE,
		     COW_BLOCK_SIZE);
}

/* Read @count blocks from @block on into the ring's blocks from @position on. */
static void read_run(struct volume *vol, struct reading *reading, u64 block, unsigned int count,
		     u64 position)
{
	struct ring *ring = snapshot_ring(vol->snap);

	while (count) {
		unsigned int in_bio = min_t(unsigned int, count, BIO_MAX_VECS);
		struct bio *bio = compat_bio_alloc(origin_bdev(&vol->origin), in_bio, REQ_OP_READ,
						   GFP_NOIO, &vol->read_bios);

		bio->bi_iter.bi_sector = block * COW_BLOCK_SECTORS;
		bio->bi_end_io = read_end_io;
		bio->bi_private = reading;
		count -= in_bio;
		while (in_bio--) {
			unsigned int bytes = block_bytes(vol, block++);

			memset(ring_block(ring, position) + bytes, 0, COW_BLOCK_SIZE - bytes);
			ring_add_block(ring, bio, position++, 0, bytes);
		}
		atomic_inc(&reading->pending);
		bio_submit_own(bio);
	}
}

static void zero_run(struct ring *ring, unsigned int count, u64 position)
{
	while (count--)
		memset(ring_block(ring, position++), 0, COW_BLOCK_SIZE);
}

/* What is the COW file's of blocks that it shares reads as zeros, however it is read. */
static void zero_odd_parts(struct volume *vol, u64 block, unsigned int count, u64 position)
{
	struct ring *ring = snapshot_ring(vol->snap);
	u64 start = block * COW_BLOCK_SECTORS, end = start + (u64)count * COW_BLOCK_SECTORS;
	u64 at = start, first, owned;

	for (; (owned = cow_file_odd_part(vol->cow, at, end - at, &first)); at = first + owned) {
		for (at = first; at < first + owned; at++)
			memset(ring_block(ring, position + (at - start) / COW_BLOCK_SECTORS) +
				       (at - start) % COW_BLOCK_SECTORS * SECTOR_SIZE,
			       0, SECTOR_SIZE);
	}
}

static int read_runs(struct volume *vol, const struct core_run *runs, unsigned int nr_runs)
{
	struct ring *ring = snapshot_ring(vol->snap);
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
			read_run(vol, &reading, le64_to_cpu(runs[i].start), count, position);
		position += count;
	}
	blk_finish_plug(&plug);
	reading_put(&reading);
	wait_for_completion_io(&reading.done);

	for (i = 0, position = ring_head(ring); i < nr_runs; i++) {
		unsigned int count = le32_to_cpu(runs[i].count);

		if (le32_to_cpu(runs[i].kind) != CORE_RUN_ZERO)
			zero_odd_parts(vol, le64_to_cpu(runs[i].start), count, position);
		position += count;
	}
	return blk_status_to_errno(reading.status);
}

/* Whether copying still makes sense. Context: core_lock. */
static bool wanted(const struct volume *vol)
{
	return vol->core.snapshot_mode && !vol->core.error;
}

/* A plan must fit into the ring, and lie on the origin. */
static bool plan_fits(const struct volume *vol, const struct core_run *runs, s64 nr_runs, u64 space)
{
	u64 nr_blocks = core_nr_blocks(&vol->core);
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
static s64 plan_locked(struct volume *vol, const struct core_range *ranges, unsigned int count,
		       unsigned int space)
{
	struct engine *engine = vol->core.engine;
	struct core_run *runs = vol->worker.runs;
	s64 ret = engine_write_buffer(engine, ranges, count * sizeof(*ranges)) ?:
			  wasm_plan_copy(engine, count, space);

	if (ret <= 0)
		return ret;
	if (engine_read_runs(engine, runs, ret))
		return -ENOTRECOVERABLE;
	return plan_fits(vol, runs, ret, space) ? ret :
						  engine_distrust(engine, CORE_PLAN_COPY, ret);
}

/*
 * Plan up to @space blocks. Return: number of runs (in vol->worker.runs), 0 if nothing is left to
 * copy, -%ECANCELED if nothing is wanted, or another -errno.
 */
static s64 plan(struct volume *vol, const struct core_range *ranges, unsigned int count,
		unsigned int space)
{
	unsigned long flags;
	s64 ret = -ECANCELED;

	core_lock(&vol->core, flags);
	if (wanted(vol))
		ret = plan_locked(vol, ranges, count, space);
	core_unlock(&vol->core, flags);
	return ret;
}

/* Commit one run, loading index sections as they are missed, and making room for bitmaps. */
static int commit_run(struct volume *vol, u64 block, unsigned int count)
{
	struct ring *ring = snapshot_ring(vol->snap);
	u64 section = 0;
	unsigned int tries = 0;
	int err;

	while (count) {
		unsigned long flags;
		s64 ret = 0;

		core_lock(&vol->core, flags);
		if (wanted(vol)) {
			ret = wasm_commit_copy(vol->core.engine, block, count);
			if (!ret)
				ret = engine_distrust(vol->core.engine, CORE_COMMIT_COPY, ret);
		}
		if (ret > 0) {
			ring_publish(ring, ret);
			snapshot_reads_divide(vol->snap);
			fill_note(&vol->fill, ring_head(ring));
		} else if (ret == CORE_STATUS_MISS) {
			section = wasm_miss_section(vol->core.engine);
		}
		core_unlock(&vol->core, flags);

		if (ret > 0) {
			block += ret;
			count -= ret;
			tries = 0;
			continue;
		}
		if (ret == CORE_STATUS_MISS)
			err = sections_again(vol, section, &tries);
		else
			err = ret == CORE_STATUS_ROOM ? room_again(&vol->core, &tries) : ret;
		if (err || !ret)
			return err;
	}
	return 0;
}

/*
 * Fail the device, unless it left snapshot mode meanwhile: then the core refuses to copy, and
 * nothing is lost.
 */
static void fail_copy(struct volume *vol, int error, const char *what)
{
	unsigned long flags;

	core_lock(&vol->core, flags);
	if (wanted(vol))
		core_fail_locked(&vol->core, error, what);
	core_unlock(&vol->core, flags);
	core_print(&vol->core);
}

/*
 * Read and commit what was planned. Return: number of blocks, or -errno after failing the device.
 */
static int copy_runs(struct volume *vol, const struct core_run *runs, unsigned int nr_runs)
{
	unsigned int i, total = 0;
	int err = read_runs(vol, runs, nr_runs);

	if (err) {
		fail_copy(vol, err, "old content could not be read from the origin");
		return err;
	}
	for (i = 0; i < nr_runs && !err; i++) {
		err = commit_run(vol, le64_to_cpu(runs[i].start), le32_to_cpu(runs[i].count));
		total += le32_to_cpu(runs[i].count);
	}
	if (err) {
		fail_copy(vol, err,
			  err == -EFBIG ? "the COW file is full" :
					  "old content could not be preserved");
		return err;
	}
	return total;
}

/* Return: is all of @slice copied? Not if the device fails, or leaves snapshot mode. */
static bool copy_slice(struct volume *vol, const struct core_range *slice, unsigned int count)
{
	/* vol->snap is there until this worker was drained after snapshot mode had been left. */
	while (READ_ONCE(vol->core.snapshot_mode)) {
		struct ring *ring = snapshot_ring(vol->snap);
		unsigned int space = min_t(unsigned int, ring_wait_free(ring), COPY_BLOCKS);
		s64 nr_runs = plan(vol, slice, count, space), copied = 0;

		if (nr_runs < 0)
			fail_copy(vol, nr_runs, "the core could not plan a copy");
		else if (nr_runs > 0)
			copied = copy_runs(vol, vol->worker.runs, nr_runs);
		if (nr_runs < 0 || copied < 0)
			return false;
		if (copied == space)
			ring_flush(ring);
		else if (nr_runs < CORE_PLAN_RUNS_MAX)
			return true;
	}
	return false;
}

/*
 * The core looks at %CORE_PLAN_BLOCKS_MAX blocks in one call: put so much of @ranges into @slice,
 * from sector *@from on, up to which all is copied. Return: number of ranges in @slice.
 */
static unsigned int next_slice(const struct core_range *ranges, unsigned int count, u64 *from,
			       struct core_range *slice)
{
	u64 left = CORE_PLAN_BLOCKS_MAX;
	unsigned int i, nr = 0;

	for (i = 0; i < count && left; i++) {
		u64 range = le64_to_cpu(ranges[i].sector);
		u64 sector = max(range, *from);
		u64 end = range + le64_to_cpu(ranges[i].nr_sectors);
		u64 block = sector / COW_BLOCK_SECTORS, blocks;

		if (sector >= end)
			continue;
		blocks = min(DIV_ROUND_UP_ULL(end, COW_BLOCK_SECTORS) - block, left);
		end = min(end, (block + blocks) * COW_BLOCK_SECTORS);
		slice[nr].sector = cpu_to_le64(sector);
		slice[nr++].nr_sectors = cpu_to_le64(end - sector);
		left -= blocks;
		*from = end;
	}
	return nr;
}

void copy_ranges(struct volume *vol, const struct core_range *ranges, unsigned int count)
{
	unsigned int nr;
	u64 from = 0;

	static_assert(COPY_RANGES <= CORE_PLAN_RANGES_MAX);
	do {
		nr = next_slice(ranges, count, &from, vol->worker.slice);
	} while (nr && copy_slice(vol, vol->worker.slice, nr));
}
