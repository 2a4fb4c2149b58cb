/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model of a ring: the content of each position, its place on the disk, and the appends that
 * have ended.
 */
#ifndef RING_MODEL_H
#define RING_MODEL_H

#define FILE_BLOCKS 3000
#define FILE_SECTORS (FILE_BLOCKS * COW_BLOCK_SECTORS)
#define APPENDS_MAX 4096
#define BLOCK_WORDS (COW_BLOCK_SIZE / sizeof(u64))

static struct block_device origin;
static struct workqueue_struct worker;
static struct core core = { .wq = &worker };
static struct cow_writes writes = { .core = &core };
static struct bio_set bios;
static struct ring *ring;

/* Here positions are counted from @start on, and sectors of the file from the first of @start. */
static u64 start;
static unsigned int head, file_end;
static u64 place[FILE_SECTORS]; /* on the disk */

static struct {
	unsigned int end, bios;
	bool submitted;
} appends[APPENDS_MAX]; /* by the order in which they began */
static unsigned int nr_appends, nr_ended;
static bool flushing;
static unsigned int next; /* sector of the file that is written next */

u64 cow_file_map(const struct cow_file *cow, u64 offset, u64 *sector)
{
	u64 at = offset - start * COW_BLOCK_SECTORS, count = 1;

	if (at >= file_end)
		return 0;
	*sector = place[at];
	while (at + count < file_end && place[at + count] == place[at] + count)
		count++;
	return count;
}

/* The first position that is, or may be, only in memory. */
static unsigned int tail(void)
{
	return nr_ended ? appends[nr_ended - 1].end : 0;
}

static void update_ended(void)
{
	while (nr_ended < nr_appends && appends[nr_ended].submitted && !appends[nr_ended].bios)
		nr_ended++;
}

void core_fail(struct core *failed, int error, const char *what)
{
	CHECK(failed == &core && error < 0);
	/* A reader must not look for a copy on disk before the device has failed. */
	CHECK(ring->tail == start + tail());
	if (!core.error)
		core.error = error;
}

int wait_result(long left)
{
	return left > 0 ? 0 : left ? -EINTR : -ETIMEDOUT;
}

static void disk_submitted(struct bio *bio)
{
	CHECK(bio_is_own(bio) && cow_writes_any(&writes));
	CHECK(flushing && bio_op(bio) == REQ_OP_WRITE && bio->bi_bdev == &origin);
	CHECK(bio->bi_iter.bi_sector == place[next]);
	next += bio_sectors(bio);
	CHECK(next <= file_end && next <= appends[nr_appends].end * COW_BLOCK_SECTORS);
	bio->tag = nr_appends;
	appends[nr_appends].bios++;
}

static bool write_failed;

/* The appends that have ended, also behind one that has not. */
static unsigned int nr_done(void)
{
	unsigned int i, nr = nr_ended;

	for (i = nr_ended; i < nr_appends; i++)
		nr += appends[i].submitted && !appends[i].bios;
	return nr;
}

static void disk_ending(struct bio *bio)
{
	CHECK(appends[bio->tag].bios);
	appends[bio->tag].bios--;
	write_failed |= bio->bi_status != BLK_STS_OK;
	if (bio->tag > nr_ended)
		met("ended out of order");
}

/* The worker is woken if it wanted slots, or copies wait for an append. */
static bool wanted_slots;

/* The append that is under way has submitted all its bios. Without any it has ended. */
static void append_done(void)
{
	flushing = false;
	if (!appends[nr_appends].bios)
		wanted_slots = false;
	appends[nr_appends++].submitted = true;
	update_ended();
}

static unsigned int flushed(void)
{
	return nr_appends ? appends[nr_appends - 1].end : 0;
}

static void check_woken(unsigned int done, unsigned int queued)
{
	bool ended = nr_done() != done;

	if (ended && (wanted_slots || flushed() != head)) {
		CHECK(worker.queued == queued + 1);
		met("woken");
	} else {
		CHECK(worker.queued == queued);
	}
	if (ended)
		wanted_slots = false;
}

static bool end_one(void)
{
	unsigned int done, queued = worker.queued;
	bool any;

	write_failed = false;
	if (flushing)
		append_done();
	done = nr_done();
	any = disk_end_one();
	check_woken(done, queued);
	update_ended();
	if (!write_failed)
		return any;
	CHECK(core.error);
	met("write failed");
	return any;
}

static unsigned int free_slots(void)
{
	return RING_SLOTS - (head - tail());
}

/* An append of all that was published is about to begin. */
static void append_expected(void)
{
	CHECK(nr_appends < APPENDS_MAX);
	appends[nr_appends].end = head;
	appends[nr_appends].bios = 0;
	appends[nr_appends].submitted = false;
	next = flushed() * COW_BLOCK_SECTORS;
	flushing = true;
}

/* @error: of the device, before the append */
static void check_append(int error)
{
	if (flushing)
		append_done();
	if (error || !core.snapshot_mode) {
		CHECK(!appends[nr_appends - 1].bios);
		if (error)
			met("not written");
		else
			met("mode left");
	} else if (core.error == -EFBIG) {
		CHECK(next == file_end && head * COW_BLOCK_SECTORS > file_end);
		met("file full");
	} else if (!core.error) {
		CHECK(next == head * COW_BLOCK_SECTORS);
	}
	met("flushed");
}

/* Content of a position: word @word of the block. */
static u64 word_of(unsigned int position, unsigned int word)
{
	return ((u64)position * BLOCK_WORDS + word + 1) * 0x9e3779b97f4a7c15 + round_seed;
}

/* Lay the file out in runs, in no order, with gaps; whole blocks, or sectors. */
static void lay_out(void)
{
	u64 unit = one_in(2) ? COW_BLOCK_SECTORS : 1, at = 0;
	u64 runs[FILE_BLOCKS], lengths[FILE_BLOCKS];
	unsigned int nr_runs = 0, i, j, offset = 0;

	file_end = between(FILE_SECTORS / 2, FILE_SECTORS);
	while (offset < file_end) {
		u64 rest = file_end - offset;
		u64 length = between(1, one_in(3) ? FILE_SECTORS / unit : 40) * unit;

		lengths[nr_runs] = nr_runs == FILE_BLOCKS - 1 ? rest : min(rest, length);
		runs[nr_runs] = offset;
		offset += lengths[nr_runs++];
	}
	for (i = 0; i < nr_runs; i++) {
		j = between(i, nr_runs - 1);
		swap(runs[i], runs[j]);
		swap(lengths[i], lengths[j]);
		at += below(3) * unit;
		for (j = 0; j < lengths[i]; j++)
			place[runs[i] + j] = at++;
	}
	CHECK(at <= DISK_SECTORS);
	if (unit == 1)
		met("odd pieces");
}

static void fill_block(u64 *words, unsigned int position)
{
	unsigned int i;

	for (i = 0; i < BLOCK_WORDS; i++)
		words[i] = word_of(position, i);
}

/* Check that the disk holds the content of a position. */
static void check_disk(unsigned int position)
{
	unsigned int i;
	u64 word, at;

	for (i = 0; i < BLOCK_WORDS; i++) {
		at = place[position * COW_BLOCK_SECTORS + i * sizeof(word) / SECTOR_SIZE] *
			     SECTOR_SIZE +
		     i * sizeof(word) % SECTOR_SIZE;
		memcpy(&word, disk + at, sizeof(word));
		CHECK(word == word_of(position, i));
	}
}

#endif
