// SPDX-License-Identifier: GPL-2.0-only
#include <linux/log2.h>
#include <linux/module.h>
#include "layout.h"
#include "params.h"

#define BLOCKS_PER_MIB (1024 * 1024 / COW_BLOCK_SIZE)

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

unsigned int checkpoint_interval = 300;
module_param(checkpoint_interval, uint, 0644);
MODULE_PARM_DESC(checkpoint_interval,
		 "longest time between live checkpoints in incremental mode, seconds; 0: none");

unsigned int region_size = CORE_REGION_BLOCKS_DEFAULT / BLOCKS_PER_MIB;
module_param(region_size, uint, 0444);
MODULE_PARM_DESC(region_size,
		 "size of the regions of the dirty map, MiB: 1, 2, 4, 8, 16, 32 or 64");

unsigned int max_snap_devices = SNAP_DEVICES_DEFAULT;
module_param(max_snap_devices, uint, 0444);
MODULE_PARM_DESC(max_snap_devices, "number of minors, 1 to 255");

int debug;
module_param(debug, int, 0644);
MODULE_PARM_DESC(debug, "log more");

void check_parameters(void)
{
	if (!is_power_of_2(region_size) || region_size > CORE_REGION_BLOCKS_MAX / BLOCKS_PER_MIB) {
		pr_warn("datto: region_size is %u, expected a power of 2 up to %u; using %u\n",
			region_size, CORE_REGION_BLOCKS_MAX / BLOCKS_PER_MIB,
			CORE_REGION_BLOCKS_DEFAULT / BLOCKS_PER_MIB);
		region_size = CORE_REGION_BLOCKS_DEFAULT / BLOCKS_PER_MIB;
	}
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
