// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bits.h>
#include <linux/bug.h>
#include "control/device.h"
#include "control/state.h"

#define TO(phase) BIT(phase)

/* By phase, those that may follow it. */
static const unsigned long followers[] = {
	[PHASE_NEW] = TO(PHASE_LOADING) | TO(PHASE_TRACKING) | TO(PHASE_REFUSED),
	[PHASE_LOADING] = TO(PHASE_RELOADED) | TO(PHASE_REFUSED),
	[PHASE_RELOADED] = TO(PHASE_TRACKING),
	[PHASE_TRACKING] = 0,
	[PHASE_REFUSED] = 0,
};

void device_set_phase(struct dattobd_device *dev, enum phase phase)
{
	if (WARN_ON_ONCE(!(followers[dev->phase] & BIT(phase))))
		return;
	WRITE_ONCE(dev->phase, phase);
}

static bool is_mounted(const struct dattobd_device *dev)
{
	return compat_bdev_mounted_rw(origin_bdev(&dev->vol.origin));
}

bool device_look(struct dattobd_device *dev)
{
	bool mounted = is_mounted(dev);

	if (mounted && dev->phase == PHASE_RELOADED)
		device_set_phase(dev, PHASE_TRACKING);
	return mounted;
}

enum dattobd_state device_state(const struct dattobd_device *dev)
{
	enum phase phase = READ_ONCE(dev->phase);
	bool mounted = is_mounted(dev);
	unsigned int state = dev->vol.core.snapshot_mode ? DATTOBD_STATE_DORMANT_SNAPSHOT :
							   DATTOBD_STATE_DORMANT_INCREMENTAL;

	if (phase == PHASE_REFUSED || (phase == PHASE_RELOADED && !mounted))
		return state | DATTOBD_STATE_UNVERIFIED_INCREMENTAL;
	return mounted ? state | DATTOBD_STATE_ACTIVE_INCREMENTAL : state;
}

u64 device_cache_bytes(const struct dattobd_device *dev)
{
	return dev->cache_bytes ?: cow_max_memory_default;
}

int device_check_thawed(const struct dattobd_device *dev)
{
	if (!compat_bdev_frozen(origin_bdev(&dev->vol.origin)))
		return 0;
	pr_dev_err(dev, "the filesystem of %s is frozen: %d", dev->vol.origin.path, -EBUSY);
	return -EBUSY;
}
