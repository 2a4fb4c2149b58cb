// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include "params.h"

#define SNAP_DEVICES_DEFAULT 24

static int may_hook_syscalls = 1;
module_param(may_hook_syscalls, int, 0444);
MODULE_PARM_DESC(may_hook_syscalls, "accepted, without effect: no system call is hooked");

unsigned long cow_max_memory_default = 300 * 1024 * 1024;
module_param(cow_max_memory_default, ulong, 0);
MODULE_PARM_DESC(cow_max_memory_default, "default limit of the index cache of a device, bytes");

unsigned int cow_fallocate_percentage_default = 10;
module_param(cow_fallocate_percentage_default, uint, 0);
MODULE_PARM_DESC(cow_fallocate_percentage_default,
		 "default size of a COW file, per cent of the origin");

unsigned int max_snap_devices = SNAP_DEVICES_DEFAULT;
module_param(max_snap_devices, uint, 0444);
MODULE_PARM_DESC(max_snap_devices, "number of minors, 1 to 255");

int debug;
module_param(debug, int, 0644);
MODULE_PARM_DESC(debug, "log more");

void check_parameters(void)
{
	if (!max_snap_devices) {
		pr_warn("datto: max_snap_devices is 0, expected 1 to %u; using %u\n",
			SNAP_DEVICES_MAX, SNAP_DEVICES_DEFAULT);
		max_snap_devices = SNAP_DEVICES_DEFAULT;
	} else if (max_snap_devices > SNAP_DEVICES_MAX) {
		pr_warn("datto: max_snap_devices is %u, expected 1 to %u; using %u\n",
			max_snap_devices, SNAP_DEVICES_MAX, SNAP_DEVICES_MAX);
		max_snap_devices = SNAP_DEVICES_MAX;
	}
}
