// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of deferred writes:
 *
 *   deferred --> to_plan --> (jobs) --> ready --> released
 *
 * A write waits for its own blocks only. Urgent ones come first; after every few jobs for them one
 * is for the background.
 */
#include "core/room.h"
#include "io/copy.h"
#include "io/deferred.h"
#include "io/pipeline.h"
#include "io/reads.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "io/tracker.h"
#include "io/volume.h"

#define URGENT_JOBS 4 /* before one for the background */
#define SPARE_JOBS 8 /* that the background leaves to urgent writes, */
#define SPARE_SLOTS (RING_SLOTS / 4) /* as these slots */
#define SETTLE_WAIT (HZ / 50)

/* Return: NULL if nothing is copied: no snapshot mode, a failed device, a reload that loads. */
static struct snapshot *copying_for(struct volume *vol)
{
	struct snapshot *snap = NULL;
	unsigned long flags;

	core_lock(&vol->core, flags);
	if (vol->core.snapshot_mode && !vol->core.error && vol->clean.state != CLEAN_LOADING)
		snap = vol->snap;
	core_unlock(&vol->core, flags);
	return snap;
}

static void set_range(struct volume *vol, struct write *write)
{
	sector_t nr_sectors;

	if (write->bio) {
		nr_sectors = tracker_range(vol, write->bio, &write->next);
	} else {
		write->next = write->request->sector;
		nr_sectors = write->request->nr_sectors;
	}
	write->end = write->next + nr_sectors;
}

static bool needs_copies(const struct write *write)
{
	return !write->bio || bio_op(write->bio) != REQ_OP_DISCARD;
}

/* Nothing is left to plan, or to wait for? Then it is ready. */
static void sort_out(struct deferred *deferred, struct write *write)
{
	if (write->nr_jobs || !list_empty(&write->list))
		return;
	list_add_tail(&write->list, write->next < write->end ? &deferred->to_plan[write->urgent] :
							       &deferred->ready);
}

static void make_ready(struct deferred *deferred, struct write *write)
{
	write->next = write->end;
	sort_out(deferred, write);
}

/* Gather writes for one job. Return: number of them in @batch; @any: were there others? */
static unsigned int gather(struct volume *vol, struct snapshot *snap, bool urgent, bool more,
			   struct write **batch, bool *any)
{
	struct deferred *deferred = &vol->deferred;
	unsigned int nr = 0;
	u64 nr_blocks = 0;
	struct write *write;

	while (nr < JOB_WRITES && nr_blocks < JOB_BLOCKS &&
	       (write = deferred_next(deferred, urgent, more))) {
		int joined = 0;

		if (!write->end)
			set_range(vol, write);
		if (snap && needs_copies(write))
			joined = copies_join(snap->copies, write);
		*any = true;
		if (!snap || !needs_copies(write)) {
			make_ready(deferred, write);
		} else if (joined < 0) {
			list_add_tail(&write->list, &deferred->held);
		} else if (!joined) {
			batch[nr++] = write;
			nr_blocks += DIV_ROUND_UP_ULL(write->end, COW_BLOCK_SECTORS) -
				     write->next / COW_BLOCK_SECTORS;
		}
	}
	return nr;
}

/* Return: how many slots a job for such writes may take; 0: it cannot begin now. */
static unsigned int space_for(struct snapshot *snap, bool urgent)
{
	unsigned int spare_jobs = urgent ? 0 : SPARE_JOBS, spare = urgent ? 0 : SPARE_SLOTS, nr;

	if (copies_nr_free(snap->copies) <= spare_jobs)
		return 0;
	nr = ring_free(snap->ring, spare + 1);
	return nr > spare ? nr - spare : 0;
}

/* Begin a job for urgent writes, or for others. Return: was there anything to do? */
static bool begin_job(struct volume *vol, struct snapshot *snap, bool urgent, bool more)
{
	unsigned int space = snap ? space_for(snap, urgent) : 1, nr, i;
	struct write *batch[JOB_WRITES];
	bool any = false;
	int err = 0;

	if (!space)
		return false;
	nr = gather(vol, snap, urgent, more, batch, &any);
	if (nr)
		err = copies_start(snap->copies, batch, nr, space);
	for (i = 0; i < nr; i++) {
		if (err)
			make_ready(&vol->deferred, batch[i]);
		else if (batch[i]->next < batch[i]->end)
			list_add(&batch[i]->list, &vol->deferred.to_plan[urgent]);
		else
			sort_out(&vol->deferred, batch[i]);
	}
	if (any)
		vol->deferred.nr_urgent = urgent ? vol->deferred.nr_urgent + 1 : 0;
	return any;
}

static bool begin_jobs(struct volume *vol, bool more)
{
	struct snapshot *snap = copying_for(vol);
	bool any = false, urgent;

	if (snap && deferred_to_plan(&vol->deferred, more))
		fill_yield(&vol->fill, &vol->core);
	for (;;) {
		urgent = vol->deferred.nr_urgent < URGENT_JOBS;
		if (!begin_job(vol, snap, urgent, more) && !begin_job(vol, snap, !urgent, more))
			return any;
		any = true;
	}
}

/* Return: has any ended? */
static bool finish_jobs(struct volume *vol)
{
	struct snapshot *snap = READ_ONCE(vol->snap);
	struct write **writes, *write, *next;
	unsigned int nr, i;
	bool any = false;

	while (snap && (writes = copies_finish(snap->copies, &nr))) {
		for (i = 0; i < nr; i++) {
			writes[i]->nr_jobs--;
			sort_out(&vol->deferred, writes[i]);
		}
		any = true;
	}
	list_for_each_entry_safe(write, next, &vol->deferred.held, list) {
		if (!any)
			break;
		list_del_init(&write->list);
		sort_out(&vol->deferred, write);
	}
	return any;
}

/* For what tracker_release() found in the way, other than snapshot reads. */
static void wait_to_release(struct volume *vol, unsigned int *tries)
{
	int err;

	if (READ_ONCE(vol->core.error)) {
		cow_writes_wait(&vol->writes);
		return;
	}
	err = room_again(&vol->core, tries);
	if (err)
		core_fail(&vol->core, err,
			  "there is no memory to record a write; a full backup is needed");
}

/* Return: false if it waits for snapshot reads; the last of them wakes the worker. */
static bool release(struct volume *vol, struct write *write)
{
	unsigned int tries = 0;

	if (write->request) {
		complete(&write->request->done);
		copy_request_put(write->request);
		return true;
	}
	for (;;) {
		switch (tracker_release(vol, write->bio, write->older)) {
		case RELEASE_GONE:
			return true;
		case RELEASE_AFTER_READS:
			return false;
		default:
			wait_to_release(vol, &tries);
		}
	}
}

/* Return: did any go? */
static bool release_writes(struct volume *vol)
{
	struct deferred *deferred = &vol->deferred;
	struct snapshot *snap = READ_ONCE(vol->snap);
	unsigned int nr = 0, nr_bios = 0;
	struct write *write, *next;
	struct blk_plug plug;
	u64 background = 0;

	if (list_empty(&deferred->ready) && list_empty(&deferred->blocked))
		return false;
	list_for_each_entry(write, &deferred->ready, list)
		write->older = snap ? snapshot_reads_begun(snap) : 0;
	list_splice_tail_init(&deferred->ready, &deferred->blocked);
	if (snap)
		WRITE_ONCE(snap->wakes, true);
	blk_start_plug(&plug);
	list_for_each_entry_safe(write, next, &deferred->blocked, list) {
		bool is_bio = write->bio;

		if (!release(vol, write))
			continue;
		nr++;
		nr_bios += is_bio;
		background += write->background;
		list_del(&write->list);
		deferred_put(deferred, write);
	}
	blk_finish_plug(&plug);
	if (snap)
		WRITE_ONCE(snap->wakes, !list_empty(&deferred->blocked));
	if (nr)
		deferred_gone(deferred, nr_bios, background);
	return nr;
}

/* The snapshot may be taken from the device meanwhile; it is there until the worker was flushed. */
static void flush_copies(struct volume *vol)
{
	struct snapshot *snap = READ_ONCE(vol->snap);

	if (snap)
		ring_flush(snap->ring);
}

bool pipeline_step(struct volume *vol, bool more)
{
	bool any;

	any = finish_jobs(vol);
	any |= release_writes(vol);
	any |= begin_jobs(vol, more);
	flush_copies(vol);
	return any;
}

static bool is_settled(const struct volume *vol)
{
	const struct deferred *deferred = &vol->deferred;
	struct snapshot *snap = READ_ONCE(vol->snap);

	return (!snap || !copies_any(snap->copies)) && list_empty(&deferred->to_plan[false]) &&
	       list_empty(&deferred->to_plan[true]) && list_empty(&deferred->held) &&
	       list_empty(&deferred->ready);
}

static bool job_ended(const struct volume *vol)
{
	struct snapshot *snap = READ_ONCE(vol->snap);

	return snap && copies_ended(snap->copies);
}

static void step_or_wait(struct volume *vol)
{
	if (!pipeline_step(vol, false))
		wait_event_timeout(vol->worker.wait, job_ended(vol), SETTLE_WAIT);
}

void pipeline_settle(struct volume *vol)
{
	while (!is_settled(vol))
		step_or_wait(vol);
}

void pipeline_copy(struct volume *vol, sector_t sector, sector_t nr_sectors)
{
	struct copy_request request;
	unsigned long flags;

	copy_request_init(&request, sector, nr_sectors);
	core_lock(&vol->core, flags);
	deferred_request(&vol->deferred, &request);
	core_unlock(&vol->core, flags);
	while (!completion_done(&request.done))
		step_or_wait(vol);
}
