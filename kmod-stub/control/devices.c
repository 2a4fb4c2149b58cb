// SPDX-License-Identifier: GPL-2.0-only
#include "control/device.h"
#include "control/devices.h"

DEFINE_MUTEX(devices_lock); /* see control/devices.h */
struct dattobd_device *devices[SNAP_DEVICES_MAX];

static struct mutex minor_locks[SNAP_DEVICES_MAX];
static struct lock_class_key minor_keys[SNAP_DEVICES_MAX]; /* lockdep sees their order */
static LIST_HEAD(claims); /* under devices_lock */

void devices_init(void)
{
	unsigned int minor;

	for (minor = 0; minor < SNAP_DEVICES_MAX; minor++) {
		mutex_init(&minor_locks[minor]);
		lockdep_set_class(&minor_locks[minor], &minor_keys[minor]);
	}
}

noinline int minor_lock(unsigned int minor)
{
	return mutex_lock_killable(&minor_locks[minor]) ? -EINTR : 0;
}

void minor_lock_always(unsigned int minor)
{
	mutex_lock(&minor_locks[minor]);
}

bool minor_trylock(unsigned int minor)
{
	return mutex_trylock(&minor_locks[minor]);
}

void minor_unlock(unsigned int minor)
{
	mutex_unlock(&minor_locks[minor]);
}

bool minor_is_locked(unsigned int minor)
{
	return mutex_is_locked(&minor_locks[minor]);
}

void device_enlist(struct dattobd_device *dev, bool listed)
{
	mutex_lock(&devices_lock);
	devices[dev->vol.core.minor] = listed ? dev : NULL;
	mutex_unlock(&devices_lock);
}

int device_claim(struct dattobd_device *dev)
{
	struct dattobd_device *other;
	int err = 0;

	mutex_lock(&devices_lock);
	list_for_each_entry(other, &claims, claim) {
		if (origin_bdev(&other->vol.origin) == origin_bdev(&dev->vol.origin))
			err = devices[other->vol.core.minor] == other ? -EALREADY : -EBUSY;
	}
	if (!err)
		list_add(&dev->claim, &claims);
	mutex_unlock(&devices_lock);
	return err;
}

void device_unclaim(struct dattobd_device *dev)
{
	mutex_lock(&devices_lock);
	list_del_init(&dev->claim);
	mutex_unlock(&devices_lock);
}
