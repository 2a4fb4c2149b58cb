/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order in which deferred writes have their turn, and what becomes of each: the functions that
 * decide it are called through here.
 */
#ifndef PIPELINE_TURNS_H
#define PIPELINE_TURNS_H

#define TURNS 4 /* for urgent writes, before one for the background */
#define FEW_JOBS 8 /* left to urgent writes, */
#define MANY_JOBS 28 /* instead, while they come and a tenth of a second longer, */
#define FEW_SLOTS (RING_SLOTS / 4) /* as these slots, */
#define FEW_WRITES 64 /* and of those in hand; but when it is the background's turn */

/**
 * @streak: turns for urgent writes since the last for the background
 * @in_turn: the present turn has begun, and is for @turn_urgent
 * @last_urgent: when the last urgent write was taken in hand
 * @none: by urgency: there were none, or no room for them, since the last turn
 */
static unsigned int streak;
static unsigned long last_urgent;
static bool in_turn, turn_urgent, none[2];
static bool closed; /* the gate was, or a reload ended, since the worker looked: a step may be over */

static struct writer *writer_of(const struct write *write)
{
	return write->bio ? write->bio->bi_private : NULL;
}

/* A part of a write that is not planned yet. Return: does a job copy any of it? */
static bool is_read_by_job(const struct write *write)
{
	u64 block = write->next / COW_BLOCK_SECTORS;
	u64 end = DIV_ROUND_UP(write->end, COW_BLOCK_SECTORS);

	while (block < end && !blocks[block].planned)
		block++;
	return block < end;
}

static bool deferred_add(struct deferred *deferred, struct bio *bio)
{
	struct writer *writer = bio->bi_private;
	bool durable = bio->bi_opf & (REQ_META | REQ_PRIO | REQ_FUA | REQ_PREFLUSH), full;
	bool urgent = durable || ((bio->bi_opf & REQ_SYNC) && bio_sectors(bio) <= 128);

	CHECK(vol.core.lock.held && !writer->deferred);
	writer->deferred = true;
	writer->before = deferred->barrier;
	writer->urgent = urgent;
	writer->counts = min(bio_sectors(bio), 2048U);
	if (urgent)
		writer->counts = !durable && !(bio->bi_opf & REQ_IDLE);
	nr_deferred++;
	sums[urgent] += writer->counts;
	full = real_deferred_add(deferred, bio);
	CHECK(full == (writer->counts && paced[urgent]));
	return full;
}

/* A turn begins: the other kind must have had its own. */
static void begin_turn(bool urgent)
{
	if (in_turn && turn_urgent == urgent)
		return;
	CHECK(!in_turn || closed);
	if (urgent) {
		none[false] |= streak < TURNS;
		none[false] |= vol.snap && !copies_nr_free(snapshot.copies);
		CHECK(streak < TURNS || none[false]);
		streak++;
	} else {
		CHECK(streak >= TURNS || none[true]);
		if (streak >= TURNS)
			met("background in turn");
		streak = 0;
	}
	none[urgent] = false;
	in_turn = true;
	turn_urgent = urgent;
}

static struct write *deferred_next(struct deferred *deferred, bool urgent, bool more)
{
	struct list_head *to_plan = &deferred->to_plan[urgent];
	struct write *first = list_first_entry_or_null(to_plan, struct write, list);
	bool spared = !urgent && deferred->nr_urgent < TURNS &&
		      deferred->nr_active >= WRITES_MAX - FEW_WRITES;
	bool full = list_empty(&deferred->free) || spared;
	struct bio *bio = urgent ? deferred->barred.head : deferred->background.head;
	struct copy_request *request =
		list_first_entry_or_null(&deferred->requests, struct copy_request, list);
	struct write *write;

	if (bio && urgent && more && !first && !full && !request)
		met("barred first");
	else if (urgent && !bio)
		bio = deferred->urgent.head;
	write = real_deferred_next(deferred, urgent, more);
	if (!write) {
		CHECK(!first && (full || ((!bio || !more) && (!urgent || !request))));
		if (full)
			met("too many in hand");
		none[urgent] = true;
		in_turn = false;
		return NULL;
	}
	begin_turn(urgent);
	CHECK(write->urgent == urgent);
	if (first)
		CHECK(write == first);
	else if (urgent && request)
		CHECK(write->request == request && !write->bio);
	else
		CHECK(more && bio && write->bio == bio && !write->request);
	if (first && write->bio && writer_of(write)->held)
		met("held no more");
	if (first && write->bio && writer_of(write)->copied && !write->nr_jobs)
		met("planned again");
	if (urgent && write->bio && write != first)
		met("urgent first");
	if (write != first && write->bio && writer_of(write)->urgent)
		last_urgent = jiffies;
	return write;
}

static unsigned int ring_free(struct ring *ring, unsigned int wanted)
{
	bool urgent = wanted == 1;
	unsigned int nr = real_ring_free(ring, wanted);

	CHECK(urgent || wanted == FEW_SLOTS + 1);
	none[urgent] |= nr < wanted;
	if (!nr)
		met("no slot free");
	else if (nr < wanted)
		met("slots left to urgent ones");
	return nr;
}

static int copies_join(struct copies *copies, struct write *write)
{
	bool read = is_read_by_job(write);
	int ret = real_copies_join(copies, write);

	CHECK(read == (ret != 0));
	if (ret > 0)
		met("joined a job");
	else if (ret)
		met("held");
	if (ret > 0 && write->bio)
		writer_of(write)->copied = true;
	else if (ret && write->bio)
		writer_of(write)->held = true;
	return ret;
}

/* Check what became of one of the writes that a job was begun for. */
static void check_planned(struct write *write, sector_t from, unsigned int nr_jobs)
{
	u64 block = from / COW_BLOCK_SECTORS, end = DIV_ROUND_UP(write->next, COW_BLOCK_SECTORS);

	CHECK(write->next >= from && write->next <= write->end);
	CHECK(write->nr_jobs == nr_jobs);
	CHECK(write->next == write->end || !blocks[write->next / COW_BLOCK_SECTORS].planned);
	for (; block < end && write->next > from; block++)
		CHECK(blocks[block].set || blocks[block].planned);
	if (write->next < write->end)
		met("did not fit");
	if (write->bio)
		writer_of(write)->copied = true;
}

static int copies_start(struct copies *copies, struct write **writes, unsigned int nr,
			unsigned int space)
{
	bool urgent = writes[0]->urgent, any = false, began;
	bool spares = !urgent && vol.deferred.nr_urgent < TURNS;
	bool hurry = jiffies - last_urgent < HZ / 10;
	unsigned int left = hurry ? MANY_JOBS : FEW_JOBS, i, nr_free = copies->nr_free,
		     free = snapshot.ring->nr_free;
	struct write *batch[JOB_WRITES];
	unsigned int nr_jobs[JOB_WRITES];
	sector_t from[JOB_WRITES];
	int err;

	CHECK(nr && nr <= JOB_WRITES && nr_free && space);
	CHECK(nr_free > (spares ? left : 0) && space + (spares ? FEW_SLOTS : 0) <= free);
	if (!urgent && !spares && (nr_free <= FEW_JOBS || free <= FEW_SLOTS))
		met("background in turn with all");
	if (spares && nr_free <= MANY_JOBS)
		met("many jobs for the background");
	for (i = 0; i < nr; i++) {
		CHECK(writes[i]->urgent == urgent && !is_read_by_job(writes[i]));
		batch[i] = writes[i];
		from[i] = writes[i]->next;
		nr_jobs[i] = writes[i]->nr_jobs;
		if (writes[i]->end - from[i] > RANGE_BLOCKS * COW_BLOCK_SECTORS)
			met("longer than a plan");
	}
	in_turn = false;
	plan_space = min(space, JOB_BLOCKS);
	err = real_copies_start(copies, writes, nr, space);
	if (err)
		return err;
	began = copies->nr_free != nr_free;
	for (i = 0; i < nr; i++) {
		check_planned(batch[i], from[i], nr_jobs[i] + (began && batch[i]->next > from[i]));
		any |= batch[i]->next > from[i];
	}
	CHECK(any);
	if (nr > 1 && began)
		met("several in a job");
	if (!began)
		met("all was copied");
	return 0;
}

/* Why is nothing copied for the write? */
static void meet_uncopied(const struct writer *writer)
{
	if (vol.clean.state == CLEAN_LOADING)
		met("not copied while a reload loads");
	else if (vol.core.error)
		met("not copied on a failed device");
	else if (!vol.core.snapshot_mode)
		met("not copied in incremental mode");
	else if (bio_op(writer->bio) == REQ_OP_DISCARD)
		met("not copied for a discard");
	else
		return;
}

static enum release tracker_release(struct volume *of, struct bio *bio, u64 older)
{
	struct writer *writer = bio->bi_private;
	bool incremental = !vol.core.snapshot_mode && !vol.core.error, blocked = writer->blocked;
	enum release release;

	CHECK(!writer->was_ready || writer->older == older);
	CHECK(older <= snapshot.next_read);
	writer->was_ready = true;
	writer->older = older;
	if (!writer->copied && !blocked)
		meet_uncopied(writer);
	release = real_tracker_release(of, bio, older);
	if (release == RELEASE_AFTER_READS) {
		writer->blocked = true;
		met("blocked");
	} else if (release != RELEASE_AGAIN) {
		if (blocked)
			met("released after reads");
		if (incremental)
			met("marked");
	} else if (vol.core.error && cow_writes_any(&vol.writes)) {
		met("raw write in the way");
	}
	return release;
}

#endif
