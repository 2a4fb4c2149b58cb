/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of libdattobd.h. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "libdattobd.h"

#define CONTROL_NODE "/dev/datto-ctl"

/* One ioctl on the control node; errno is the one of what failed first. */
static int command(unsigned long request, void *argument)
{
	int fd = open(CONTROL_NODE, O_RDONLY | O_CLOEXEC);
	int result, error;

	if (fd < 0)
		return -1;
	result = ioctl(fd, request, argument);
	error = errno;
	close(fd);
	errno = error;
	return result;
}

/*
 * Arguments are zeroed before they are filled in, so that what is between fields does not carry pieces of the
 * caller's stack out of the process.
 */

int dattobd_setup_snapshot(unsigned int minor, char *bdev, char *cow,
			   unsigned long fallocated_space, unsigned long cache_size)
{
	struct setup_params params;

	memset(&params, 0, sizeof(params));
	params.bdev = bdev;
	params.cow = cow;
	params.fallocated_space = fallocated_space;
	params.cache_size = cache_size;
	params.minor = minor;
	return command(IOCTL_SETUP_SNAP, &params);
}

static int reload(unsigned long request, unsigned int minor, char *bdev, char *cow,
		  unsigned long cache_size)
{
	struct reload_params params;

	memset(&params, 0, sizeof(params));
	params.bdev = bdev;
	params.cow = cow;
	params.cache_size = cache_size;
	params.minor = minor;
	return command(request, &params);
}

int dattobd_reload_snapshot(unsigned int minor, char *bdev, char *cow, unsigned long cache_size)
{
	return reload(IOCTL_RELOAD_SNAP, minor, bdev, cow, cache_size);
}

int dattobd_reload_incremental(unsigned int minor, char *bdev, char *cow, unsigned long cache_size)
{
	return reload(IOCTL_RELOAD_INC, minor, bdev, cow, cache_size);
}

int dattobd_destroy(unsigned int minor)
{
	return command(IOCTL_DESTROY, &minor);
}

int dattobd_transition_incremental(unsigned int minor)
{
	return command(IOCTL_TRANSITION_INC, &minor);
}

int dattobd_transition_snapshot(unsigned int minor, char *cow, unsigned long fallocated_space)
{
	struct transition_snap_params params;

	memset(&params, 0, sizeof(params));
	params.cow = cow;
	params.fallocated_space = fallocated_space;
	params.minor = minor;
	return command(IOCTL_TRANSITION_SNAP, &params);
}

static int group(unsigned long request, unsigned int count, struct snapshot_group_member *members,
		 unsigned int *failed, int *taken)
{
	struct snapshot_group_params params;
	int result;

	memset(&params, 0, sizeof(params));
	params.members = (uintptr_t)members;
	params.count = count;
	params.failed = count;
	result = command(request, &params);
	if (failed)
		*failed = params.failed;
	if (taken)
		*taken = params.taken != 0;
	return result;
}

int dattobd_setup_snapshot_group(unsigned int count, struct snapshot_group_member *members,
				 unsigned int *failed, int *taken)
{
	return group(IOCTL_SETUP_SNAP_GROUP, count, members, failed, taken);
}

int dattobd_transition_snapshot_group(unsigned int count, struct snapshot_group_member *members,
				      unsigned int *failed, int *taken)
{
	return group(IOCTL_TRANSITION_SNAP_GROUP, count, members, failed, taken);
}

int dattobd_reconfigure(unsigned int minor, unsigned long cache_size)
{
	struct reconfigure_params params;

	memset(&params, 0, sizeof(params));
	params.cache_size = cache_size;
	params.minor = minor;
	return command(IOCTL_RECONFIGURE, &params);
}

int dattobd_info(unsigned int minor, struct dattobd_info *info)
{
	if (!info) {
		errno = EINVAL;
		return -1;
	}
	/* Drivers exist that leave fields of an unverified device as they came in. */
	memset(info, 0, sizeof(*info));
	info->minor = minor;
	return command(IOCTL_DATTOBD_INFO, info);
}

int dattobd_expand_cow_file(unsigned int minor, uint64_t size)
{
	struct expand_cow_file_params params;

	memset(&params, 0, sizeof(params));
	params.size = size;
	params.minor = minor;
	return command(IOCTL_EXPAND_COW_FILE, &params);
}

int dattobd_reconfigure_auto_expand(unsigned int minor, uint64_t step_size, uint64_t reserved_space)
{
	struct reconfigure_auto_expand_params params;

	memset(&params, 0, sizeof(params));
	params.step_size = step_size;
	params.reserved_space = reserved_space;
	params.minor = minor;
	return command(IOCTL_RECONFIGURE_AUTO_EXPAND, &params);
}

int dattobd_get_free_minor(void)
{
	int minor = -1;

	return command(IOCTL_GET_FREE, &minor) ? -1 : minor;
}
