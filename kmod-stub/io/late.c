// SPDX-License-Identifier: GPL-2.0-only
#include "dattobd.h"

void late_init(struct late *late)
{
	bio_list_init(&late->bios);
	raw_spin_lock_init(&late->lock);
}

void late_take(struct dattobd_device *dev, struct bio *bio)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&dev->late.lock, flags);
	bio_list_add(&dev->late.bios, bio);
	raw_spin_unlock_irqrestore(&dev->late.lock, flags);
	queue_work(dev->wq, &dev->work);
}

static void take_held(struct late *late, struct bio_list *bios)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&late->lock, flags);
	*bios = late->bios;
	bio_list_init(&late->bios);
	raw_spin_unlock_irqrestore(&late->lock, flags);
}

void late_decide(struct dattobd_device *dev)
{
	struct bio_list bios;
	unsigned long flags;

	if (!READ_ONCE(dev->late.bios.head))
		return; /* who adds one wakes the worker afterwards */
	core_lock(dev, flags);
	take_held(&dev->late, &bios);
	dev->drain.held += bio_list_size(&bios);
	bio_list_merge(&dev->held, &bios);
	core_unlock(dev, flags);
}
