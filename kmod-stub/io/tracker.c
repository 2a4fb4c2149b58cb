// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracker: which writes may go, which are deferred, and when deferred ones go on.
 *
 * A write may go once (1) the old content of every block it touches is copied and (2) no snapshot
 * read of the origin that was planned before that overlaps it. Both are looked at in one step,
 * under core_lock. They stay true: blocks are never un-copied within a snapshot, and a read
 * registers itself before it is planned, and a read planned after the copy does not go to the
 * origin. So a deferred write needs to be looked at until it passes, and never again.
 */
#include "cow/map.h"
#include "io/cut.h"
#include "io/deferred.h"
#include "io/late.h"
#include "io/live_writes.h"
#include "io/noted.h"
#include "io/pace.h"
#include "io/reads.h"
#include "io/snapshot.h"
#include "io/tracker.h"
#include "io/volume.h"

/*
 * Longer writes (discards and write-zeroes, mostly) are looked at by the worker, slice by slice,
 * not with interrupts off.
 */
#define INLINE_SECTORS (16 * 1024 * 1024 / SECTOR_SIZE)

sector_t tracker_range(const struct volume *vol, const struct bio *bio, sector_t *sector)
{
	return origin_range(&vol->origin, vol->core.nr_sectors, bio, sector);
}

/* Mark the blocks of a slice. A discard leaves those alone that read as zeros in every snapshot. */
static s64 mark_slice(struct volume *vol, const struct bio *bio, u64 sector, u64 nr_sectors)
{
	u64 block = sector / COW_BLOCK_SECTORS;
	u64 end = DIV_ROUND_UP_ULL(sector + nr_sectors, COW_BLOCK_SECTORS);

	if (bio_op(bio) == REQ_OP_DISCARD)
		return wasm_mark_unmasked(vol->core.engine, block, end - block);
	return wasm_mark(vol->core.engine, sector, nr_sectors);
}

/*
 * Note that the blocks of a write change, those of its next slice. It may go once none is left.
 * @marked: sectors of it that are marked; at first 0
 * @waits: set if it must wait for the dirty map on disk
 *
 * Return: false if the core needs room first, and nothing failed.
 */
static bool mark(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors,
		 sector_t *marked, bool *waits)
{
	u64 at = sector + *marked;
	u64 count = core_slice(at, nr_sectors - *marked, CORE_SLICE_SECTORS);
	s64 ret;

	if (bio_op(bio) == REQ_OP_DISCARD && !*marked && cut_claims(vol, bio, sector, nr_sectors)) {
		*marked = nr_sectors;
		return true;
	}
	ret = mark_slice(vol, bio, at, count);
	if (ret == CORE_STATUS_ROOM)
		return false;
	if (ret == CORE_STATUS_REGION) {
		*waits = true; /* it is marked, all the same */
		ret = 0;
	}
	if (ret < 0)
		core_fail_locked(&vol->core, ret, "the core could not record a write");
	*marked = ret < 0 ? nr_sectors : *marked + count;
	return true;
}

/* The same of all of a write, unless that takes too long. Return: may it go? */
static bool mark_short(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	sector_t marked = 0;
	bool done = nr_sectors <= INLINE_SECTORS, waits = false;

	while (done && marked < nr_sectors)
		done = mark(vol, bio, sector, nr_sectors, &marked, &waits);
	return done && !waits;
}

/*
 * Does a write of somebody else go to blocks of the live COW file? As long as the file is guarded
 * that cannot be, but for raw writers; while the filesystem is not mounted, and after it was
 * mounted again, the file may be moved, deleted or formatted over. Then those blocks are no longer
 * ours: the device fails, and the write waits until no write of our own to them is on its way.
 */
static bool fail_if_taken(struct volume *vol, sector_t sector, sector_t nr_sectors)
{
	if (!cow_file_overlaps(vol->cow, sector, nr_sectors))
		return false;
	core_fail_locked(&vol->core, -ESTALE,
			 "the blocks of its COW file were given to somebody else");
	return true;
}

/*
 * The same, while a raw write of our own to the COW file is in flight: also after a failure, or
 * after snapshot mode was left, which do not call such writes back.
 */
static bool meets_cow_write(const struct volume *vol, sector_t sector, sector_t nr_sectors)
{
	return cow_writes_any(&vol->writes) && cow_file_overlaps(vol->cow, sector, nr_sectors);
}

static bool may_go(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	s64 copied;

	if (fail_if_taken(vol, sector, nr_sectors))
		return !meets_cow_write(vol, sector, nr_sectors);
	if (bio_op(bio) == REQ_OP_DISCARD || nr_sectors > INLINE_SECTORS)
		return false;
	copied = wasm_is_copied(vol->core.engine, sector, nr_sectors);
	if (copied < 0) {
		core_fail_locked(&vol->core, copied, "the core could not look a write up");
		return true;
	}
	/* The header last: a write to the log that it speaks of is noted as one that goes. */
	return copied == 1 &&
	       !snapshot_reads_overlap(vol->snap, sector, nr_sectors, vol->snap->divide) &&
	       !live_holds(vol, bio, sector, nr_sectors);
}

/*
 * Nobody polls for a write that has not been submitted, so it ends in an interrupt, where it cannot
 * go back to a cache of bios that are polled for. And it may sleep where the worker submits it.
 */
static void make_patient(struct bio *bio)
{
	compat_bio_clear_polled(bio);
	bio->bi_opf &= ~REQ_NOWAIT;
}

/* A live checkpoint must not outlive the tracking. Context: core_lock. */
static bool must_end(const struct volume *vol)
{
	return vol->core.error && (vol->live.on || vol->live.switching);
}

/* A write that comes while a checkpoint is loaded passes, and spoils it. Return: is it deferred? */
static bool defer_or_spoil(struct volume *vol)
{
	if (vol->clean.state != CLEAN_LOADING)
		return true;
	vol->clean.spoiled = true;
	return false;
}

enum take tracker_take(struct origin *origin, struct bio *bio)
{
	struct volume *vol = container_of(origin, struct volume, origin);
	sector_t sector, nr_sectors;
	unsigned long flags;
	bool deferred = false, waits, closed, again;

	nr_sectors = tracker_range(vol, bio, &sector);
	if (!nr_sectors)
		return TAKE_NOT; /* what the origin has grown by: see control/grow_origin.c */
	if (!compat_may_lock()) {
		make_patient(bio);
		late_take(vol, bio);
		return TAKE_DEFER;
	}

	waits = pace_applies(bio);
	core_lock(&vol->core, flags);
	closed = unlikely(vol->clean.state || shutter_is_shut(vol) || must_end(vol));
	again = closed && vol->clean.state != CLEAN_LOADING &&
		noted_again(vol, bio, sector, nr_sectors);
	if (closed && !again) {
		deferred = defer_or_spoil(vol);
	} else if (!vol->core.error && vol->core.snapshot_mode) {
		deferred = !may_go(vol, bio, sector, nr_sectors) || must_end(vol);
	} else {
		if (!vol->core.error && !fail_if_taken(vol, sector, nr_sectors))
			deferred = !mark_short(vol, bio, sector, nr_sectors) ||
				   live_holds(vol, bio, sector, nr_sectors);
		deferred = deferred || must_end(vol) || meets_cow_write(vol, sector, nr_sectors);
	}
	if (deferred) {
		make_patient(bio);
		waits = deferred_add(&vol->deferred, bio) && waits;
	} else if (!again) {
		noted_write(vol, bio, sector, nr_sectors);
	}
	core_unlock(&vol->core, flags);

	if (!deferred)
		return TAKE_NOT;
	queue_work(vol->core.wq, &vol->core.work);
	return waits ? TAKE_AND_WAIT : TAKE_DEFER;
}

/* What there is to do with a write that was deferred. */
enum verdict {
	VERDICT_GO,
	VERDICT_BLOCKED, /* not yet: what is in the way is waited for first, */
	VERDICT_READS, /* or snapshot reads */
	VERDICT_SWALLOW,
	VERDICT_NEXT_SLICE, /* go on marking, without the lock in between */
};

/*
 * Snapshot mode: must a write whose blocks are copied wait for the dirty map on disk? It is looked
 * at slice by slice.
 * @marked, @waits: as mark()
 */
static void look_at_map(struct volume *vol, sector_t sector, sector_t nr_sectors, sector_t *marked,
			bool *waits)
{
	u64 at = sector + *marked;
	u64 count = core_slice(at, nr_sectors - *marked, CORE_SLICE_SECTORS);
	s64 ret = wasm_is_copied(vol->core.engine, at, count);

	if (ret < 0)
		core_fail_locked(&vol->core, ret, "the core could not look a write up");
	*waits = *waits || ret == CORE_COPIED_WAITS;
	*marked = ret < 0 ? nr_sectors : *marked + count;
}

/* The same for all that a live checkpoint asks of it. Context: core_lock. */
static enum verdict judge_live(struct volume *vol, struct bio *bio, sector_t sector,
			       sector_t nr_sectors, sector_t *marked, bool *waits)
{
	if (!vol->live.on && !vol->live.switching)
		return VERDICT_GO;
	look_at_map(vol, sector, nr_sectors, marked, waits);
	if (*marked < nr_sectors)
		return VERDICT_NEXT_SLICE;
	return *waits || live_holds(vol, bio, sector, nr_sectors) ? VERDICT_BLOCKED : VERDICT_GO;
}

/* Context: core_lock. */
static enum verdict judge(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors,
			  u64 older, sector_t *marked, bool *waits)
{
	enum verdict verdict = VERDICT_GO;
	bool blocked = false;

	/*
	 * Again: a clean mark defers writes before they are looked at, and the COW file may have
	 * grown.
	 */
	if (vol->clean.state == CLEAN_LOADING || !vol->cow) {
		blocked = false; /* it spoils the load, or that was refused */
	} else if (vol->core.error || fail_if_taken(vol, sector, nr_sectors)) {
		blocked = meets_cow_write(vol, sector, nr_sectors);
	} else if (!vol->core.snapshot_mode) {
		blocked = !mark(vol, bio, sector, nr_sectors, marked, waits);
		if (!blocked && *marked < nr_sectors)
			verdict = VERDICT_NEXT_SLICE;
		else
			blocked = blocked || *waits || live_holds(vol, bio, sector, nr_sectors);
	} else if (bio_op(bio) == REQ_OP_DISCARD) {
		verdict = VERDICT_SWALLOW;
	} else if (snapshot_reads_overlap(vol->snap, sector, nr_sectors, older)) {
		verdict = VERDICT_READS;
	} else {
		verdict = judge_live(vol, bio, sector, nr_sectors, marked, waits);
	}
	if (vol->clean.state != CLEAN_LOADING && must_end(vol))
		blocked = true; /* this write may be what failed it */
	return blocked ? VERDICT_BLOCKED : verdict;
}

/*
 * Between slices the lock is dropped. No other core takes over meanwhile, since this write is
 * deferred until it has gone; and the last slice and its release are one step.
 */
enum release tracker_release(struct volume *vol, struct bio *bio, u64 older)
{
	sector_t sector = 0, nr_sectors = tracker_range(vol, bio, &sector), marked = 0;
	enum verdict verdict;
	unsigned long flags;
	bool waits = false;

	do {
		core_lock(&vol->core, flags);
		verdict = judge(vol, bio, sector, nr_sectors, older, &marked, &waits);
		if (verdict == VERDICT_GO)
			noted_write(vol, bio, sector, nr_sectors);
		core_unlock(&vol->core, flags);
		cond_resched();
	} while (verdict == VERDICT_NEXT_SLICE);

	if (verdict == VERDICT_BLOCKED)
		return RELEASE_AGAIN;
	if (verdict == VERDICT_READS)
		return RELEASE_AFTER_READS;
	if (verdict == VERDICT_GO)
		return RELEASE_GO;
	bio_endio(bio); /* a hint; obeying it would destroy frozen content */
	return RELEASE_GONE;
}

void tracker_send(struct volume *vol, struct bio *bio)
{
	sector_t sector = 0, nr_sectors = tracker_range(vol, bio, &sector);
	unsigned long flags;
	bool blocked;

	core_lock(&vol->core, flags);
	if (vol->cow && vol->clean.state != CLEAN_LOADING && !vol->core.error)
		fail_if_taken(vol, sector, nr_sectors);
	blocked = vol->cow && meets_cow_write(vol, sector, nr_sectors);
	core_unlock(&vol->core, flags);
	core_print(&vol->core);
	if (blocked)
		cow_writes_wait(&vol->writes);
	origin_next(&vol->origin, bio);
}
