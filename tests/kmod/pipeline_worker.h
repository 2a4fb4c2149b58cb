/* SPDX-License-Identifier: GPL-2.0-only */
/* The worker, which runs when it was woken: as io/worker.c, one look at a time. */
#ifndef PIPELINE_WORKER_H
#define PIPELINE_WORKER_H

static bool running;
static unsigned int seen; /* wake-ups that it has noticed */
static unsigned int fruitless; /* steps of a wait in which nobody did anything */

/* The sender runs, if it was woken. Return: was it? */
static bool send_some(void)
{
	struct workqueue_struct *wq = vol.sender.wq;

	if (!wq->queued)
		return false;
	wq->queued = 0;
	met("sent");
	wq->work->run(wq->work);
	return true;
}

/* Somebody does something while the worker waits. */
static bool wait_a_step(void)
{
	if ((one_in(2) && send_some()) || disk_end_one() || end_read() || send_some())
		fruitless = 0;
	else
		CHECK(fruitless++ < 20);
	return true;
}

static void settle(void)
{
	struct deferred *deferred = &vol.deferred;

	pipeline_settle(&vol);
	CHECK(list_empty(&deferred->to_plan[0]) && list_empty(&deferred->to_plan[1]));
	CHECK(list_empty(&deferred->held) && list_empty(&deferred->ready));
	CHECK(!vol.snap || !copies_any(snapshot.copies));
	CHECK(list_empty(&vol.sender.to_send) && list_empty(&vol.sender.sent));
	met("settled");
}

static void copy(void)
{
	u64 sector = any_sector(), nr = min(between(1, 600), vol.core.nr_sectors - sector);

	pipeline_copy(&vol, sector, nr);
	check_copied(sector, nr);
	met("copied for the worker");
}

/* As pass_gate() of io/worker.c. Return: may the worker go on? */
static bool pass(bool *guarded)
{
	bool wanted;
	unsigned long flags;

	core_lock(&vol.core, flags);
	wanted = deferred_waiting(&vol.deferred);
	*guarded = vol.clean.state == CLEAN_VALID;
	vol.clean.spoiled |= vol.clean.state == CLEAN_LOADING && wanted;
	core_unlock(&vol.core, flags);
	if (!*guarded)
		return true;
	if (!wanted)
		return false;
	vol.clean.state = CLEAN_WRITING;
	if (one_in(2))
		copy();
	core_lock(&vol.core, flags);
	vol.clean.state = CLEAN_NONE;
	core_unlock(&vol.core, flags);
	return true;
}

/* What the worker does between two looks at whether it must go on. */
static void work(void)
{
	bool any = false, guarded;

	if (!running)
		seen = queue.queued;
	none[0] = none[1] = false;
	in_turn = false;
	late_decide(&vol);
	closed = false;
	if (pass(&guarded)) {
		any = pipeline_step(&vol, true, guarded);
		if (guarded)
			settle();
	}
	deferred_pass(&vol.deferred);
	running = any;
}

static bool woken(void)
{
	return running || queue.queued != seen;
}

#endif
