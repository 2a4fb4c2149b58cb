// SPDX-License-Identifier: GPL-2.0-only
#include "cow/map.h"
#include "io/live_file.h"
#include "io/live_next.h"
#include "io/live_writes.h"
#include "io/ring.h"
#include "io/volume.h"
#include "killable.h"
#include "params.h"

#define MAKE_WAIT (30 * HZ) /* for a checkpoint */

/* Return: the slots' offset in the next file, or -errno. */
static s64 take_slots(struct volume *vol, struct engine *next, struct ring *ring)
{
	s64 region = core_ask(&vol->core, wasm_stat, CORE_STAT_REGION_BLOCKS), offset, position;
	unsigned long flags;

	if (region < 0)
		return region;
	wasm_regions_set(next, region);
	offset = wasm_slots_take(next);
	position = wasm_stat(next, CORE_STAT_FPOS);
	if (offset < 0 || position < 0)
		return min(offset, position);
	core_lock(&vol->core, flags);
	ring_skip(ring, position);
	core_unlock(&vol->core, flags);
	return offset;
}

/* Where the next one goes. Context: the worker makes none. */
static int set_next(struct volume *vol, struct cow_file *cow, s64 offset, s64 fsize)
{
	unsigned long flags;
	s64 ret;

	core_lock(&vol->core, flags);
	ret = vol->core.error ?: wasm_live_move(vol->core.engine, offset, fsize);
	if (!ret)
		vol->live.next_file = cow;
	core_unlock(&vol->core, flags);
	return ret;
}

static bool is_in_next(struct volume *vol)
{
	unsigned long flags;
	bool is;

	core_lock(&vol->core, flags);
	is = vol->live.on && vol->live.moved;
	core_unlock(&vol->core, flags);
	return is;
}

static bool is_ready(struct volume *vol)
{
	return vol->live.next_file && READ_ONCE(vol->live.step) == LIVE_READY;
}

static int make_in_next(struct volume *vol, struct engine *next, struct cow_file *cow,
			struct ring *ring)
{
	s64 offset = take_slots(vol, next, ring), fsize = wasm_stat(next, CORE_STAT_FSIZE);
	long left = 1;
	int err;

	if (offset < 0 || fsize < 0)
		return 0;
	err = worker_pause_live(vol);
	/* The next file will be written past the filesystem: the map in force has its regions. */
	if (!err && !live_flush_map(vol) && !set_next(vol, cow, offset, fsize))
		left = 0;
	worker_resume_live(vol);
	if (err || left)
		return err ?: READ_ONCE(vol->core.error);
	live_want(vol);
	left = wait_event_killable_timeout(vol->worker.wait, is_ready(vol) || !live_busy(vol),
					   MAKE_WAIT);
	return left < 0 ? left : 0;
}

int live_to_next(struct volume *vol, struct engine *next, struct cow_file *cow, struct ring *ring)
{
	int err = checkpoint_interval ? make_in_next(vol, next, cow, ring) : 0;

	if (err)
		return err;
	return is_ready(vol) ? 0 : worker_end_live(vol, MAX_SCHEDULE_TIMEOUT);
}

int live_finish(struct volume *vol, long timeout)
{
	unsigned long flags;
	long left;

	core_lock(&vol->core, flags);
	vol->live.frozen = true;
	core_unlock(&vol->core, flags);
	queue_work(vol->core.wq, &vol->core.work);
	left = wait_event_killable_timeout(vol->worker.wait, !live_busy(vol), timeout);
	return wait_result(left);
}

/* The volume's file has the header that names the next one. */
static void know_former_header(struct volume *vol)
{
	memcpy(vol->clean.clean_header, vol->clean.former_header, COW_HEADER_SIZE);
	memcpy(vol->clean.older_header, vol->clean.former_header, COW_HEADER_SIZE);
}

void live_back(struct volume *vol)
{
	unsigned long flags;

	if (!vol->live.next_file)
		return;
	request_ignore_kill();
	worker_pause_live(vol);
	if (vol->live.moved) {
		worker_end_live(vol, MAX_SCHEDULE_TIMEOUT);
		know_former_header(vol);
	}
	core_lock(&vol->core, flags);
	vol->live.moved = false;
	vol->live.frozen = false;
	vol->live.next_file = NULL;
	if (!vol->core.error)
		wasm_live_move(vol->core.engine, 0, 0);
	core_unlock(&vol->core, flags);
	/* On a failed device each run of the worker may try to remove it from the next file. */
	flush_work(&vol->core.work);
	worker_resume_live(vol);
	live_want(vol);
}

static s64 hand_block(struct core *core, struct engine *next, u64 block)
{
	void *to = engine_buffer(next, COW_BLOCK_SIZE);
	s64 ret = to ? core_take(core, to, COW_BLOCK_SIZE, wasm_map_export, block, 1) :
		       -ENOTRECOVERABLE;

	return ret < 0 ? ret : wasm_map_import(next, block);
}

static s64 hand_map(struct core *core, struct engine *next)
{
	s64 blocks = core_ask(core, wasm_stat, CORE_STAT_MAP_BLOCKS), block;
	void *to = engine_buffer(next, COW_HEADER_SIZE);
	s64 ret = to ? core_take(core, to, COW_HEADER_SIZE, wasm_live_encode) : -ENOTRECOVERABLE;

	if (ret >= 0)
		ret = wasm_live_inherit(next);
	for (block = 0; !ret && block < blocks; block++)
		ret = hand_block(core, next, block);
	return ret ?: min_t(s64, blocks, 0);
}

int live_hand_over(struct volume *vol, struct engine *next)
{
	s64 ret = 0;

	if (mutex_lock_killable(&vol->core.io_lock)) /* whose map is being written */
		return -EINTR;
	if (is_in_next(vol))
		ret = hand_map(&vol->core, next);
	mutex_unlock(&vol->core.io_lock);
	if (ret > 0)
		return engine_distrust(next, CORE_MAP_IMPORT, ret);
	return ret;
}

/* Does the next core have all of the map, which is on disk? */
static bool has_map(struct engine *engine, struct engine *next)
{
	return wasm_map_next(engine, 0) == wasm_stat(engine, CORE_STAT_MAP_BLOCKS) &&
	       wasm_stat(engine, CORE_STAT_DIRTY_REGIONS) ==
		       wasm_stat(next, CORE_STAT_DIRTY_REGIONS);
}

bool live_take_over(struct volume *vol, struct engine *next)
{
	struct engine *engine = vol->core.engine;
	void *to = engine_buffer(next, COW_HEADER_SIZE);

	noted_rest(vol, next); /* its filesystem is frozen */
	if (!vol->live.on)
		return true;
	if (!vol->live.moved || !to || wasm_live_encode(engine) < 0 ||
	    engine_read_buffer(engine, to, COW_HEADER_SIZE) || wasm_live_take_over(next))
		return false;
	if (has_map(engine, next))
		return true;
	wasm_live_drop(next);
	return false;
}

void live_give_back(struct volume *vol, struct engine *next)
{
	if (vol->live.on)
		wasm_live_drop(next);
}

void live_preserve_header(struct volume *vol, long timeout)
{
	u64 offset, sector, count, end = COW_HEADER_SIZE / SECTOR_SIZE;
	int err = READ_ONCE(vol->core.error);

	for (offset = 0; READ_ONCE(vol->live.on) && !err && offset < end; offset += count) {
		count = min(cow_file_map(vol->cow, offset, &sector), end - offset);
		err = count ? worker_copy(vol, sector, count, NULL, timeout) : -EIO;
	}
	if (err)
		core_fail(&vol->core, err, "the header of its COW file could not be preserved");
}

void live_switched(struct volume *vol)
{
	vol->live.moved = false;
	vol->live.frozen = false;
	vol->live.next_file = NULL;
	if (wasm_header_encode(vol->core.engine, false) > 0)
		engine_read_buffer(vol->core.engine, vol->clean.open_header, COW_HEADER_SIZE);
	if (vol->live.on && noted_identity(vol, NULL, 0, 0) != 1)
		vol->live.unwanted = true;
}
