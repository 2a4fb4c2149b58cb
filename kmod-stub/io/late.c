// SPDX-License-Identifier: GPL-2.0-only
#include "io/late.h"
#include "io/volume.h"

void late_init(struct late *late)
{
	bio_list_init(&late->bios);
	raw_spin_lock_init(&late->lock);
}

void late_take(struct volume *vol, struct bio *bio)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vol->worker.late.lock, flags);
	bio_list_add(&vol->worker.late.bios, bio);
	raw_spin_unlock_irqrestore(&vol->worker.late.lock, flags);
	queue_work(vol->core.wq, &vol->core.work);
}

static void take_held(struct late *late, struct bio_list *bios)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&late->lock, flags);
	*bios = late->bios;
	bio_list_init(&late->bios);
	raw_spin_unlock_irqrestore(&late->lock, flags);
}

void late_decide(struct volume *vol)
{
	struct bio_list bios;
	unsigned long flags;
	struct bio *bio;

	if (!READ_ONCE(vol->worker.late.bios.head))
		return; /* who adds one wakes the worker afterwards */
	core_lock(&vol->core, flags);
	take_held(&vol->worker.late, &bios);
	while ((bio = bio_list_pop(&bios)))
		deferred_add(&vol->deferred, bio);
	core_unlock(&vol->core, flags);
}
