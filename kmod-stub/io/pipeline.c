// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of deferred writes:
 *
 *   deferred --> to_plan --> (jobs) --> ready --> released
 *
 * A write waits for its own blocks only. Urgent ones come first; after every few jobs for them one
 * is for the background. While they come the background has few jobs, so that they find the disk
 * idle.
 */
#include "io/copy.h"
#include "io/deferred.h"
#include "io/pipeline.h"
#include "io/release.h"
#include "io/ring.h"
#include "io/sender.h"
#include "io/snapshot.h"
#include "io/tracker.h"
#include "io/volume.h"

#define SPARE_JOBS 8 /* that the background leaves to urgent writes, */
#define BACKGROUND_JOBS 4 /* that it has while they come, */
#define URGENT_WAIT (HZ / 10) /* and so long after the last, */
#define SPARE_SLOTS (RING_SLOTS / 4) /* as these slots */
#define SETTLE_WAIT (HZ / 50)

/**
 * struct step
 * @snap: that writes are copied for, as the step began; NULL if nothing is copied: no snapshot
 * mode, a failed device, a reload that loads
 * @more: more writes are taken in hand
 * @guarded: also while the shutter is shut
 * @over: something changed, so the next step goes on
 */
struct step {
	struct snapshot *snap;
	bool more, guarded, over;
};

/* Context: core_lock. */
static struct snapshot *copying_for(struct volume *vol)
{
	bool copies =
		vol->core.snapshot_mode && !vol->core.error && vol->clean.state != CLEAN_LOADING;

	return copies ? vol->snap : NULL;
}

static void step_init(struct volume *vol, struct step *step)
{
	unsigned long flags;

	core_lock(&vol->core, flags);
	step->snap = copying_for(vol);
	core_unlock(&vol->core, flags);
}

/*
 * A write is in hand now: from here on no snapshot begins before it has gone. One that began since
 * the step did must be copied for, and a gate that was closed meanwhile stays closed for it.
 */
static bool is_as_before(struct volume *vol, const struct step *step)
{
	unsigned long flags;
	bool same, open;

	core_lock(&vol->core, flags);
	same = step->snap || !copying_for(vol);
	open = vol->clean.state == CLEAN_LOADING || step->guarded || !shutter_is_shut(vol);
	open = open && vol->clean.state != CLEAN_VALID;
	core_unlock(&vol->core, flags);
	return same && open;
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

/* The next write to plan, if there is one and the step is not over. */
static struct write *next_write(struct volume *vol, struct step *step, bool urgent)
{
	struct write *write;

	if (step->over)
		return NULL;
	write = deferred_next(&vol->deferred, urgent, step->more);
	if (!write || write->end)
		return write;
	set_range(vol, write);
	if (is_as_before(vol, step))
		return write;
	step->over = true;
	list_add(&write->list, &vol->deferred.to_plan[urgent]);
	return NULL;
}

/* Gather writes for one job. Return: number of them in @batch; @any: were there others? */
static unsigned int gather(struct volume *vol, struct step *step, bool urgent, struct write **batch,
			   bool *any)
{
	struct deferred *deferred = &vol->deferred;
	struct snapshot *snap = step->snap;
	unsigned int nr = 0;
	u64 nr_blocks = 0;
	struct write *write;

	while (nr < JOB_WRITES && nr_blocks < JOB_BLOCKS &&
	       (write = next_write(vol, step, urgent))) {
		int joined = 0;

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

static unsigned int spare_jobs(const struct deferred *deferred)
{
	bool urgent = time_before(jiffies, deferred->urgent_at + URGENT_WAIT);

	return urgent ? NR_JOBS - BACKGROUND_JOBS : SPARE_JOBS;
}

/* Return: how many slots a job may take, of all or but for the spare ones; 0: none begins now. */
static unsigned int space_for(struct volume *vol, struct snapshot *snap, bool all)
{
	unsigned int spare = all ? 0 : SPARE_SLOTS, nr;

	if (copies_nr_free(snap->copies) <= (all ? 0 : spare_jobs(&vol->deferred)))
		return 0;
	nr = ring_free(snap->ring, spare + 1);
	return nr > spare ? nr - spare : 0;
}

/* Begin a job for urgent writes, or for others. Return: was there anything to do? */
static bool begin_job(struct volume *vol, struct step *step, bool urgent)
{
	struct snapshot *snap = step->snap;

	/* In its turn the background has all, or it would get none where all is scarce. */
	bool all = urgent || vol->deferred.nr_urgent >= URGENT_JOBS, any = false;
	unsigned int space = snap ? space_for(vol, snap, all) : 1, nr, i;
	struct write *batch[JOB_WRITES];
	int err = 0;

	if (!space)
		return false;
	nr = gather(vol, step, urgent, batch, &any);
	if (nr)
		err = copies_start(snap->copies, batch, nr, space);
	for (i = 0; i < nr; i++) {
		if (err)
			make_ready(&vol->deferred, batch[i]);
		else if (batch[i]->next < batch[i]->end)
			list_add_tail(&batch[i]->list, &vol->deferred.to_plan[urgent]);
		else
			sort_out(&vol->deferred, batch[i]);
	}
	if (any)
		vol->deferred.nr_urgent = urgent ? vol->deferred.nr_urgent + 1 : 0;
	return any;
}

static bool begin_jobs(struct volume *vol, struct step *step)
{
	bool any = false, urgent;

	step_init(vol, step);
	if (step->snap && deferred_to_plan(&vol->deferred, step->more) &&
	    space_for(vol, step->snap, false))
		fill_yield(&vol->fill, &vol->core);
	do {
		urgent = vol->deferred.nr_urgent < URGENT_JOBS;
		if (!begin_job(vol, step, urgent) && !begin_job(vol, step, !urgent))
			break;
		any = true;
	} while (!step->over);
	return any || step->over;
}

/*
 * All that urgent writes wait for, then one for the background: what it commits takes long, and an
 * urgent write may have come meanwhile. Return: has any ended?
 */
static bool finish_jobs(struct volume *vol)
{
	struct snapshot *snap = READ_ONCE(vol->snap);
	struct write **writes, *write, *next;
	bool any = false, urgent = true;
	unsigned int nr, i;

	while (snap && urgent && (writes = copies_finish(snap->copies, &nr, &urgent))) {
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

/* The snapshot may be taken from the device meanwhile; it is there until the worker was flushed. */
static void flush_copies(struct volume *vol)
{
	struct snapshot *snap = READ_ONCE(vol->snap);

	if (snap)
		ring_flush(snap->ring);
}

bool pipeline_step(struct volume *vol, bool more, bool guarded)
{
	struct step step = { .more = more, .guarded = guarded };
	bool any;

	any = finish_jobs(vol);
	any |= release_writes(vol);
	any |= begin_jobs(vol, &step);
	flush_copies(vol);
	return any;
}

static bool is_settled(const struct volume *vol)
{
	const struct deferred *deferred = &vol->deferred;
	struct snapshot *snap = READ_ONCE(vol->snap);

	return (!snap || !copies_any(snap->copies)) && list_empty(&deferred->to_plan[false]) &&
	       list_empty(&deferred->to_plan[true]) && list_empty(&deferred->held) &&
	       list_empty(&deferred->ready) && !vol->sender.nr;
}

static bool is_due(const struct volume *vol)
{
	struct snapshot *snap = READ_ONCE(vol->snap);

	return (snap && copies_ended(snap->copies)) || sender_has_sent(&vol->sender);
}

static void step_or_wait(struct volume *vol)
{
	if (!pipeline_step(vol, false, true))
		wait_event_timeout(vol->worker.wait, is_due(vol), SETTLE_WAIT);
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
