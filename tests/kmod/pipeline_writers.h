/* SPDX-License-Identifier: GPL-2.0-only */
/* Who comes to a volume from outside: writes, reads of the snapshot, requests for copies. */
#ifndef PIPELINE_WRITERS_H
#define PIPELINE_WRITERS_H

#define WRITERS_MAX 1500
#define READS_MAX 60
#define REQUESTS_MAX 40
#define DATA_BLOCKS 700

/**
 * struct writer - A write.
 * @sector, @nr: the part that is tracked
 * @urgent, @counts: if it was deferred, in which crowd it counts for how much
 * @before: barriers before it was deferred
 * @gone: it was deferred, and is no more
 * @copied: a job was begun for it, or joined
 * @held, @blocked: it was once
 * @older: see struct write, once it was ready
 */
struct writer {
	struct bio *bio;
	u64 sector, nr, before, older;
	unsigned int index, counts;
	bool urgent, deferred, gone, copied, held, blocked, was_ready;
};

static struct writer *writers[WRITERS_MAX];
static unsigned int nr_writers, nr_deferred;
static u64 sums[2];

static struct snapshot_read *reads[READS_MAX + 1]; /* one may come while another begins */
static unsigned int nr_reads;

static struct {
	struct copy_request *request;
	u64 before;
} requests[REQUESTS_MAX];
static unsigned int nr_requests;

static u8 data_memory[DATA_BLOCKS * COW_BLOCK_SIZE]
	__attribute__((aligned(SZ_64K))); /* of all writes */
static u64 hot, nr_hot; /* sectors where most happens */
static unsigned int big; /* one in so many writes is */
static bool hasty; /* somebody waits for most writes */
static bool paced[2];

static u64 end_block(const struct writer *writer)
{
	return DIV_ROUND_UP(writer->sector + writer->nr, COW_BLOCK_SECTORS);
}

/* Check that no read is in flight that may read from the origin what the write overwrites. */
static void check_reads(const struct writer *writer)
{
	u64 block, first, end;
	unsigned int i;

	for (i = 0; i < nr_reads; i++) {
		first = max(writer->sector, reads[i]->start);
		end = min(writer->sector + writer->nr, reads[i]->last + 1);
		for (block = first / COW_BLOCK_SECTORS;
		     first < end && block * COW_BLOCK_SECTORS < end; block++)
			CHECK(reads[i]->number >= blocks[block].reads);
	}
}

static void leave(struct writer *writer)
{
	CHECK(!writer->gone);
	if (!writer->deferred)
		return;
	writer->gone = true;
	nr_deferred--;
	sums[writer->urgent] -= writer->counts;
}

/* A write comes to the disk. */
static void check_goes(struct writer *writer)
{
	bool discard = bio_op(writer->bio) == REQ_OP_DISCARD;
	u64 block;

	CHECK(!locks_held);
	if (writer->deferred)
		met("submitted");
	leave(writer);
	if (!writer->nr)
		met("beyond the origin");
	if (!writer->nr)
		return;
	if (vol.clean.state == CLEAN_LOADING) {
		vol.clean.spoiled = true;
		return;
	}
	if (vol.core.error) {
		CHECK(!cow_writes_any(&vol.writes) || !is_file(writer->sector, writer->nr));
		return;
	}
	CHECK(!is_file(writer->sector, writer->nr));
	for (block = writer->sector / COW_BLOCK_SECTORS; block < end_block(writer); block++)
		CHECK(blocks[block].set || (discard && blocks[block].masked));
	if (vol.core.snapshot_mode)
		check_reads(writer);
}

/* Also called for a discard that does not come to the disk. */
static void writer_end(struct bio *bio)
{
	struct writer *writer = bio->bi_private;

	if (writer->deferred && !writer->gone) {
		CHECK(bio_op(bio) == REQ_OP_DISCARD && vol.snap);
		leave(writer);
		met("discard ended");
	}
	writers[writer->index] = writers[--nr_writers];
	writers[writer->index]->index = writer->index;
	kfree(writer);
	bio_put(bio);
}

static u64 any_sector(void)
{
	return one_in(20) ? below(vol.core.nr_sectors) : hot + below(nr_hot);
}

/* Make a bio of any kind and length. */
static struct bio *writer_bio(void)
{
	static const blk_opf_t flags[] = { REQ_SYNC, REQ_SYNC, REQ_SYNC | REQ_IDLE, REQ_META,
					   REQ_PRIO, REQ_FUA,  REQ_PREFLUSH };
	unsigned int op = one_in(10) ? REQ_OP_DISCARD :
			  one_in(50) ? REQ_OP_WRITE_ZEROES :
				       REQ_OP_WRITE;
	struct bio *bio = compat_bio_alloc(NULL, 1, op, GFP_NOIO, NULL);
	u64 sector = any_sector(), nr = between(1, 16) * COW_BLOCK_SECTORS, least = 0;

	if (op != REQ_OP_WRITE && one_in(4)) {
		sector = below(100);
		nr = between(one_in(2) ? 1 : 4000, front - 20) * COW_BLOCK_SECTORS;
	} else if (one_in(big)) {
		nr = between(1, 600 * COW_BLOCK_SECTORS);
	} else if (one_in(2)) {
		nr = between(1, 20);
	} else {
		sector = round_down(sector, COW_BLOCK_SECTORS);
	}
	if (hasty && !one_in(10))
		bio->bi_opf |= REQ_SYNC;
	else if (one_in(2))
		bio->bi_opf |= flags[below(7)];
	if (one_in(20))
		bio->bi_opf |= REQ_NOWAIT;
	if (one_in(300))
		sector = vol.core.nr_sectors + below(20) - 10;
	if (vol.core.error && one_in(10))
		sector = place[below(file_blocks * COW_BLOCK_SECTORS)];
	nr = min(nr, DISK_SECTORS - sector);
	/* Others write to the file only if they cannot know it; then the device fails. */
	if (!one_in(vol.core.error ? 2 : 4000)) {
		for (; file_at[sector]; sector--)
			nr++;
		for (least = 0; least < nr && !file_at[sector + least]; least++)
			;
		nr = least;
	}
	bio->bi_iter = (struct bvec_iter){ .bi_sector = sector, .bi_size = nr * SECTOR_SIZE };
	bio->bi_io_vec[0] = (struct bio_vec){ (struct page *)data_memory, nr * SECTOR_SIZE, 0 };
	bio->bi_vcnt = 1;
	return bio;
}

static void submit_write(void)
{
	struct writer *writer;
	enum take take;

	if (nr_writers == WRITERS_MAX)
		return;
	writer = kzalloc(sizeof(*writer), GFP_KERNEL);
	writer->bio = writer_bio();
	writer->bio->bi_private = writer;
	writer->bio->bi_end_io = writer_end;
	writer->nr = tracker_range(&vol, writer->bio, &writer->sector);
	writer->index = nr_writers;
	writers[nr_writers++] = writer;
	may_lock = !one_in(vol.clean.state == CLEAN_LOADING ? 5 : 100);
	if (!may_lock)
		met("where no lock may be taken");
	take = tracker_take(&vol.origin, writer->bio);
	may_lock = true;
	CHECK(take == TAKE_NOT || !(writer->bio->bi_opf & REQ_NOWAIT));
	if (take == TAKE_NOT) {
		CHECK(!writer->deferred);
		submit_bio_noacct(writer->bio);
	} else if (take == TAKE_AND_WAIT) {
		met("submitter waits");
		CHECK(writer->counts);
	}
}

static void read_ended(struct bio *bio)
{
	bio_put(bio);
}

static void begin_read(void)
{
	u64 sector = any_sector(), nr = between(1, one_in(5) ? 3000 : 40);
	struct snapshot_read *read;
	struct bio *bio;

	if (!vol.core.snapshot_mode || vol.core.error || vol.clean.state == CLEAN_LOADING)
		return;
	if (nr_reads >= READS_MAX)
		return;
	bio = compat_bio_alloc(NULL, 1, REQ_OP_READ, GFP_NOIO, NULL);
	nr = min(nr, vol.core.nr_sectors - sector);
	bio->bi_iter = (struct bvec_iter){ .bi_sector = sector, .bi_size = nr * SECTOR_SIZE };
	bio->bi_end_io = read_ended;
	read = read_begin(&snapshot, bio);
	CHECK(nr_reads <= READS_MAX);
	reads[nr_reads++] = read;
}

static bool end_read(void)
{
	struct snapshot_read *read;
	unsigned int i = below(nr_reads ?: 1);

	if (!nr_reads)
		return false;
	read = reads[i];
	reads[i] = reads[--nr_reads];
	read_put(read);
	return true;
}

static void add_request(void)
{
	struct copy_request *request;
	u64 sector = any_sector(), nr = between(1, one_in(5) ? 5000 : 40);
	unsigned long flags;

	if (nr_requests == REQUESTS_MAX || !vol.core.snapshot_mode)
		return;
	request = kmalloc(sizeof(*request), GFP_KERNEL);
	copy_request_init(request, sector, min(nr, vol.core.nr_sectors - sector));
	core_lock(&vol.core, flags);
	deferred_request(&vol.deferred, request);
	requests[nr_requests].request = request;
	requests[nr_requests++].before = vol.deferred.barrier;
	core_unlock(&vol.core, flags);
	queue_work(&queue, &vol.core.work);
}

static bool nothing_is_copied(void)
{
	return vol.core.error || !vol.core.snapshot_mode || vol.clean.state == CLEAN_LOADING;
}

static void check_copied(u64 sector, u64 nr)
{
	CHECK(is_copied(sector / COW_BLOCK_SECTORS, DIV_ROUND_UP(sector + nr, COW_BLOCK_SECTORS)) ||
	      nothing_is_copied());
}

static void look_at_requests(void)
{
	unsigned int i;

	for (i = 0; i < nr_requests; i++) {
		struct copy_request *request = requests[i].request;
		bool done = completion_done(&request->done);

		if (!done && !one_in(300))
			continue;
		if (done) {
			check_copied(request->sector, request->nr_sectors);
			met("request done");
		} else {
			met("request given up");
		}
		copy_request_put(request);
		requests[i--] = requests[--nr_requests];
	}
}

static void begin_barrier(void)
{
	unsigned long flags;
	u64 barrier;

	late_decide(&vol);
	core_lock(&vol.core, flags);
	barrier = vol.deferred.barrier;
	CHECK(deferred_barrier(&vol.deferred) == barrier + 1);
	core_unlock(&vol.core, flags);
	queue_work(&queue, &vol.core.work);
}

/* Return: how many barriers may have been passed. */
static u64 may_be_passed(void)
{
	u64 most = vol.deferred.barrier;
	unsigned int i;

	for (i = 0; i < nr_writers; i++) {
		if (writers[i]->deferred && !writers[i]->gone)
			most = min(most, writers[i]->before);
	}
	for (i = 0; i < nr_requests; i++) {
		if (!completion_done(&requests[i].request->done))
			most = min(most, requests[i].before);
	}
	return most;
}

void pace_set(unsigned int minor, bool urgent, bool full)
{
	CHECK(minor == MINOR && full != paced[urgent] && vol.core.lock.held);
	paced[urgent] = full;
	if (urgent && full)
		met("urgent full");
	else if (urgent)
		met("urgent not full any more");
	else if (full)
		met("background full");
	else
		met("background not full any more");
}

void pace_wake(void)
{
	CHECK(!vol.core.lock.held);
}

bool pace_applies(const struct bio *bio)
{
	CHECK(!vol.core.lock.held);
	return true;
}

sector_t origin_range(const struct origin *origin, sector_t nr_sectors, const struct bio *bio,
		      sector_t *sector)
{
	*sector = bio->bi_iter.bi_sector;
	if (*sector >= nr_sectors)
		return 0;
	return min((u64)bio_sectors(bio), nr_sectors - *sector);
}

void origin_next(struct origin *origin, struct bio *bio)
{
	submit_bio_noacct(bio);
}

#endif
