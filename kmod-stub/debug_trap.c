// SPDX-License-Identifier: GPL-2.0-only
/*
 * Builds with the debug core only: writing a minor to /sys/module/dattobd/parameters/debug_trap
 * makes that device's core access memory out of bounds. It must fail this one device, and nothing
 * else.
 */
#ifdef DATTOBD_DEBUG_CORE
#include <linux/module.h>
#include "dattobd.h"
#include "core_wasm.h"

static void make_trap(struct dattobd_device *dev)
{
	unsigned long flags;
	s64 ret;

	raw_spin_lock_irqsave(&dev->core_lock, flags);
	ret = engine_call(dev->engine, CORE_DEBUG_OUT_OF_BOUNDS, 0, 0, 0);
	if (ret < 0)
		device_fail_locked(dev, ret, "its core was made to trap");
	raw_spin_unlock_irqrestore(&dev->core_lock, flags);
}

static int set_debug_trap(const char *value, const struct kernel_param *param)
{
	unsigned int minor;
	int err = kstrtouint(value, 10, &minor);

	if (err)
		return err;
	mutex_lock(&devices_lock);
	if (minor < max_snap_devices && devices[minor])
		make_trap(devices[minor]);
	else
		err = -ENOENT;
	mutex_unlock(&devices_lock);
	return err;
}

static const struct kernel_param_ops debug_trap_ops = { .set = set_debug_trap };

module_param_cb(debug_trap, &debug_trap_ops, NULL, 0200);
MODULE_PARM_DESC(debug_trap, "minor whose core is made to trap");
#endif
