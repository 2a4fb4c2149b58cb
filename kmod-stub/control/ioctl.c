// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/datto-ctl: one ioctl, one function. The order of the checks is part of the interface
 * (docs/ABI.md, B.4).
 */
#include <linux/capability.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "control/arguments.h"
#include "control/destroy.h"
#include "control/device.h"
#include "control/devices.h"
#include "control/ioctl.h"
#include "control/reconfigure.h"
#include "control/reload.h"
#include "control/request.h"
#include "control/setup.h"
#include "control/state.h"
#include "control/to_snapshot.h"
#include "control/transition.h"

/* What the requests do: in a thread of their own, under minor_lock(). */

static int reload_member(const struct client_request *request, bool snapshot_mode)
{
	const struct request_member *member = request->members;

	if (devices[member->minor])
		return -EBUSY;
	return reload(member->minor, member->origin, member->cow, member->cache_bytes,
		      snapshot_mode);
}

static int reload_snapshot(struct client_request *request)
{
	return reload_member(request, true);
}

static int reload_incremental(struct client_request *request)
{
	return reload_member(request, false);
}

static int destroy(struct client_request *request)
{
	struct dattobd_device *dev = devices[request->members->minor];

	return dev ? transition_destroy(dev) : -ENOENT;
}

static int to_incremental(struct client_request *request)
{
	struct dattobd_device *dev = devices[request->members->minor];

	return dev ? transition_to_incremental(dev) : -ENOENT;
}

static int reconfigure(struct client_request *request)
{
	const struct request_member *member = request->members;
	struct dattobd_device *dev = devices[member->minor];

	return dev ? device_reconfigure(dev, member->cache_bytes) : -ENOENT;
}

static int expand(struct client_request *request)
{
	const struct request_member *member = request->members;
	struct dattobd_device *dev = devices[member->minor];

	return dev ? device_expand(dev, member->mib) : -ENOENT;
}

static int auto_expand(struct client_request *request)
{
	const struct request_member *member = request->members;
	struct dattobd_device *dev = devices[member->minor];

	return dev ? device_set_auto_expand(dev, member->mib, member->reserved_mib) : -ENOENT;
}

static const struct {
	unsigned int command;
	int (*read)(struct client_request *request, void __user *argument);
	int (*carry_out)(struct client_request *request);
	/* For a caller who gets more than an errno. */
	int (*answer)(const struct client_request *request, void __user *argument);
} requests[] = {
	{ IOCTL_SETUP_SNAP, arguments_read_setup, transition_setup },
	{ IOCTL_RELOAD_SNAP, arguments_read_reload, reload_snapshot },
	{ IOCTL_RELOAD_INC, arguments_read_reload, reload_incremental },
	{ IOCTL_DESTROY, arguments_read_minor, destroy },
	{ IOCTL_TRANSITION_INC, arguments_read_minor, to_incremental },
	{ IOCTL_TRANSITION_SNAP, arguments_read_to_snapshot, transition_to_snapshot },
	{ IOCTL_RECONFIGURE, arguments_read_reconfigure, reconfigure },
	{ IOCTL_EXPAND_COW_FILE, arguments_read_expand, expand },
	{ IOCTL_RECONFIGURE_AUTO_EXPAND, arguments_read_auto_expand, auto_expand },
	{ IOCTL_SETUP_SNAP_GROUP, arguments_read_setup_group, transition_setup,
	  arguments_answer_group },
	{ IOCTL_TRANSITION_SNAP_GROUP, arguments_read_to_snapshot_group, transition_to_snapshot,
	  arguments_answer_group },
};

/* Questions, answered at once: they wait for no request. */

static void describe(struct dattobd_device *dev, struct dattobd_info *info)
{
	struct core_counters counters;

	info->minor = dev->vol.core.minor;
	info->state = device_state(dev);
	info->error = READ_ONCE(dev->vol.core.error);
	info->cache_size = device_cache_bytes(dev);
	if (!device_is_verified(info->state)) {
		strscpy(info->cow, dev->cow_name, sizeof(info->cow));
		strscpy(info->bdev, dev->origin_name, sizeof(info->bdev));
		return;
	}
	core_counters(&dev->vol.core, &counters);
	info->falloc_size = counters.fsize;
	info->seqid = counters.seqid;
	memcpy(info->uuid, dev->uuid, sizeof(info->uuid));
	strscpy(info->cow, cow_file_path(dev->vol.cow), sizeof(info->cow));
	strscpy(info->bdev, dev->vol.origin.path, sizeof(info->bdev));
	info->version = counters.version;
	info->nr_changed_blocks = counters.nr_changed;
}

static int info(void __user *argument)
{
	struct dattobd_info *answer = kzalloc(sizeof(*answer), GFP_KERNEL);
	struct dattobd_device *dev = NULL;
	unsigned int minor;
	int err;

	if (!answer)
		return -ENOMEM;
	/* The whole struct must be readable; only its minor is used. */
	err = copy_from_user(answer, argument, sizeof(*answer)) ? -EFAULT : 0;
	minor = answer->minor;
	if (!err && minor >= max_snap_devices)
		err = -EINVAL;
	if (err)
		goto free;
	memset(answer, 0, sizeof(*answer));
	mutex_lock(&devices_lock);
	dev = devices[minor];
	if (dev)
		describe(dev, answer);
	mutex_unlock(&devices_lock);
	if (!dev)
		err = -ENOENT;
	else if (copy_to_user(argument, answer, sizeof(*answer)))
		err = -EFAULT;
free:
	kfree(answer);
	return err;
}

/* One that a request is about is not free, though there may be no device yet. */
static int get_free(void __user *argument)
{
	int minor;

	for (minor = 0; minor < max_snap_devices; minor++) {
		if (!devices[minor] && !minor_is_locked(minor))
			return copy_to_user(argument, &minor, sizeof(minor)) ? -EFAULT : 0;
	}
	return -ENOENT;
}

static int ask_for(unsigned int nr, void __user *argument)
{
	struct client_request *request;
	int err;

	/* The node's mode may have been changed. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	request = request_new();
	if (!request)
		return -ENOMEM;
	request->carry_out = requests[nr].carry_out;
	err = requests[nr].read(request, argument) ?: request_sort(request);
	if (!err)
		err = request_run(request);
	if (requests[nr].answer && !request->killed)
		err = requests[nr].answer(request, argument) ?: err;
	request_put(request);
	return err;
}

static long control_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	void __user *pointer = (void __user *)argument;
	unsigned int nr;

	if (command == IOCTL_DATTOBD_INFO)
		return info(pointer);
	if (command == IOCTL_GET_FREE)
		return get_free(pointer);
	for (nr = 0; nr < ARRAY_SIZE(requests); nr++) {
		if (command == requests[nr].command)
			return ask_for(nr, pointer);
	}
	return -EINVAL;
}

static const struct file_operations control_operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = control_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice control_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "datto-ctl",
	.fops = &control_operations,
};

int control_init(void)
{
	devices_init();
	return misc_register(&control_device);
}

/* Module exit: no file is open and no request runs; no snapshot is open either. */
void control_exit(void)
{
	unsigned int minor;

	misc_deregister(&control_device);
	for (minor = 0; minor < max_snap_devices; minor++) {
		minor_lock_always(minor); /* the watch is still there */
		if (devices[minor])
			transition_unload(devices[minor]);
		minor_unlock(minor);
	}
}
