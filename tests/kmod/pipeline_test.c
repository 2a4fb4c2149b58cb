// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of deferred writes, from the decision about them until they have gone, against
 * pipeline_model.h. Others come (pipeline_writers.h) wherever no lock is held; the worker runs when
 * it was woken.
 */
#include "check.h"
#define DISK_SECTORS 65536
#include "disk.h"

/* The functions that pipeline_turns.h looks at. */
#define deferred_add real_deferred_add
#define deferred_next real_deferred_next
#define ring_free real_ring_free
#define copies_join real_copies_join
#define copies_start real_copies_start
#define tracker_release real_tracker_release
#include BIO_C
#include RAW_C
#include MAP_C
#include RING_C
#include READS_C
#include JOB_C
#include DEFERRED_C
#include COPY_C
#include "io/pipeline.h"
#include "io/tracker.h"
#undef deferred_add
#undef deferred_next
#undef ring_free
#undef copies_join
#undef copies_start
#undef CORE_SLICE_BLOCKS
#define CORE_SLICE_BLOCKS 512

static bool deferred_add(struct deferred *deferred, struct bio *bio);

#include "pipeline_model.h"
#include "pipeline_writers.h"
#include LATE_C
#include TRACKER_C
#undef tracker_release
#include "pipeline_turns.h"
#include SENDER_C
#include RELEASE_C
#include PIPELINE_C
#include "pipeline_worker.h"
#include "pipeline_checks.h"

static unsigned int busy; /* others come once in so many unlocks; 0: never */
static bool quiet; /* others only end what they began */
static unsigned int lazy, slow, slow_reads; /* so rarely the worker runs, a bio ends, a read does */

int wait_result(long left)
{
	return left > 0 ? 0 : left ? -EINTR : -ETIMEDOUT;
}

bool shutter_is_shut(struct volume *of)
{
	return false;
}

void noted_write(struct volume *of, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	CHECK(vol.core.lock.held && sector + nr_sectors <= vol.core.nr_sectors);
	CHECK(!core_wants_map || (vol.core.snapshot_mode && !vol.live.on) || vol.core.error ||
	      vol.clean.state == CLEAN_LOADING);
}

bool noted_again(struct volume *of, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	return false;
}

bool cut_claims(struct volume *of, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	return false;
}

void fill_wake_locked(struct fill *fill)
{
	CHECK(false); /* it does not grow */
}

void fill_yield(struct fill *fill, struct core *core)
{
	CHECK(fill == &vol.fill && !locks_held);
}

static void disk_submitted(struct bio *bio)
{
	u64 block = bio->bi_iter.bi_sector / COW_BLOCK_SECTORS;

	if (bio->bi_end_io == writer_end) {
		check_goes(bio->bi_private);
	} else if (bio_is_own(bio)) {
		CHECK(bio_op(bio) == REQ_OP_WRITE && cow_writes_any(&vol.writes));
	} else {
		CHECK(bio_op(bio) == REQ_OP_READ && bio->bi_bdev == &origin_bdev_of_test);
		for (; block * COW_BLOCK_SECTORS < bio_end_sector(bio); block++)
			CHECK(blocks[block].planned && !blocks[block].masked);
	}
}

static void disk_ending(struct bio *bio)
{
	if (bio->bi_status && bio->bi_end_io == read_end_io)
		met("read failed");
}

static void close_gate(void)
{
	vol.clean.state = CLEAN_VALID;
	closed = true;
}

static void leave_snapshot_mode(void)
{
	unsigned long flags;

	if (!vol.core.snapshot_mode || vol.clean.state)
		return;
	core_lock(&vol.core, flags);
	vol.core.snapshot_mode = false;
	core_unlock(&vol.core, flags);
	met("mode left");
}

static void fail(void)
{
	core_fail(&vol.core, -ESHUTDOWN, "the test wants it");
	met("device failed");
}

static void come(void)
{
	if (quiet) {
		if (one_in(2))
			end_read();
		else
			disk_end_one();
		return;
	}
	switch (below(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		disk_end_one();
		break;
	case 4:
		begin_read();
		break;
	case 5:
		end_read();
		break;
	case 6:
		if (one_in(10))
			add_request();
		if (one_in(20))
			begin_barrier();
		if (one_in(500))
			leave_snapshot_mode();
		if (one_in(1000))
			fail();
		break;
	default:
		submit_write();
	}
}

static void others(void)
{
	static bool inside;

	if (inside)
		return;
	inside = true;
	check_fresh();
	if (busy && one_in(busy))
		come();
	inside = false;
}

/* End any bio, or any that is no append while there is one. */
static void end_bio(bool appends_last)
{
	unsigned int i = 0;

	while (appends_last && i < nr_in_flight && bio_is_own(in_flight[i]))
		i++;
	if (appends_last && i < nr_in_flight)
		disk_end(i);
	else
		disk_end_one();
}

/* Nobody comes any more, until nothing happens any more. */
static void be_quiet(void)
{
	unsigned int steps = 0, kept = busy;
	bool appends_last = one_in(2);

	quiet = true;
	busy = one_in(3) ? between(2, 20) : 0;
	while (woken() || vol.sender.nr || nr_in_flight) {
		CHECK(steps++ < 100000);
		if (woken())
			work();
		else if (send_some())
			continue;
		else
			end_bio(appends_last);
		check_all();
	}
	if (vol.clean.state != CLEAN_VALID)
		check_quiet();
	busy = kept;
	quiet = false;
}

static void finish(void)
{
	u64 block;

	busy = 0;
	do {
		be_quiet();
	} while (end_read());
	CHECK(!nr_deferred && !nr_writers && !nr_reads && !nr_in_flight);
	CHECK(!sums[0] && !sums[1] && !paced[0] && !paced[1] && !vol.deferred.nr_active);
	CHECK(vol.deferred.passed == vol.deferred.barrier || vol.clean.state == CLEAN_VALID);
	if (!vol.snap || vol.core.error || !vol.core.snapshot_mode)
		return;
	CHECK(snapshot.ring->tail == snapshot.ring->head);
	for (block = 0; block < core_nr_blocks(&vol.core); block++) {
		if (blocks[block].position)
			check_copy(block);
	}
}

static void end_loading(void)
{
	unsigned long flags;

	core_lock(&vol.core, flags);
	if (vol.clean.spoiled)
		core_fail_locked(&vol.core, -ESTALE, "somebody wrote while a reload loaded");
	vol.clean.state = vol.clean.spoiled || one_in(2) ? CLEAN_NONE : CLEAN_VALID;
	closed = true;
	core_unlock(&vol.core, flags);
}

/* As a transition to incremental mode, once it has left snapshot mode. */
static void to_incremental(void)
{
	leave_snapshot_mode();
	while (end_read())
		;
	be_quiet();
	if (!vol.core.snapshot_mode)
		drop_snapshot();
}

static void happen_rarely(void)
{
	if (one_in(10))
		begin_barrier();
	if (one_in(10))
		add_request();
	if (one_in(25))
		be_quiet();
	if (vol.clean.state == CLEAN_LOADING && one_in(4))
		end_loading();
	if (!vol.clean.state && one_in(60))
		close_gate();
	if (!running && !vol.clean.state && one_in(800))
		to_incremental();
	if (one_in(600))
		leave_snapshot_mode();
	if (one_in(400))
		fail();
}

static void operate(void)
{
	jiffies += one_in(50) ? HZ / 5 : one_in(4);
	switch (below(16)) {
	case 0:
	case 1:
	case 2:
		if (woken() && one_in(lazy))
			work();
		break;
	case 3:
		send_some();
		break;
	case 4:
	case 5:
		if (one_in(slow) || nr_in_flight > IN_FLIGHT_MAX / 2)
			disk_end_one();
		break;
	case 6:
		begin_read();
		break;
	case 7:
	case 8:
		if (one_in(slow_reads))
			end_read();
		break;
	case 9:
		happen_rarely();
		break;
	default:
		submit_write();
	}
	check_all();
}

static void set_up(void)
{
	unsigned int i;

	memset(&vol, 0, sizeof(vol));
	snapshot = (struct snapshot){ .vol = &vol,
				      .cow = &cow,
				      .read_pool.bytes = sizeof(struct snapshot_read) };
	vol.core.minor = MINOR;
	vol.core.wq = &queue;
	vol.core.snapshot_mode = !one_in(8);
	vol.live.on = one_in(2);
	vol.origin.bdev.bdev = &origin_bdev_of_test;
	vol.fill.next = U64_MAX;
	vol.cow = &cow;
	vol.clean.state = one_in(5) ? CLEAN_LOADING : CLEAN_NONE;
	cow_writes_init(&vol.writes, &vol.core);
	late_init(&vol.worker.late);
	CHECK(!sender_init(&vol.sender, MINOR));
	CHECK(!deferred_init(&vol.deferred, &vol.core));
	front = between(4200, 4700);
	file_blocks = one_in(4) ? between(FIRST_POSITION + 1, 600) : between(1800, FILE_BLOCKS_MAX);
	next_position = FIRST_POSITION;
	lay_out();
	fill_disk();
	if (!vol.core.snapshot_mode)
		return;
	vol.snap = &snapshot;
	snapshot.ring = ring_create(&vol.writes, &cow, &origin_bdev_of_test, NULL, FIRST_POSITION);
	snapshot.copies = copies_create(&snapshot);
	for (i = 0; i < RING_SLOTS; i++)
		memset(ring_memory(snapshot.ring, i), 0xcc, COW_BLOCK_SIZE);
}

static void set_pace(void)
{
	big = one_in(3) ? 2 : 30;
	hasty = one_in(4);
	lazy = one_in(2) ? 1 : 30;
	slow = one_in(2) ? 1 : 20;
	slow_reads = one_in(2) ? 2 : 50;
	busy = one_in(4) ? 0 : one_in(2) ? 5 : 100;
	disk_fails = one_in(3) ? between(5, 500) : 0;
	nr_hot = one_in(3) ? 400 : one_in(2) ? 4000 : front * COW_BLOCK_SECTORS;
	nr_hot = min(nr_hot, vol.core.nr_sectors);
	hot = one_in(2) ? 0 : below(vol.core.nr_sectors - nr_hot + 1);
}

static void run_round(void)
{
	unsigned int operations = between(1, 2500);

	unlocked = others;
	wait_step = wait_a_step;
	memset(data_memory, 0x5a, sizeof(data_memory));
	busy = 0;
	running = false;
	seen = queue.queued;
	streak = 0;
	last_urgent = jiffies - HZ;
	in_turn = false;
	paced[0] = false;
	paced[1] = false;
	core_misses = false;
	core_wants_room = core_wants_map = false;
	fruitless = 0;
	set_up();
	set_pace();
	while (operations--)
		operate();
	finish();
	drop_snapshot();
	sender_exit(&vol.sender);
	deferred_exit(&vol.deferred);
	cow_map_free(&cow);
	CHECK(!memory_live);
}
