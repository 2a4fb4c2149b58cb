// SPDX-License-Identifier: GPL-2.0-only
/* The reads of a snapshot that are in flight. The model is a plain list of them. */
#include "check.h"
#include READS_C

#define SECTORS 2000
#define READS_MAX 200

struct model_read {
	struct snapshot_read *read;
	struct bio *bio;
	u64 start, end, number; /* @end: the first sector behind it */
	unsigned int pieces;
	bool failed;
};

static struct workqueue_struct worker;
static struct volume vol = { .core.wq = &worker };
static struct snapshot snap;
static struct model_read reads[READS_MAX];
static unsigned int nr_reads;
static u64 begun, divide;
static struct bio *ended;

static void end_io(struct bio *bio)
{
	CHECK(!ended);
	ended = bio;
}

static void begin(void)
{
	struct model_read *model = &reads[nr_reads];
	u64 start = below(SECTORS), count = between(1, one_in(4) ? 500 : 20);

	if (nr_reads == READS_MAX)
		return;
	nr_reads++;
	*model = (struct model_read){
		.bio = compat_bio_alloc(NULL, 1, REQ_OP_READ, GFP_NOIO, NULL),
		.start = start,
		.end = start + count,
		.number = begun++,
		.pieces = 1,
	};
	model->bio->bi_iter =
		(struct bvec_iter){ .bi_sector = start, .bi_size = count * SECTOR_SIZE };
	model->bio->bi_end_io = end_io;
	model->read = read_begin(&snap, model->bio);
	CHECK(model->read->number == model->number && model->read->bio == model->bio);
	CHECK(!model->read->done && !model->read->status && model->read->snap == &snap);
}

/* A read has one more piece. */
static void divide_read(struct model_read *model)
{
	atomic_inc(&model->read->pending);
	model->pieces++;
}

static void end_piece(struct model_read *model)
{
	unsigned long wakes = snap.reads_wait.wakes;
	unsigned int queued = worker.queued;
	struct bio *bio = model->bio;
	bool last = !--model->pieces;

	if (one_in(20)) {
		model->read->status = BLK_STS_IOERR;
		model->failed = true;
	}
	ended = NULL;
	read_put(model->read);
	CHECK(ended == (last ? bio : NULL));
	if (!last) {
		met("piece ended");
		return;
	}
	CHECK(bio->bi_status == (model->failed || vol.core.error ? BLK_STS_IOERR : BLK_STS_OK));
	CHECK(snap.reads_wait.wakes == wakes + 1);
	CHECK(worker.queued == queued + snap.wakes);
	if (snap.wakes)
		met("worker woken");
	if (model->failed)
		met("failed");
	else if (vol.core.error)
		met("device failed");
	else
		met("ended");
	bio_put(bio);
	*model = reads[--nr_reads];
}

static bool model_overlap(u64 sector, u64 count)
{
	unsigned int i;
	u64 at;

	for (i = 0; i < nr_reads; i++) {
		for (at = sector; at < sector + count; at++) {
			if (at < reads[i].start || at >= reads[i].end)
				continue;
			if (reads[i].number < divide)
				return true;
			met("later overlaps");
			break;
		}
	}
	return false;
}

static void check_overlap(u64 sector, u64 count)
{
	bool overlap = model_overlap(sector, count);

	CHECK(snapshot_reads_overlap(&snap, sector, count, divide) == overlap);
	if (overlap)
		met("overlaps");
	else
		met("apart");
}

static bool older_than(u64 number)
{
	unsigned int i;

	for (i = 0; i < nr_reads; i++) {
		if (reads[i].number < number)
			return true;
	}
	return false;
}

static void check_older(u64 number)
{
	bool found = older_than(number);

	CHECK(snapshot_older_reads(&snap, number) == found);
	if (found)
		met("older");
	else
		met("none older");
}

/* Near the ends of a read, where a comparison can be wrong. */
static void check_near(const struct model_read *model)
{
	u64 start = model->start, end = model->end;

	check_overlap(end, 1);
	check_overlap(end - 1, between(1, 30));
	check_overlap(start, 1);
	if (start)
		check_overlap(start - 1, 1);
	if (start > 30)
		check_overlap(start - 30, between(29, 32));
	check_older(model->number);
	check_older(model->number + 1);
}

static unsigned int nr_steps;

static bool end_any(void)
{
	nr_steps++;
	if (nr_reads)
		end_piece(&reads[below(nr_reads)]);
	return nr_reads;
}

static void check_all(void)
{
	CHECK(snapshot_reads_begun(&snap) == begun && snap.nr_reads == nr_reads);
	CHECK(!snap.reads_lock.held && !snap.reads_wait.lock.held);
	check_overlap(below(SECTORS), between(1, 100));
	check_older(begun - min(begun, below(30)));
	if (nr_reads)
		check_near(&reads[below(nr_reads)]);
}

/* Wait for the end of all reads below a number; a kill or @stop ends the wait before. */
static void drain(void)
{
	u64 number = begun - min(begun, below(60));
	bool stop = one_in(3), any = older_than(number);
	int err;

	task_killed = one_in(3);
	nr_steps = 0;
	err = snapshot_drain_reads(&snap, number, one_in(2) || stop ? &stop : NULL);
	if (any && task_killed) {
		CHECK(err == -EINTR);
		met("drain killed");
	} else if (older_than(number)) {
		CHECK(stop && err == -EAGAIN);
		met("drain stopped");
	} else {
		CHECK(!err && (!stop || nr_steps <= 1));
		met("drained");
	}
	task_killed = false;
}

static void operate(void)
{
	u64 sector = below(SECTORS);

	switch (below(12)) {
	case 0:
		snapshot_reads_divide(&snap);
		divide = begun;
		CHECK(snap.divide == divide);
		snap.wakes = one_in(2);
		break;
	case 1:
		if (nr_reads)
			divide_read(&reads[below(nr_reads)]);
		break;
	case 2:
		snapshot_wait_reads(&snap, sector, 20, divide);
		break;
	case 3:
		if (one_in(10))
			drain();
		break;
	case 4:
	case 5:
	case 6:
		begin();
		break;
	default:
		if (!one_in(3))
			end_any();
	}
	if (one_in(1000))
		vol.core.error = -EIO;
}

static void run_round(void)
{
	unsigned int operations = between(1, 500);

	vol.core.error = 0;
	snap = (struct snapshot){ .vol = &vol, .read_pool.bytes = sizeof(struct snapshot_read) };
	wait_step = end_any;
	begun = 0;
	divide = 0;
	while (operations--) {
		operate();
		check_all();
	}
	while (end_any())
		check_all();
	CHECK(!snap.nr_reads && !bios_accounted && !snap.reads.first && !memory_live);
}
