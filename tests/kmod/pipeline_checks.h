/* SPDX-License-Identifier: GPL-2.0-only */
/* What holds of a volume at every moment at which its worker does not run. */
#ifndef PIPELINE_CHECKS_H
#define PIPELINE_CHECKS_H

static void check_lists(void)
{
	const struct deferred *deferred = &vol.deferred;
	bool urgent = !list_empty(&deferred->to_plan[1]) || deferred->urgent.head;
	unsigned int in_jobs = 0, used = 0, i, nr = 0;
	struct job *job;

	for (i = 0; i < WRITES_MAX; i++) {
		nr += is_in_hand(&deferred->pool[i]);
		in_jobs += is_in_hand(&deferred->pool[i]) ? deferred->pool[i].nr_jobs : 0;
		if (is_in_hand(&deferred->pool[i]) && deferred->pool[i].nr_jobs > 1)
			met("in several jobs");
	}
	CHECK(nr == deferred->nr_active);
	list_for_each_entry(job, &snapshot.copies->under_way, list) {
		CHECK(job->nr_writes && job->nr_writes <= JOB_WRITES);
		in_jobs -= job->nr_writes;
		used += job->nr_blocks;
	}
	CHECK(!in_jobs);
	used += snapshot.ring->head - snapshot.ring->tail;
	CHECK(snapshot.ring->nr_free == RING_SLOTS - used);
	if (urgent && !snapshot.copies->nr_free)
		met("no job free");
	if (!list_empty(&deferred->to_plan[0]) && snapshot.copies->nr_free <= FEW_JOBS &&
	    snapshot.copies->nr_free)
		met("jobs left to urgent ones");
}

static void check_all(void)
{
	u64 most[] = { BACKGROUND_MAX / SECTOR_SIZE, URGENT_MAX };
	u64 block = below(core_nr_blocks(&vol.core));
	const struct deferred *deferred = &vol.deferred;
	u64 counted[2] = { sums[0], sums[1] };
	unsigned int i, nr_counted = nr_deferred;
	struct write *write;

	check_fresh();
	CHECK(!locks_held);
	/* The worker does not know yet that they have gone. */
	list_for_each_entry(write, &vol.sender.sent, list) {
		nr_counted++;
		counted[write->crowd] += write->counts;
	}
	CHECK(deferred->nr_deferred - deferred->nr_gone == nr_counted);
	for (i = 0; i < 2; i++) {
		CHECK(deferred->crowds[i].nr == counted[i] && deferred->crowds[i].full == paced[i]);
		CHECK(paced[i] ? counted[i] > most[i] * 3 / 4 : counted[i] <= most[i]);
	}
	CHECK(deferred->passed <= may_be_passed());
	CHECK(!nr_deferred || deferred_waiting(deferred));
	if (vol.snap) {
		check_lists();
		if (blocks[block].position)
			check_copy(block);
	}
	look_at_requests();
}

static bool is_behind_reads(const struct writer *writer)
{
	unsigned int i;

	for (i = 0; i < nr_reads; i++) {
		if (reads[i]->start < writer->sector + writer->nr &&
		    writer->sector <= reads[i]->last && reads[i]->number < writer->older)
			return true;
	}
	return false;
}

/* Nothing is left to happen but that reads end. */
static void check_quiet(void)
{
	const struct deferred *deferred = &vol.deferred;
	bool too_many = deferred->nr_active >= WRITES_MAX - FEW_WRITES;
	unsigned int i;

	check_all();
	CHECK(!vol.snap || !copies_any(snapshot.copies));
	for (i = 0; i < nr_writers && !too_many; i++)
		CHECK(writers[i]->blocked && is_behind_reads(writers[i]));
	CHECK(nr_requests == 0 || deferred->nr_active == WRITES_MAX);
	CHECK(!vol.core.error || !nr_deferred);
	if (too_many)
		return;
	/* An earlier barrier may be passed late, with a later one. */
	CHECK((deferred->passed == deferred->barrier) == (may_be_passed() == deferred->barrier));
	if (deferred->passed == deferred->barrier)
		met("barriers passed");
	else
		met("barrier waits");
}

/* From here on it is like a device that never was in snapshot mode. */
static void drop_snapshot(void)
{
	if (!vol.snap)
		return;
	vol.snap = NULL;
	CHECK(snapshot.copies->nr_free == NR_JOBS && !snapshot.nr_reads && !snapshot.reads.first);
	ring_drain(snapshot.ring);
	CHECK(snapshot.ring->nr_free == RING_SLOTS);
	CHECK(find_first_zero_bit(snapshot.ring->used, RING_SLOTS) == 0);
	copies_destroy(snapshot.copies);
	ring_destroy(snapshot.ring);
}

#endif
