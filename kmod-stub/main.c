// SPDX-License-Identifier: GPL-2.0-only
/* The module: the order in which its parts start and end. */
#include <linux/module.h>
#include "control/ioctl.h"
#include "control/status.h"
#include "control/watch.h"
#include "cow/pin.h"
#include "io/snapshot.h"
#include "params.h"

static int __init dattobd_init(void)
{
	int err;

	check_parameters();
	err = cow_files_init();
	if (err)
		return err;
	err = snapshots_init();
	if (err)
		goto exit_cow_files;
	err = status_init();
	if (err)
		goto exit_snapshots;
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
exit_snapshots:
	snapshots_exit();
exit_cow_files:
	cow_files_exit();
	return err;
}

static void __exit dattobd_exit(void)
{
	watch_exit();
	control_exit();
	status_exit();
	snapshots_exit();
	cow_files_exit();
}

module_init(dattobd_init);
module_exit(dattobd_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The dattobd authors");
MODULE_DESCRIPTION("Live block-level snapshots and incremental backup of Linux volumes");
MODULE_VERSION(DATTOBD_VERSION);
