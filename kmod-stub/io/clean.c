// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/mm.h>
#include "core/room.h"
#include "cow/map.h"
#include "io/clean.h"
#include "io/live.h"
#include "io/pipeline.h"
#include "io/proof.h"
#include "io/reads.h"
#include "io/checkpoint.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "io/volume.h"

#define FULL_BACKUP "; a full backup is needed"

static void set_state(struct volume *vol, enum clean_state state)
{
	unsigned long flags;

	core_lock(&vol->core, flags);
	vol->clean.state = state;
	core_unlock(&vol->core, flags);
}

/* Where no live checkpoint can be made of it, it is removed: no reason to end the series. */
static int end_clean(struct volume *vol, bool *live)
{
	*live = !vol->core.error && !vol->live.unwanted && !live_resume(vol);
	if (*live)
		return 0;
	live_forget(vol);
	return checkpoint_remove(vol);
}

void clean_break(struct volume *vol)
{
	int err = shutter_prove_now(vol, true); /* fails the device, and with its own words */
	bool live = false;

	if (!err)
		err = end_clean(vol, &live);
	if (!err)
		pr_vol_debug(vol, "the origin is written to: the checkpoint is %s",
			     live ? "a live one" : "removed");
	else if (err == -ESTALE)
		core_fail(&vol->core, err, "its COW file was overwritten elsewhere" FULL_BACKUP);
	else
		core_fail(&vol->core, err, "its checkpoint could not be read" FULL_BACKUP);
	WRITE_ONCE(vol->clean.broken, jiffies);
	set_state(vol, CLEAN_NONE);
	shutter_look_soon(vol);
}

/* Preserve what these sectors of the origin hold, before they are written raw. */
static int prepare_sectors(struct volume *vol, sector_t sector, sector_t nr_sectors)
{
	unsigned long flags;
	s64 ret, room = 1;
	u64 number;

	core_lock(&vol->core, flags);
	ret = vol->core.error;
	if (!ret) {
		ret = wasm_is_copied(vol->core.engine, sector, nr_sectors);
		room = wasm_stat(vol->core.engine, CORE_STAT_ROOM);
	}
	core_unlock(&vol->core, flags);
	if (ret < 0)
		return ret;
	if (!ret && room <= 0)
		return -ENOSPC;

	pipeline_copy(vol, sector, nr_sectors);
	number = snapshot_reads_begun(vol->snap);
	while (!READ_ONCE(vol->core.error) &&
	       snapshot_reads_overlap(vol->snap, sector, nr_sectors, number))
		snapshot_wait_reads(vol->snap, sector, nr_sectors, number);
	return 0;
}

/*
 * The header block is written raw and is an ordinary block of the origin, or some pieces of such:
 * it is preserved or marked as if somebody else wrote it. Afterwards no copy and no section is on
 * its way.
 */
static int prepare(struct volume *vol)
{
	u64 offset, sector, count, end = COW_HEADER_SIZE / SECTOR_SIZE;
	int err;

	if (!vol->core.snapshot_mode)
		return checkpoint_mark_header(vol);
	for (offset = 0; offset < end; offset += count) {
		count = min(cow_file_map(vol->cow, offset, &sector), end - offset);
		err = count ? prepare_sectors(vol, sector, count) : -EIO;
		if (err)
			return err;
	}
	ring_flush_all(vol->snap->ring);
	return sections_flush(vol);
}

void clean_make(struct volume *vol)
{
	unsigned long flags;
	bool wanted, named = false;
	int err;

	if (!READ_ONCE(vol->clean.wanted))
		return;
	/* From here on every write is deferred. Those that were deferred before have gone. */
	core_lock(&vol->core, flags);
	wanted = vol->clean.wanted && vol->clean.state == CLEAN_NONE && !vol->core.error &&
		 !deferred_waiting(&vol->deferred);
	vol->clean.wanted = false;
	if (wanted)
		vol->clean.state = CLEAN_WRITING;
	core_unlock(&vol->core, flags);
	if (!wanted)
		return;

	err = proof_check(vol, &vol->shutter.fingerprint);
	if (err == -ESTALE) {
		shutter_judge(vol, err);
		core_fail(&vol->core, err, shutter_why_unproved(err));
	}
	if (!err)
		err = cow_writes_begin(&vol->writes) ? 0 : -EIO;
	if (!err) {
		vol->live.step = LIVE_IDLE; /* the core makes one at a time */
		err = prepare(vol) ?: checkpoint_write(vol, &named);
		cow_writes_end(&vol->writes);
	}
	if (!err)
		live_forget(vol);
	else if (named && vol->live.on)
		live_end(vol); /* which checkpoint the header names is not known */
	vol->clean.error = err;
	set_state(vol, err ? CLEAN_NONE : CLEAN_VALID);
	if (!err)
		pr_vol_debug(vol, "a checkpoint is written");
}

int clean_init(struct clean *clean)
{
	clean->open_header = (void *)get_zeroed_page(GFP_KERNEL);
	clean->clean_header = (void *)get_zeroed_page(GFP_KERNEL);
	clean->older_header = (void *)get_zeroed_page(GFP_KERNEL);
	return clean->open_header && clean->clean_header && clean->older_header ? 0 : -ENOMEM;
}

void clean_exit(struct clean *clean)
{
	free_page((unsigned long)clean->older_header);
	free_page((unsigned long)clean->open_header);
	free_page((unsigned long)clean->clean_header);
}
