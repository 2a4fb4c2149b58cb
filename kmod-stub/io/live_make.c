// SPDX-License-Identifier: GPL-2.0-only
#include "core/room.h"
#include "cow/map.h"
#include "io/checkpoint.h"
#include "io/header.h"
#include "io/live_file.h"
#include "io/live_make.h"
#include "io/proof.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "io/volume.h"
#include "params.h"

#define SURVEY_CHUNKS 64 /* at a time */

/* Take the wish for a checkpoint, or for none. */
static void take_wish(struct volume *vol, bool *drop_it)
{
	struct live *live = &vol->live;
	unsigned long flags;
	bool wanted;

	core_lock(&vol->core, flags);
	*drop_it = (live->unwanted || vol->core.error) && (live->on || live->stuck);
	wanted = live->wanted && !live->step && !live->unwanted && live_possible(vol);
	if (live->unwanted || !live_possible(vol))
		live->step = LIVE_IDLE;
	else if (wanted)
		live->step = LIVE_BEGIN;
	live->wanted = false;
	live->unwanted = false;
	core_unlock(&vol->core, flags);
}

/* Before much is written. A loaded checkpoint has a size of regions of its own. */
static s64 ask_identity(struct volume *vol)
{
	unsigned long flags;
	s64 ret;

	core_lock(&vol->core, flags);
	ret = vol->core.error;
	if (!ret && !vol->live.on)
		wasm_regions_set(vol->core.engine, (u64)region_size * MIB / COW_BLOCK_SIZE);
	if (!ret)
		ret = noted_identity(vol, NULL, 0, 0);
	core_unlock(&vol->core, flags);
	return ret;
}

/*
 * In snapshot mode the first one takes positions. The ring knows those that copies take, one behind
 * the other: none is in it then.
 */
static s64 live_begin(struct volume *vol)
{
	struct snapshot *snap = READ_ONCE(vol->snap);
	unsigned long flags;
	s64 ret;

	if (!snap || core_ask(&vol->core, wasm_stat, CORE_STAT_HAS_SLOTS) == 1)
		return core_ask(&vol->core, wasm_live_begin);
	ring_flush_all(snap->ring);
	core_lock(&vol->core, flags);
	ret = vol->core.error ?: ring_is_empty(snap->ring) ? 0 : -EBUSY;
	if (!ret)
		ret = wasm_live_begin(vol->core.engine);
	if (!ret)
		ret = wasm_stat(vol->core.engine, CORE_STAT_FPOS);
	if (ret >= 0)
		ring_skip(snap->ring, ret);
	core_unlock(&vol->core, flags);
	return min_t(s64, ret, 0);
}

static s64 begin(struct volume *vol)
{
	s64 ret;

	/* Once: then what is written here says how far. */
	ret = vol->live.on ? 0 : proof_stamps(vol);
	if (!ret)
		ret = ask_identity(vol);
	if (ret == 1)
		ret = header_preserve(vol);
	if (!ret)
		ret = live_begin(vol);
	if (!ret)
		ret = checkpoint_begin(vol, true);
	vol->live.next = 0;
	vol->live.step = LIVE_SURVEY;
	return ret;
}

static s64 survey(struct volume *vol)
{
	s64 chunks = core_ask(&vol->core, wasm_stat, CORE_STAT_MASK_CHUNKS), ret = 0;
	u64 end = min_t(s64, chunks, vol->live.next + SURVEY_CHUNKS);

	for (; chunks >= 0 && ret >= 0 && vol->live.next < end; vol->live.next++)
		ret = core_ask(&vol->core, wasm_record_survey, vol->live.next);
	if (chunks < 0 || ret < 0)
		return min(chunks, ret);
	if (vol->live.next < chunks)
		return 0;
	ret = core_ask(&vol->core, wasm_record_plan);
	vol->live.left = checkpoint_pieces_max(vol);
	vol->live.step = LIVE_PIECES;
	return min_t(s64, ret, 0);
}

/*
 * From here on a write goes only if both checkpoints know of it, the one on disk and the next. What
 * the header says of the superblock holds from the same moment on.
 */
static s64 switch_first(struct volume *vol, unsigned int count)
{
	unsigned long flags;
	s64 ret;

	core_lock(&vol->core, flags);
	ret = vol->core.error ?: noted_identity(vol, NULL, 0, 0);
	if (!ret)
		ret = -ESTALE; /* never: what was let go was in the header */
	if (ret > 0)
		ret = wasm_live_switch(vol->core.engine, 0, count);
	if (!ret)
		vol->live.switching = true;
	core_unlock(&vol->core, flags);
	return ret;
}

static s64 switch_map(struct volume *vol)
{
	s64 blocks = core_ask(&vol->core, wasm_stat, CORE_STAT_MAP_BLOCKS), block, count;
	struct cow_file *cow = live_next_file(vol);
	s64 ret = min_t(s64, blocks, 0);

	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	for (block = 0; !ret && block < blocks; block += count) {
		count = min_t(s64, blocks - block, CORE_MAP_BLOCKS_MAX);
		ret = block ? core_ask(&vol->core, wasm_live_switch, block, count) :
			      switch_first(vol, count);
		if (!ret)
			ret = live_write_map(vol, cow, 0, block, count);
	}
	mutex_unlock(&vol->core.io_lock);
	return ret;
}

/* The new header is on disk: so is what it names. */
static int take_effect(struct volume *vol)
{
	unsigned long flags;
	s64 ret;

	core_lock(&vol->core, flags);
	ret = vol->core.error ?: wasm_live_commit(vol->core.engine);
	/* A device that failed meanwhile must remove it. */
	vol->live.on = true;
	vol->live.made = jiffies;
	vol->live.switching = false;
	core_unlock(&vol->core, flags);
	vol->live.changed = jiffies;
	vol->live.seen = 0;
	return ret;
}

static void set_moved(struct volume *vol, bool moved)
{
	unsigned long flags;

	core_lock(&vol->core, flags);
	vol->live.moved = moved;
	core_unlock(&vol->core, flags);
}

/* The header block with the checkpoint, durably, where it belongs: one of two files has it then. */
static int write_next(struct volume *vol)
{
	int ret, err;

	if (!vol->live.next_file || vol->live.moved)
		return checkpoint_write_live(vol);
	ret = vol->live.on ? checkpoint_is_there(vol) : 0;
	if (!ret)
		ret = live_former_header(vol, vol->clean.former_header);
	if (ret)
		return ret;
	set_moved(vol, true);
	ret = checkpoint_write_live(vol);
	err = cow_file_raw(vol->cow, REQ_OP_WRITE | REQ_FUA, 0, vol->clean.former_header,
			   COW_HEADER_SIZE);
	if (!err)
		return ret;
	checkpoint_remove(vol);
	set_moved(vol, false); /* and the one there is removed by who called */
	return err;
}

/* A flush before: what writers wait for while the map is switched is little then. */
static s64 finish(struct volume *vol)
{
	s64 ret = cow_file_flush(live_next_file(vol));
	bool written;

	if (!ret)
		ret = switch_map(vol);
	if (!ret)
		ret = write_next(vol);
	written = !ret;
	if (!ret)
		ret = take_effect(vol);
	/* On disk is one that the core does not keep true, or that knows less than was let go. */
	if (ret && vol->live.on && (written || vol->live.switching))
		live_end(vol);
	else if (ret && vol->live.switching)
		live_forget(vol); /* no header was written, or it was removed */
	vol->live.step = LIVE_IDLE;
	if (!ret)
		pr_vol_debug(vol, "a live checkpoint is written");
	return ret;
}

static s64 next_live_piece(struct volume *vol)
{
	s64 ret;

	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	ret = checkpoint_write_piece(vol, &vol->live.left);
	mutex_unlock(&vol->core.io_lock);
	if (!ret)
		vol->live.step = LIVE_READY;
	return min_t(s64, ret, 0);
}

static s64 step_on(struct volume *vol)
{
	switch (vol->live.step) {
	case LIVE_BEGIN:
		return begin(vol);
	case LIVE_SURVEY:
		return survey(vol);
	case LIVE_PIECES:
		return next_live_piece(vol);
	default:
		return finish(vol);
	}
}

/*
 * A reload after a power cut replays no journal: before the freeze it may not find the next file.
 */
static bool may_go_on(struct volume *vol)
{
	unsigned long flags;
	bool may;

	core_lock(&vol->core, flags);
	may = vol->live.step < LIVE_READY || !vol->live.next_file || vol->live.frozen;
	core_unlock(&vol->core, flags);
	return vol->live.step && may;
}

/* If it cannot, there is none: nobody sees the new snapshot before that. */
static void say_closed(struct volume *vol)
{
	unsigned long flags;
	bool wanted;
	int err;

	core_lock(&vol->core, flags);
	wanted = vol->live.closed && vol->live.on;
	vol->live.closed = false;
	core_unlock(&vol->core, flags);
	if (!wanted || core_ask(&vol->core, wasm_live_former_closed) != 1)
		return;
	err = cow_writes_begin(&vol->writes) ? 0 : -EIO;
	if (!err) {
		err = checkpoint_is_there(vol) ?: checkpoint_write_live(vol);
		cow_writes_end(&vol->writes);
	}
	if (err)
		live_end(vol);
}

bool live_work(struct volume *vol)
{
	bool drop_it;
	s64 ret;

	take_wish(vol, &drop_it);
	if (drop_it)
		live_end(vol);
	say_closed(vol);
	if (!may_go_on(vol))
		return false;
	if (!cow_writes_begin(&vol->writes))
		return false;
	ret = step_on(vol);
	cow_writes_end(&vol->writes);
	if (!ret)
		return may_go_on(vol);
	vol->live.step = LIVE_IDLE;
	vol->live.failed = jiffies | 1;
	if (!vol->live.on)
		core_ask(&vol->core, wasm_live_drop);
	pr_vol_debug(vol, "no live checkpoint could be written: %lld", ret);
	return false;
}

int live_resume(struct volume *vol)
{
	s64 blocks, block, count, ret;
	unsigned long flags;

	if (vol->core.snapshot_mode || !checkpoint_interval || proof_stamps(vol))
		return vol->core.error ?: 1;
	core_lock(&vol->core, flags);
	ret = vol->core.error;
	if (!ret)
		wasm_regions_set(vol->core.engine, (u64)region_size * MIB / COW_BLOCK_SIZE);
	if (!ret)
		ret = noted_identity(vol, NULL, 0, 0);
	if (ret > 0)
		ret = wasm_live_resume(vol->core.engine);
	blocks = ret ? ret : wasm_stat(vol->core.engine, CORE_STAT_MAP_BLOCKS);
	core_unlock(&vol->core, flags);
	if (blocks <= 0)
		return vol->core.error ?: 1;
	ret = checkpoint_is_there(vol);
	if (ret)
		return ret;

	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	for (block = 0; !ret && block < blocks; block += count) {
		count = min_t(s64, blocks - block, CORE_MAP_BLOCKS_MAX);
		ret = live_write_map(vol, vol->cow, 0, block, count);
	}
	mutex_unlock(&vol->core.io_lock);
	return ret ?: checkpoint_write_live(vol) ?: take_effect(vol);
}
