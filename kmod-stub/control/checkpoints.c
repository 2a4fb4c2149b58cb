// SPDX-License-Identifier: GPL-2.0-only
#include "control/checkpoints.h"
#include "io/volume.h"
#include "params.h"

/*
 * A checkpoint costs what it takes on disk, and one write of the map for each region that is
 * written to afterwards. So it is worth it after as many new blocks as these, or in time.
 */
#define BLOCKS_PER_BLOCK 32 /* new ones for each that it takes */
#define BLOCKS_PER_REGION 32
#define SHORTEST (2 * HZ) /* between two */
#define QUIET_TIME (5 * HZ) /* without a new block: one is made, */
#define QUIET_BLOCKS 8 /* if that takes no more than these each second since the last */
#define RETRY (60 * HZ) /* after one that failed */

struct progress {
	bool on, busy;
	s64 nr_new, dirty, blocks; /* changed since the last; regions; that it took */
};

static struct progress progress_of(struct volume *vol)
{
	struct progress now;
	unsigned long flags;
	s64 bytes;

	core_lock(&vol->core, flags);
	now.on = vol->live.on;
	now.busy = !live_possible(vol) || vol->live.wanted || READ_ONCE(vol->live.step);
	if (!now.busy) {
		now.nr_new = wasm_stat(vol->core.engine, CORE_STAT_NEW_BLOCKS);
		now.dirty = wasm_stat(vol->core.engine, CORE_STAT_DIRTY_REGIONS);
		bytes = wasm_stat(vol->core.engine, CORE_STAT_AREA_BYTES);
		now.blocks = bytes / (s64)COW_BLOCK_SIZE;
		now.busy = now.nr_new < 0 || now.dirty < 0 || bytes < 0;
	}
	core_unlock(&vol->core, flags);
	return now;
}

static bool is_time(struct live *live, const struct progress *now)
{
	unsigned long age = jiffies - live->made, quiet;

	if (live->failed && time_before(jiffies, live->failed + RETRY))
		return false;
	if (!now->on)
		return true;
	if (now->nr_new != live->seen) {
		live->seen = now->nr_new;
		live->changed = jiffies;
	}
	quiet = jiffies - live->changed;
	if (!now->dirty || age < SHORTEST)
		return false;
	if (now->nr_new >= BLOCKS_PER_BLOCK * now->blocks &&
	    now->nr_new >= BLOCKS_PER_REGION * now->dirty)
		return true;
	if (quiet >= QUIET_TIME && age >= now->blocks * HZ / QUIET_BLOCKS)
		return true;
	return age >= (unsigned long)checkpoint_interval * HZ;
}

void checkpoints_consider(struct volume *vol)
{
	struct progress now = progress_of(vol);

	if (!now.busy && is_time(&vol->live, &now))
		live_want(vol);
}
