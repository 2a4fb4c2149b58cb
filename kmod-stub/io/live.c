// SPDX-License-Identifier: GPL-2.0-only
#include "core/room.h"
#include "cow/map.h"
#include "io/checkpoint.h"
#include "io/live.h"
#include "io/proof.h"
#include "io/volume.h"
#include "params.h"

#define SURVEY_CHUNKS 64 /* at a time */
#define FULL_BACKUP "; a full backup is needed"

bool live_possible(struct volume *vol)
{
	return !vol->core.error && !vol->core.snapshot_mode && vol->clean.state == CLEAN_NONE &&
	       !shutter_is_shut(vol);
}

void live_want(struct volume *vol)
{
	unsigned long flags;

	if (!checkpoint_interval)
		return;
	core_lock(&vol->core, flags);
	vol->live.wanted = live_possible(vol);
	core_unlock(&vol->core, flags);
	queue_work(vol->core.wq, &vol->core.work);
}

void live_forget(struct volume *vol)
{
	unsigned long flags;

	core_lock(&vol->core, flags);
	vol->live.on = false;
	vol->live.switching = false;
	if (!vol->core.error)
		wasm_live_drop(vol->core.engine);
	core_unlock(&vol->core, flags);
	vol->live.step = LIVE_IDLE;
}

void live_loaded(struct volume *vol, u64 added)
{
	vol->live.on = true;
	vol->live.added = added;
	vol->live.made = jiffies;
}

/* A checkpoint that stays would speak of a map that nobody writes any more. */
void live_end(struct volume *vol)
{
	/* The COW file's blocks may be somebody else's, and no reload would accept it. */
	int err = vol->shutter.foreign ? 0 : checkpoint_remove(vol);

	if (err == -ESTALE)
		core_fail(&vol->core, err, "its COW file was overwritten elsewhere" FULL_BACKUP);
	else if (err)
		core_fail(&vol->core, err, "its checkpoint could not be removed" FULL_BACKUP);
	vol->live.stuck = err && err != -ESTALE;
	live_forget(vol);
}

int live_write_map(struct volume *vol, blk_opf_t flags, u64 block, unsigned int count)
{
	s64 offset = core_ask(&vol->core, wasm_map_offset, block), ret;
	size_t bytes = count * COW_BLOCK_SIZE;

	if (offset < 0)
		return offset;
	if (offset < COW_HEADER_SIZE || offset > (s64)cow_file_bytes(vol->cow) - (s64)bytes)
		return core_distrust(&vol->core, CORE_MAP_OFFSET, offset);
	ret = core_take(&vol->core, vol->sections.bounce, bytes, wasm_map_export, block, count);
	if (ret < 0)
		return ret;
	if (ret != bytes)
		return core_distrust(&vol->core, CORE_MAP_EXPORT, ret);
	return cow_file_raw(vol->cow, REQ_OP_WRITE | flags, offset, vol->sections.bounce, bytes);
}

/* Take the wish for a checkpoint, or for none. Return: is there to be one? */
static bool take_wish(struct volume *vol, bool *drop_it)
{
	struct live *live = &vol->live;
	unsigned long flags;
	bool wanted;

	core_lock(&vol->core, flags);
	*drop_it = (live->unwanted || vol->core.error) && (live->on || live->stuck);
	wanted = live->wanted && !live->step && !live->unwanted && live_possible(vol);
	if (live->unwanted || !live_possible(vol))
		live->step = LIVE_IDLE;
	live->wanted = false;
	live->unwanted = false;
	core_unlock(&vol->core, flags);
	return wanted;
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

static s64 begin(struct volume *vol)
{
	s64 ret;

	/* Once: then what is written here says how far. */
	ret = vol->live.on ? 0 : proof_stamps(vol);
	if (!ret)
		ret = ask_identity(vol);
	if (ret == 1)
		ret = checkpoint_mark_header(vol);
	if (!ret)
		ret = core_ask(&vol->core, wasm_live_begin);
	if (!ret)
		ret = checkpoint_begin(vol);
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
	s64 ret = min_t(s64, blocks, 0);

	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	for (block = 0; !ret && block < blocks; block += count) {
		count = min_t(s64, blocks - block, CORE_MAP_BLOCKS_MAX);
		ret = block ? core_ask(&vol->core, wasm_live_switch, block, count) :
			      switch_first(vol, count);
		if (!ret)
			ret = live_write_map(vol, 0, block, count);
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

/* A flush before: what writers wait for while the map is switched is little then. */
static s64 finish(struct volume *vol)
{
	s64 ret = cow_file_flush(vol->cow);
	bool written;

	if (!ret)
		ret = switch_map(vol);
	if (!ret)
		ret = checkpoint_write_live(vol);
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
	return ret > 0 ? 0 : ret ?: finish(vol);
}

static s64 step_on(struct volume *vol)
{
	switch (vol->live.step) {
	case LIVE_IDLE:
		return begin(vol);
	case LIVE_SURVEY:
		return survey(vol);
	default:
		return next_live_piece(vol);
	}
}

bool live_work(struct volume *vol)
{
	bool drop_it, wanted = take_wish(vol, &drop_it);
	s64 ret;

	if (drop_it)
		live_end(vol);
	if (!wanted && !vol->live.step)
		return false;
	if (!cow_writes_begin(&vol->writes))
		return false;
	ret = step_on(vol);
	cow_writes_end(&vol->writes);
	if (!ret)
		return vol->live.step != LIVE_IDLE;
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
		ret = live_write_map(vol, 0, block, count);
	}
	mutex_unlock(&vol->core.io_lock);
	return ret ?: checkpoint_write_live(vol) ?: take_effect(vol);
}
