// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: its parameters, the table of devices, and the order in which its parts start and
 * end.
 */
#include <linux/module.h>
#include "dattobd.h"

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

unsigned int datto_major;
DEFINE_MUTEX(devices_lock); /* devices[], and what control/status.c reads of them */
struct dattobd_device *devices[SNAP_DEVICES_MAX];

static void check_parameters(void)
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

static int __init dattobd_init(void)
{
	int err;

	check_parameters();
	err = cow_files_init();
	if (err)
		return err;
	err = register_blkdev(0, "datto");
	if (err < 0)
		goto exit_cow_files;
	datto_major = err;
	err = status_init();
	if (err)
		goto unregister;
	err = control_init();
	if (err)
		goto exit_status;
	err = watch_init();
	if (err)
		goto exit_control;
	return 0;

exit_control:
	control_exit();
exit_status:
	status_exit();
unregister:
	unregister_blkdev(datto_major, "datto");
exit_cow_files:
	cow_files_exit();
	return err;
}

static void __exit dattobd_exit(void)
{
	watch_exit();
	control_exit();
	status_exit();
	unregister_blkdev(datto_major, "datto");
	cow_files_exit();
}

module_init(dattobd_init);
module_exit(dattobd_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The dattobd authors");
MODULE_DESCRIPTION("Live block-level snapshots and incremental backup of Linux volumes");
MODULE_VERSION(DATTOBD_VERSION);
