// SPDX-License-Identifier: GPL-2.0-only
#include "cow/pin.h"
#include "io/proof.h"
#include "io/shutter.h"
#include "io/volume.h"

#define LOOK_SOON (HZ / 20)

#define FULL_BACKUP "; a full backup is needed"
#define UNNOTICED ", so a write elsewhere could not be noticed" FULL_BACKUP

bool shutter_is_shut(struct volume *vol)
{
	/* A reload that is under way, or was refused, may have no COW file. */
	if (vol->core.error || !vol->cow)
		return false;
	if (!cow_file_has_filesystem(vol->cow))
		vol->shutter.shut = true;
	return vol->shutter.shut;
}

void shutter_shut(struct volume *vol)
{
	unsigned long flags;

	core_lock(&vol->core, flags);
	vol->shutter.shut = true;
	core_unlock(&vol->core, flags);
}

int shutter_begin(struct volume *vol)
{
	int err = proof_learn(vol, NULL);

	/* It can be tracked while it is mounted here, and not longer. */
	return err == -EXDEV || err == -EOPNOTSUPP ? 0 : err;
}

const char *shutter_why_unproved(int err)
{
	switch (err) {
	case -ESTALE:
		return "its filesystem was written to elsewhere" FULL_BACKUP;
	case -EXDEV:
		return "the log of its filesystem is on another device" UNNOTICED;
	case -EOPNOTSUPP:
		return "it holds no ext4 or xfs any more" UNNOTICED;
	default:
		return "it could not be read" UNNOTICED;
	}
}

void shutter_judge(struct volume *vol, int err)
{
	bool was_read = err == -ESTALE || err == -EXDEV || err == -EOPNOTSUPP;

	vol->shutter.foreign = was_read && proof_voids(vol);
}

int shutter_prove_now(struct volume *vol, bool clean)
{
	u64 fingerprint = vol->shutter.fingerprint;
	int err = proof_check(vol, clean ? &fingerprint : NULL);

	if (!err && fingerprint != vol->shutter.fingerprint)
		err = -ESTALE;
	if (err)
		shutter_judge(vol, err);
	if (err)
		core_fail(&vol->core, err == -EXDEV || err == -EOPNOTSUPP ? -ESTALE : err,
			  shutter_why_unproved(err));
	return err;
}

int shutter_prove(struct volume *vol)
{
	unsigned long flags;
	bool shut;

	core_lock(&vol->core, flags);
	shut = shutter_is_shut(vol);
	core_unlock(&vol->core, flags);
	return shut ? shutter_prove_now(vol, false) : 0;
}

/* The proof has succeeded: is the filesystem mounted here? */
static void open_shutter(struct volume *vol)
{
	bool here = compat_bdev_mounted_rw(origin_bdev(&vol->origin)) && !shutter_hibernating();
	unsigned long flags;

	core_lock(&vol->core, flags);
	if (here && cow_file_has_filesystem(vol->cow))
		vol->shutter.shut = false;
	core_unlock(&vol->core, flags);
}

void shutter_look(struct volume *vol)
{
	bool first = !vol->shutter.proved || time_after(jiffies, vol->shutter.proved + HZ);

	WRITE_ONCE(vol->shutter.proved, jiffies);
	if (first)
		shutter_look_soon(vol); /* it may just be mounted */
	if (!shutter_prove_now(vol, false))
		open_shutter(vol);
}

void shutter_look_soon(struct volume *vol)
{
	mod_delayed_work(COMPAT_UNBOUND_WQ, vol->shutter.watch, LOOK_SOON);
}

static bool hibernating;

bool shutter_hibernating(void)
{
	return READ_ONCE(hibernating);
}

void shutter_hibernate(bool begins)
{
	WRITE_ONCE(hibernating, begins);
}
