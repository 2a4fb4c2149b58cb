// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preserving old content. A job copies up to JOB_BLOCKS blocks: the core plans them, what they hold
 * is read from the origin into slots of the ring, and the core commits them. From then on snapshot
 * reads are served from the ring, until the copies are on disk.
 *
 * Several jobs read at once and end in any order; the worker commits those that have ended. A block
 * that a job reads is not planned again: who else touches it joins the job.
 */
#include <linux/slab.h>
#include <linux/sort.h>
#include "core/room.h"
#include "io/copy.h"
#include "io/deferred.h"
#include "io/reads.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "io/volume.h"

/* The core looks at CORE_PLAN_BLOCKS_MAX blocks in one call; only the last range is a long one. */
#define RANGE_BLOCKS (CORE_PLAN_BLOCKS_MAX - JOB_BLOCKS)

static_assert(JOB_WRITES <= CORE_PLAN_RANGES_MAX);

/* Whether copying still makes sense. Context: core_lock. */
static bool wanted(const struct volume *vol)
{
	return vol->core.snapshot_mode && !vol->core.error;
}

/*
 * A plan must fit into the slots, ascend from block @at on, so that something of the writes is
 * planned, and lie on the origin.
 */
static bool plan_fits(const struct volume *vol, const struct core_run *runs, s64 nr_runs, u64 at,
		      u64 space)
{
	u64 nr_blocks = core_nr_blocks(&vol->core);
	s64 i;

	for (i = 0; i < nr_runs; i++) {
		u32 kind = le32_to_cpu(runs[i].kind);
		u64 start = le64_to_cpu(runs[i].start), count = le32_to_cpu(runs[i].count);

		if ((kind != CORE_RUN_ORIGIN && kind != CORE_RUN_ZERO) || !count || count > space ||
		    start < at || start >= nr_blocks || count > nr_blocks - start)
			return false;
		space -= count;
		at = start + count;
	}
	return true;
}

/* Context: core_lock. */
static s64 plan_locked(struct job *job, unsigned int nr_ranges, unsigned int space)
{
	struct volume *vol = job->copies->snap->vol;
	struct core_range *ranges = job->copies->ranges;
	struct engine *engine = vol->core.engine;
	u64 first = le64_to_cpu(ranges[0].sector) / COW_BLOCK_SECTORS;
	s64 ret = engine_write_buffer(engine, ranges, nr_ranges * sizeof(*ranges)) ?:
			  wasm_plan_copy(engine, nr_ranges, space);

	if (ret <= 0)
		return ret;
	if (engine_read_runs(engine, job->runs, ret))
		return -ENOTRECOVERABLE;
	if (plan_fits(vol, job->runs, ret, first, space))
		return ret;
	return engine_distrust(engine, CORE_PLAN_COPY, ret);
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
 * Plan the copying of up to @space blocks of the first @nr_ranges ranges. Return: 0, or -errno:
 * -%ECANCELED if nothing is wanted.
 */
static int plan_job(struct job *job, unsigned int nr_ranges, unsigned int space)
{
	struct volume *vol = job->copies->snap->vol;
	unsigned int i;
	unsigned long flags;
	s64 ret = -ECANCELED;

	core_lock(&vol->core, flags);
	if (wanted(vol))
		ret = plan_locked(job, nr_ranges, space);
	core_unlock(&vol->core, flags);
	if (ret < 0) {
		fail_copy(vol, ret, "the core could not plan a copy");
		return ret;
	}
	job->nr_runs = ret;
	job->nr_blocks = 0;
	for (i = 0; i < job->nr_runs; i++)
		job->nr_blocks += le32_to_cpu(job->runs[i].count);
	return 0;
}

static u64 end_of(const struct core_run *run)
{
	return le64_to_cpu(run->start) + le32_to_cpu(run->count);
}

static int compare_writes(const void *a, const void *b)
{
	const struct write *left = *(struct write *const *)a, *right = *(struct write *const *)b;

	return left->next < right->next ? -1 : left->next > right->next;
}

static void set_ranges(struct copies *copies, struct write **writes, unsigned int nr_writes)
{
	unsigned int i;

	sort(writes, nr_writes, sizeof(*writes), compare_writes, NULL);
	for (i = 0; i < nr_writes; i++) {
		u64 most = (writes[i]->next / COW_BLOCK_SECTORS + RANGE_BLOCKS) * COW_BLOCK_SECTORS;
		u64 end = min_t(u64, writes[i]->end, most);

		copies->ranges[i].sector = cpu_to_le64(writes[i]->next);
		copies->ranges[i].nr_sectors = cpu_to_le64(end - writes[i]->next);
	}
}

static void add_write(struct job *job, struct write *write)
{
	job->writes[job->nr_writes++] = write;
	job->urgent |= write->urgent;
	write->nr_jobs++;
}

/* Each write is planned up to @planned, a sector. The job is for those that have a part. */
static void move_on(struct job *job, struct write **writes, unsigned int nr_writes, u64 planned)
{
	unsigned int i;

	job->nr_writes = 0;
	job->urgent = false;
	for (i = 0; i < nr_writes; i++) {
		const struct core_range *range = &job->copies->ranges[i];
		u64 end = le64_to_cpu(range->sector) + le64_to_cpu(range->nr_sectors);

		if (writes[i]->next >= planned)
			break;
		writes[i]->next = min(end, planned);
		if (job->nr_runs)
			add_write(job, writes[i]);
	}
}

static void submit_job(struct job *job)
{
	struct copies *copies = job->copies;

	job->first = le64_to_cpu(job->runs[0].start);
	job->last = end_of(&job->runs[job->nr_runs - 1]) - 1;
	list_move_tail(&job->list, &copies->under_way);
	copies->nr_free--;
	ring_take(copies->snap->ring, job->slots, job->nr_blocks);
	job_read(job);
}

int copies_start(struct copies *copies, struct write **writes, unsigned int nr_writes,
		 unsigned int space)
{
	struct job *job = list_first_entry(&copies->free, struct job, list);
	u64 planned = U64_MAX;
	int err;

	space = min_t(unsigned int, space, JOB_BLOCKS);
	set_ranges(copies, writes, nr_writes);
	err = plan_job(job, nr_writes, space);
	if (err)
		return err;
	if (job->nr_blocks == space || job->nr_runs == CORE_PLAN_RUNS_MAX)
		planned = end_of(&job->runs[job->nr_runs - 1]) * COW_BLOCK_SECTORS;
	move_on(job, writes, nr_writes, planned);
	if (job->nr_runs)
		submit_job(job);
	return 0;
}

/* Does the job copy one of the blocks from @first to @last? */
static bool copies_any_of(const struct job *job, u64 first, u64 last)
{
	unsigned int low = 0, high = job->nr_runs;

	if (first > job->last || last < job->first)
		return false;
	while (low < high) { /* the first run that ends behind @first */
		unsigned int middle = (low + high) / 2;

		if (end_of(&job->runs[middle]) > first)
			high = middle;
		else
			low = middle + 1;
	}
	return low < job->nr_runs && le64_to_cpu(job->runs[low].start) <= last;
}

int copies_join(struct copies *copies, struct write *write)
{
	u64 first = write->next / COW_BLOCK_SECTORS, last = (write->end - 1) / COW_BLOCK_SECTORS;
	struct job *job;

	list_for_each_entry(job, &copies->under_way, list) {
		if (!copies_any_of(job, first, last))
			continue;
		if (job->nr_writes == JOB_WRITES)
			return -EBUSY;
		add_write(job, write);
		return 1;
	}
	return 0;
}

/*
 * Commit one run, loading index sections as they are missed, and making room for bitmaps. Return: 0
 * or -errno. @done: how many blocks have their positions
 */
static int commit_run(struct snapshot *snap, u64 block, unsigned int count, const u16 *slots,
		      unsigned int *done)
{
	struct volume *vol = snap->vol;
	u64 section = 0;
	unsigned int tries = 0;
	int err;

	while (*done < count) {
		unsigned long flags;
		s64 ret = 0;

		core_lock(&vol->core, flags);
		if (wanted(vol)) {
			ret = wasm_commit_copy(vol->core.engine, block + *done, count - *done);
			if (!ret)
				ret = engine_distrust(vol->core.engine, CORE_COMMIT_COPY, ret);
		}
		if (ret > 0) {
			ring_publish(snap->ring, slots + *done, ret);
			snapshot_reads_divide(snap);
			fill_note(&vol->fill, ring_head(snap->ring));
		} else if (ret == CORE_STATUS_MISS) {
			section = wasm_miss_section(vol->core.engine);
		}
		core_unlock(&vol->core, flags);

		if (ret > 0) {
			*done += ret;
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

/* Commit all of it. What is not committed, after a failure, gives its slots back. */
static void commit(struct job *job)
{
	struct snapshot *snap = job->copies->snap;
	const u16 *slots = job->slots;
	unsigned int i, count, done;
	int err = blk_status_to_errno(job->status);
	const char *what = "old content could not be read from the origin";

	for (i = 0; i < job->nr_runs; i++, slots += count) {
		u64 block = le64_to_cpu(job->runs[i].start);

		count = le32_to_cpu(job->runs[i].count);
		done = 0;
		if (!err) {
			if (le32_to_cpu(job->runs[i].kind) != CORE_RUN_ZERO)
				job_zero_odd(snap, block, count, slots);
			err = commit_run(snap, block, count, slots, &done);
			what = err == -EFBIG ? "the COW file is full" :
					       "old content could not be preserved";
		}
		if (done < count)
			ring_put(snap->ring, slots + done, count - done);
	}
	if (err)
		fail_copy(snap->vol, err, what);
}

/* Context: copies->lock. Return: the job to commit next, or NULL. */
static struct job *next_ended(struct copies *copies)
{
	struct job *job;

	list_for_each_entry(job, &copies->ended, ended) {
		if (job->urgent)
			return job;
	}
	return list_first_entry_or_null(&copies->ended, struct job, ended);
}

struct write **copies_finish(struct copies *copies, unsigned int *nr_writes, bool *urgent)
{
	struct job *job;

	spin_lock_irq(&copies->lock);
	job = next_ended(copies);
	if (job)
		list_del(&job->ended);
	spin_unlock_irq(&copies->lock);
	if (!job)
		return NULL;
	commit(job);
	list_move(&job->list, &copies->free);
	copies->nr_free++;
	*nr_writes = job->nr_writes;
	*urgent = job->urgent;
	return job->writes;
}

bool copies_ended(struct copies *copies)
{
	return !list_empty(&copies->ended);
}

bool copies_any(const struct copies *copies)
{
	return !list_empty(&copies->under_way);
}

unsigned int copies_nr_free(const struct copies *copies)
{
	return copies->nr_free;
}

struct copies *copies_create(struct snapshot *snap)
{
	struct copies *copies = kvzalloc(sizeof(*copies), GFP_KERNEL);
	unsigned int i;

	if (!copies)
		return NULL;
	copies->snap = snap;
	copies->nr_free = NR_JOBS;
	spin_lock_init(&copies->lock);
	INIT_LIST_HEAD(&copies->free);
	INIT_LIST_HEAD(&copies->under_way);
	INIT_LIST_HEAD(&copies->ended);
	for (i = 0; i < NR_JOBS; i++) {
		copies->jobs[i].copies = copies;
		list_add_tail(&copies->jobs[i].list, &copies->free);
	}
	return copies;
}

void copies_destroy(struct copies *copies)
{
	kvfree(copies);
}
