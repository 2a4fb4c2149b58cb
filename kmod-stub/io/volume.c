// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include "io/cut.h"
#include "io/proof.h"
#include "io/tracker.h"
#include "io/volume.h"

int volume_init(struct volume *vol, unsigned int minor, struct delayed_work *watch)
{
	int err;

	core_init(&vol->core, minor);
	vol->origin.minor = minor;
	vol->origin.take = tracker_take;
	cow_writes_init(&vol->writes, &vol->core);
	fill_init(&vol->fill);
	vol->shutter.watch = watch;
	vol->proof = proof_create();
	err = vol->proof ? noted_init(&vol->noted) : -ENOMEM;
	if (!err)
		err = deferred_init(&vol->deferred, &vol->core);
	if (!err)
		err = worker_init(vol);
	if (!err)
		err = sender_init(&vol->sender, minor);
	if (!err)
		err = sections_init(vol);
	if (!err)
		err = clean_init(&vol->clean);
	if (!err)
		err = bioset_init(&vol->read_bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
	if (!err)
		err = bioset_init(&vol->append_bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
	return err;
}

void volume_stop(struct volume *vol)
{
	sender_exit(&vol->sender); /* it wakes the worker */
	worker_exit(vol);
}

void volume_exit(struct volume *vol)
{
	core_exit(&vol->core);
	deferred_exit(&vol->deferred);
	bioset_exit(&vol->append_bios);
	bioset_exit(&vol->read_bios);
	sections_exit(vol);
	clean_exit(&vol->clean);
	noted_exit(&vol->noted);
	proof_free(vol->proof);
	cut_free(vol->cut);
}
