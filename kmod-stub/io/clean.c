// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/mm.h>
#include "io/clean.h"
#include "io/header.h"
#include "io/live_make.h"
#include "io/proof.h"
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

/* Afterwards no copy and no section is on its way. */
static int prepare(struct volume *vol)
{
	int err = header_preserve(vol);

	if (err || !vol->core.snapshot_mode)
		return err;
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
	clean->former_header = (void *)get_zeroed_page(GFP_KERNEL);
	return clean->open_header && clean->clean_header && clean->older_header &&
			       clean->former_header ?
		       0 :
		       -ENOMEM;
}

void clean_exit(struct clean *clean)
{
	free_page((unsigned long)clean->older_header);
	free_page((unsigned long)clean->former_header);
	free_page((unsigned long)clean->open_header);
	free_page((unsigned long)clean->clean_header);
}
