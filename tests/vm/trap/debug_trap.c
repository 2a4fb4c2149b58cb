// SPDX-License-Identifier: GPL-2.0-only
/*
 * Builds with the debug core only, parameters in /sys/module/dattobd/parameters. What they break
 * must fail one device, and nothing else.
 *
 *   debug_trap  minor                   its core accesses memory out of bounds
 *   debug_lie   minor export returned   its core's export returns this number from now on
 *   debug_lie_all     export returned   so do all cores, also those that come; "none 0": as it was
 *   debug_stale path                    bios for this disk go to a module that is gone; "none":
 *                                       as it was
 */
#include <linux/module.h>
#include <linux/slab.h>
#include "control/device.h"
#include "control/devices.h"
#include "core/core_wasm.h"

/* A reload that was refused has none. */
static bool has_core(unsigned int minor)
{
	return minor < max_snap_devices && devices[minor] && devices[minor]->vol.core.engine;
}

static void make_trap(struct dattobd_device *dev)
{
	unsigned long flags;
	s64 ret;

	core_lock(&dev->vol.core, flags);
	ret = engine_call(dev->vol.core.engine, CORE_DEBUG_OUT_OF_BOUNDS, 0, 0, 0);
	if (ret < 0)
		core_fail_locked(&dev->vol.core, ret, "its core was made to trap");
	core_unlock(&dev->vol.core, flags);
}

static int set_debug_trap(const char *value, const struct kernel_param *param)
{
	unsigned int minor;
	int err = kstrtouint(value, 10, &minor);

	if (err)
		return err;
	mutex_lock(&devices_lock);
	if (has_core(minor))
		make_trap(devices[minor]);
	else
		err = -ENOENT;
	mutex_unlock(&devices_lock);
	return err;
}

static int set_debug_lie(const char *value, const struct kernel_param *param)
{
	unsigned long flags;
	unsigned int minor;
	char export[32];
	s64 returned;
	int err = -ENOENT;

	if (sscanf(value, "%u %31s %lld", &minor, export, &returned) != 3)
		return -EINVAL;
	mutex_lock(&devices_lock);
	if (has_core(minor)) {
		core_lock(&devices[minor]->vol.core, flags);
		err = engine_lie(devices[minor]->vol.core.engine, export, returned);
		core_unlock(&devices[minor]->vol.core, flags);
	}
	mutex_unlock(&devices_lock);
	return err;
}

static const struct kernel_param_ops debug_lie_ops = { .set = set_debug_lie };

module_param_cb(debug_lie, &debug_lie_ops, NULL, 0200);
MODULE_PARM_DESC(debug_lie, "minor, export and what it returns from now on");

static int set_debug_lie_all(const char *value, const struct kernel_param *param)
{
	char export[32];
	s64 returned;

	if (sscanf(value, "%31s %lld", export, &returned) != 2)
		return -EINVAL;
	return engine_lie(NULL, export, returned);
}

static const struct kernel_param_ops debug_lie_all_ops = { .set = set_debug_lie_all };

module_param_cb(debug_lie_all, &debug_lie_all_ops, NULL, 0200);
MODULE_PARM_DESC(debug_lie_all, "export and what it returns from now on in every core");

static struct compat_bdev stale;
static const struct block_device_operations *right_operations;
static void *stale_operations;

static int set_debug_stale(const char *value, const struct kernel_param *param)
{
	unsigned long gone;
	int err;

	if (stale.bdev) {
		stale.bdev->bd_disk->fops = right_operations;
		kfree(stale_operations);
		compat_bdev_close(&stale);
		stale.bdev = NULL;
	}
	if (value[0] != '/')
		return 0;
	err = compat_bdev_open(value, &stale);
	if (err)
		return err;
	right_operations = stale.bdev->bd_disk->fops;
	stale_operations = kmemdup(right_operations, sizeof(*right_operations), GFP_KERNEL);
	if (!stale_operations) {
		compat_bdev_close(&stale);
		stale.bdev = NULL;
		return -ENOMEM;
	}
	gone = MODULES_END - PAGE_SIZE;
	memcpy(stale_operations + offsetof(typeof(*right_operations), submit_bio), &gone,
	       sizeof(gone));
	stale.bdev->bd_disk->fops = stale_operations;
	return 0;
}

static const struct kernel_param_ops debug_stale_ops = { .set = set_debug_stale };

module_param_cb(debug_stale, &debug_stale_ops, NULL, 0200);
MODULE_PARM_DESC(debug_stale, "disk whose bios go to a module that is gone");

static const struct kernel_param_ops debug_trap_ops = { .set = set_debug_trap };

module_param_cb(debug_trap, &debug_trap_ops, NULL, 0200);
MODULE_PARM_DESC(debug_trap, "minor whose core is made to trap");
