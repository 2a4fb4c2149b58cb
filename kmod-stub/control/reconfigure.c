// SPDX-License-Identifier: GPL-2.0-only
/* What can be changed of a device without a change of its mode. */
#include "control/device.h"
#include "control/devices.h"
#include "control/reconfigure.h"
#include "control/state.h"
#include "io/snapshot.h"

/* An incremental has no index in memory: the limit is only kept, for who asks. */
int device_reconfigure(struct dattobd_device *dev, u64 cache_bytes)
{
	int err;

	if (dev->vol.snap && snapshot_close(dev->vol.snap))
		return -EBUSY;
	err = READ_ONCE(dev->vol.core.error) ? -EINVAL : 0;
	if (!err && dev->vol.snap)
		err = sections_set_cache(&dev->vol, cache_bytes ?: cow_max_memory_default);
	if (!err) {
		mutex_lock(&devices_lock);
		dev->cache_bytes = cache_bytes;
		mutex_unlock(&devices_lock);
	}
	if (dev->vol.snap)
		snapshot_reopen(dev->vol.snap);
	return err;
}

static bool is_active_snapshot(struct dattobd_device *dev)
{
	return !READ_ONCE(dev->vol.core.error) &&
	       device_state(dev) == DATTOBD_STATE_ACTIVE_SNAPSHOT;
}

int device_expand(struct dattobd_device *dev, u64 mib)
{
	int err;

	if (!is_active_snapshot(dev) || !mib)
		return -EINVAL;
	if (mib > U64_MAX / MIB)
		return -EFBIG;
	err = worker_clear_clean(&dev->vol, true);
	if (err)
		return err;
	err = mutex_lock_killable(&dev->growth.mutex);
	if (err)
		return err;
	err = expand_cow_file(dev, mib * MIB, 0);
	mutex_unlock(&dev->growth.mutex);
	if (!err)
		auto_expand_resume(dev);
	return err;
}

int device_set_auto_expand(struct dattobd_device *dev, u64 step_mib, u64 reserved_mib)
{
	if (!is_active_snapshot(dev))
		return -EINVAL;
	return auto_expand_set(dev, step_mib, reserved_mib);
}
