// SPDX-License-Identifier: GPL-2.0-only
#include "cow/map.h"
#include "io/checkpoint.h"
#include "io/live.h"
#include "io/volume.h"
#include "params.h"

#define FULL_BACKUP "; a full backup is needed"

bool live_possible(struct volume *vol)
{
	return !vol->core.error && !vol->live.paused && vol->clean.state == CLEAN_NONE &&
	       !shutter_is_shut(vol);
}

bool live_busy(struct volume *vol)
{
	unsigned long flags;
	bool busy;

	core_lock(&vol->core, flags);
	busy = vol->live.wanted || READ_ONCE(vol->live.step);
	core_unlock(&vol->core, flags);
	return busy;
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

int live_write_map(struct volume *vol, struct cow_file *cow, blk_opf_t flags, u64 block,
		   unsigned int count)
{
	s64 offset = core_ask(&vol->core, wasm_map_offset, block), ret;
	size_t bytes = count * COW_BLOCK_SIZE;

	if (offset < 0)
		return offset;
	if (offset < COW_HEADER_SIZE || offset > (s64)cow_file_bytes(cow) - (s64)bytes)
		return core_distrust(&vol->core, CORE_MAP_OFFSET, offset);
	ret = core_take(&vol->core, vol->sections.bounce, bytes, wasm_map_export, block, count);
	if (ret < 0)
		return ret;
	if (ret != bytes)
		return core_distrust(&vol->core, CORE_MAP_EXPORT, ret);
	return cow_file_raw(cow, REQ_OP_WRITE | flags, offset, vol->sections.bounce, bytes);
}
