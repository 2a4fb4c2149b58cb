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
#include "control/destroy.h"
#include "control/device.h"
#include "control/devices.h"
#include "control/ioctl.h"
#include "control/reconfigure.h"
#include "control/reload.h"
#include "control/request.h"
#include "control/state.h"
#include "control/transition.h"

static int copy_argument(void *to, const void __user *from, size_t bytes)
{
	return copy_from_user(to, from, bytes) ? -EFAULT : 0;
}

/* A path of at most 4095 characters, to be freed by kfree(). */
static int copy_path(char **to, const char __user *from)
{
	char *path = from ? strndup_user(from, PATH_MAX) : ERR_PTR(-EINVAL);

	if (IS_ERR(path))
		return PTR_ERR(path);
	*to = path;
	return 0;
}

/* What the requests do: in a thread of their own, under minor_lock(). */

static int set_up(const struct client_request *request)
{
	if (devices[request->minor])
		return -EBUSY;
	return transition_setup(request->minor, request->origin, request->cow, request->mib,
				request->cache_bytes);
}

static int reload_snapshot(const struct client_request *request)
{
	if (devices[request->minor])
		return -EBUSY;
	return reload(request->minor, request->origin, request->cow, request->cache_bytes, true);
}

static int reload_incremental(const struct client_request *request)
{
	if (devices[request->minor])
		return -EBUSY;
	return reload(request->minor, request->origin, request->cow, request->cache_bytes, false);
}

static int destroy(const struct client_request *request)
{
	struct dattobd_device *dev = devices[request->minor];

	return dev ? transition_destroy(dev) : -ENOENT;
}

static int to_incremental(const struct client_request *request)
{
	struct dattobd_device *dev = devices[request->minor];

	return dev ? transition_to_incremental(dev) : -ENOENT;
}

static int to_snapshot(const struct client_request *request)
{
	struct dattobd_device *dev = devices[request->minor];

	return dev ? transition_to_snapshot(dev, request->cow, request->mib) : -ENOENT;
}

static int reconfigure(const struct client_request *request)
{
	struct dattobd_device *dev = devices[request->minor];

	return dev ? device_reconfigure(dev, request->cache_bytes) : -ENOENT;
}

static int expand(const struct client_request *request)
{
	struct dattobd_device *dev = devices[request->minor];

	return dev ? device_expand(dev, request->mib) : -ENOENT;
}

static int auto_expand(const struct client_request *request)
{
	struct dattobd_device *dev = devices[request->minor];

	return dev ? device_set_auto_expand(dev, request->mib, request->reserved_mib) : -ENOENT;
}

/* What they are told by their clients. */

static int read_setup(struct client_request *request, const void __user *argument)
{
	struct setup_params params;
	int err = copy_argument(&params, argument, sizeof(params)) ?:
			  copy_path(&request->origin, params.bdev) ?:
			  copy_path(&request->cow, params.cow);

	request->minor = params.minor;
	request->mib = params.fallocated_space;
	request->cache_bytes = params.cache_size;
	return err;
}

static int read_reload(struct client_request *request, const void __user *argument)
{
	struct reload_params params;
	int err = copy_argument(&params, argument, sizeof(params)) ?:
			  copy_path(&request->origin, params.bdev) ?:
			  copy_path(&request->cow, params.cow);

	request->minor = params.minor;
	request->cache_bytes = params.cache_size;
	return err;
}

static int read_minor(struct client_request *request, const void __user *argument)
{
	return copy_argument(&request->minor, argument, sizeof(request->minor));
}

static int read_to_snapshot(struct client_request *request, const void __user *argument)
{
	struct transition_snap_params params;
	int err = copy_argument(&params, argument, sizeof(params)) ?:
			  copy_path(&request->cow, params.cow);

	request->minor = params.minor;
	request->mib = params.fallocated_space;
	return err;
}

static int read_reconfigure(struct client_request *request, const void __user *argument)
{
	struct reconfigure_params params;
	int err = copy_argument(&params, argument, sizeof(params));

	request->minor = params.minor;
	request->cache_bytes = params.cache_size;
	return err;
}

static int read_expand(struct client_request *request, const void __user *argument)
{
	struct expand_cow_file_params params;
	int err = copy_argument(&params, argument, sizeof(params));

	request->minor = params.minor;
	request->mib = params.size;
	return err;
}

static int read_auto_expand(struct client_request *request, const void __user *argument)
{
	struct reconfigure_auto_expand_params params;
	int err = copy_argument(&params, argument, sizeof(params));

	request->minor = params.minor;
	request->mib = params.step_size;
	request->reserved_mib = params.reserved_space;
	return err;
}

static const struct {
	unsigned int command;
	int (*read)(struct client_request *request, const void __user *argument);
	int (*carry_out)(const struct client_request *request);
} requests[] = {
	{ IOCTL_SETUP_SNAP, read_setup, set_up },
	{ IOCTL_RELOAD_SNAP, read_reload, reload_snapshot },
	{ IOCTL_RELOAD_INC, read_reload, reload_incremental },
	{ IOCTL_DESTROY, read_minor, destroy },
	{ IOCTL_TRANSITION_INC, read_minor, to_incremental },
	{ IOCTL_TRANSITION_SNAP, read_to_snapshot, to_snapshot },
	{ IOCTL_RECONFIGURE, read_reconfigure, reconfigure },
	{ IOCTL_EXPAND_COW_FILE, read_expand, expand },
	{ IOCTL_RECONFIGURE_AUTO_EXPAND, read_auto_expand, auto_expand },
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
	err = copy_argument(answer, argument, sizeof(*answer));
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

static int ask_for(unsigned int nr, const void __user *argument)
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
	err = requests[nr].read(request, argument);
	if (!err)
		err = request->minor < max_snap_devices ? request_run(request) : -EINVAL;
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
