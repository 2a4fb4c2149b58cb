// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/datto-ctl: one ioctl, one function. The order of the checks is part of the interface
 * (ABI.md, B4).
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "dattobd.h"

static DEFINE_MUTEX(control_mutex);

bool control_trylock(void)
{
	return mutex_trylock(&control_mutex);
}

void control_unlock(void)
{
	mutex_unlock(&control_mutex);
}

static int copy_argument(void *to, const void __user *from, size_t bytes)
{
	return copy_from_user(to, from, bytes) ? -EFAULT : 0;
}

/* A path of at most 4095 characters. Return: it, to be freed by kfree(), or ERR_PTR(). */
static char *copy_path(const char __user *from)
{
	return from ? strndup_user(from, PATH_MAX) : ERR_PTR(-EINVAL);
}

static int unused_minor(unsigned int minor)
{
	if (minor >= max_snap_devices)
		return -EINVAL;
	return devices[minor] ? -EBUSY : 0;
}

static struct dattobd_device *used_minor(unsigned int minor)
{
	if (minor >= max_snap_devices)
		return ERR_PTR(-EINVAL);
	return devices[minor] ?: ERR_PTR(-ENOENT);
}

/* The device that an argument of one minor names. */
static struct dattobd_device *device_of(const void __user *argument)
{
	unsigned int minor;
	int err = copy_argument(&minor, argument, sizeof(minor));

	return err ? ERR_PTR(err) : used_minor(minor);
}

/* Both paths of a request, to be freed by kfree(). */
static int copy_paths(const char __user *from_origin, const char __user *from_cow, char **origin,
		      char **cow)
{
	*origin = copy_path(from_origin);
	if (IS_ERR(*origin))
		return PTR_ERR(*origin);
	*cow = copy_path(from_cow);
	if (!IS_ERR(*cow))
		return 0;
	kfree(*origin);
	return PTR_ERR(*cow);
}

static int setup(void __user *argument)
{
	struct setup_params params;
	char *origin, *cow;
	int err = copy_argument(&params, argument, sizeof(params)) ?:
			  copy_paths(params.bdev, params.cow, &origin, &cow);

	if (err)
		return err;
	err = unused_minor(params.minor);
	if (!err)
		err = transition_setup(params.minor, origin, cow, params.fallocated_space,
				       params.cache_size);
	kfree(cow);
	kfree(origin);
	return err;
}

static int reload_as(void __user *argument, bool snapshot_mode)
{
	struct reload_params params;
	char *origin, *cow;
	int err = copy_argument(&params, argument, sizeof(params)) ?:
			  copy_paths(params.bdev, params.cow, &origin, &cow);

	if (err)
		return err;
	err = unused_minor(params.minor);
	if (!err)
		err = reload(params.minor, origin, cow, params.cache_size, snapshot_mode);
	kfree(cow);
	kfree(origin);
	return err;
}

static int destroy(void __user *argument)
{
	struct dattobd_device *dev = device_of(argument);

	return IS_ERR(dev) ? PTR_ERR(dev) : transition_destroy(dev);
}

static int to_incremental(void __user *argument)
{
	struct dattobd_device *dev = device_of(argument);

	return IS_ERR(dev) ? PTR_ERR(dev) : transition_to_incremental(dev);
}

static int to_snapshot(void __user *argument)
{
	struct transition_snap_params params;
	struct dattobd_device *dev;
	char *cow;
	int err = copy_argument(&params, argument, sizeof(params));

	if (err)
		return err;
	cow = copy_path(params.cow);
	if (IS_ERR(cow))
		return PTR_ERR(cow);
	dev = used_minor(params.minor);
	err = IS_ERR(dev) ? PTR_ERR(dev) :
			    transition_to_snapshot(dev, cow, params.fallocated_space);
	kfree(cow);
	return err;
}

static int reconfigure(void __user *argument)
{
	struct reconfigure_params params;
	struct dattobd_device *dev;
	int err = copy_argument(&params, argument, sizeof(params));

	if (err)
		return err;
	dev = used_minor(params.minor);
	return IS_ERR(dev) ? PTR_ERR(dev) : device_reconfigure(dev, params.cache_size);
}

static int expand(void __user *argument)
{
	struct expand_cow_file_params params;
	struct dattobd_device *dev;
	int err = copy_argument(&params, argument, sizeof(params));

	if (err)
		return err;
	dev = used_minor(params.minor);
	return IS_ERR(dev) ? PTR_ERR(dev) : device_expand(dev, params.size);
}

static int auto_expand(void __user *argument)
{
	struct reconfigure_auto_expand_params params;
	struct dattobd_device *dev;
	int err = copy_argument(&params, argument, sizeof(params));

	if (err)
		return err;
	dev = used_minor(params.minor);
	return IS_ERR(dev) ? PTR_ERR(dev) :
			     device_set_auto_expand(dev, params.step_size, params.reserved_space);
}

static void describe(struct dattobd_device *dev, struct dattobd_info *info)
{
	struct device_counters counters;

	info->minor = dev->minor;
	info->state = device_state(dev);
	info->error = READ_ONCE(dev->error);
	info->cache_size = device_cache_bytes(dev);
	if (READ_ONCE(dev->unverified)) {
		strscpy(info->cow, dev->cow_name, sizeof(info->cow));
		strscpy(info->bdev, dev->origin_name, sizeof(info->bdev));
		return;
	}
	device_counters(dev, &counters);
	info->falloc_size = counters.fsize;
	info->seqid = counters.seqid;
	memcpy(info->uuid, dev->uuid, sizeof(info->uuid));
	strscpy(info->cow, cow_file_path(dev->cow), sizeof(info->cow));
	strscpy(info->bdev, dev->origin_path, sizeof(info->bdev));
	info->version = counters.version;
	info->nr_changed_blocks = counters.nr_changed;
}

static int info(void __user *argument)
{
	struct dattobd_info *answer = kzalloc(sizeof(*answer), GFP_KERNEL);
	struct dattobd_device *dev;
	int err = 0;

	if (!answer)
		return -ENOMEM;
	/* The whole struct must be readable; only its minor is used. */
	err = copy_argument(answer, argument, sizeof(*answer));
	if (err)
		goto free;
	dev = used_minor(answer->minor);
	if (IS_ERR(dev)) {
		err = PTR_ERR(dev);
		goto free;
	}
	memset(answer, 0, sizeof(*answer));
	describe(dev, answer);
	if (copy_to_user(argument, answer, sizeof(*answer)))
		err = -EFAULT;
free:
	kfree(answer);
	return err;
}

static int get_free(void __user *argument)
{
	int minor;

	for (minor = 0; minor < max_snap_devices; minor++) {
		if (!devices[minor])
			return copy_to_user(argument, &minor, sizeof(minor)) ? -EFAULT : 0;
	}
	return -ENOENT;
}

static int dispatch(unsigned int command, void __user *argument)
{
	switch (command) {
	case IOCTL_SETUP_SNAP:
		return setup(argument);
	case IOCTL_RELOAD_SNAP:
		return reload_as(argument, true);
	case IOCTL_RELOAD_INC:
		return reload_as(argument, false);
	case IOCTL_DESTROY:
		return destroy(argument);
	case IOCTL_TRANSITION_INC:
		return to_incremental(argument);
	case IOCTL_TRANSITION_SNAP:
		return to_snapshot(argument);
	case IOCTL_DATTOBD_INFO:
		return info(argument);
	case IOCTL_GET_FREE:
		return get_free(argument);
	case IOCTL_RECONFIGURE:
		return reconfigure(argument);
	case IOCTL_EXPAND_COW_FILE:
		return expand(argument);
	case IOCTL_RECONFIGURE_AUTO_EXPAND:
		return auto_expand(argument);
	default:
		return -EINVAL;
	}
}

static long control_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	int err = mutex_lock_killable(&control_mutex);

	if (err)
		return err;
	err = dispatch(command, (void __user *)argument);
	mutex_unlock(&control_mutex);
	return err;
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
	return misc_register(&control_device);
}

/* Module exit: no file is open, so no ioctl runs; no snapshot is open either. */
void control_exit(void)
{
	unsigned int minor;

	misc_deregister(&control_device);
	mutex_lock(&control_mutex); /* the watch is still there */
	for (minor = 0; minor < max_snap_devices; minor++) {
		if (devices[minor])
			transition_unload(devices[minor]);
	}
	mutex_unlock(&control_mutex);
}
