// SPDX-License-Identifier: GPL-2.0-only
#include <linux/kallsyms.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "control/device.h"
#include "control/devices.h"
#include "control/watch.h"
#include "cow/free_space.h"
#include "io/snapshot.h"

/*
 * A snapshot module that replaced the function which takes a disk's bios, and was unloaded without
 * putting it back, leaves a pointer to what is nobody's code, or by now ours.
 */
static bool driver_is_loaded(const struct gendisk *disk)
{
	char name[KSYM_SYMBOL_LEN];
	void *submit;

	if (copy_from_kernel_nofault(&submit, &disk->fops->submit_bio, sizeof(submit)))
		return false;
	if (!submit)
		return true;
	sprint_symbol(name, (unsigned long)submit);
	if (strstr(name, "[" KBUILD_MODNAME "]"))
		return strstr(name, "+0x0/");
	return !strstarts(name, "0x");
}

/*
 * Origins that writes can reach without a bio of their own, or that have no fixed blocks, cannot
 * be tracked.
 */
static int check_origin(const struct dattobd_device *dev, bool mounted)
{
	struct block_device *bdev = origin_bdev(&dev->vol.origin);

	if (!driver_is_loaded(bdev->bd_disk)) {
		pr_dev_err(dev,
			   "bios for %pg go to a module that is not loaded any more, another snapshot module perhaps: the machine must be rebooted: %d",
			   bdev, -ENXIO);
		return -ENXIO;
	}
	if (compat_bdev_mounted_rw(bdev) != mounted)
		return -EINVAL;
	if (dev->vol.core.nr_sectors > CORE_ORIGIN_SECTORS_MAX) {
		pr_dev_err(dev,
			   "%pg has more than " CORE_ORIGIN_MAX_TEXT ": it cannot be tracked: %d",
			   bdev, -EFBIG);
		return -EFBIG;
	}
	if (compat_bdev_has_rw_page(bdev) || bdev_is_zoned(bdev) ||
	    blk_queue_dax(bdev_get_queue(bdev))) {
		pr_dev_err(dev,
			   "%pg is written without bios (DAX), or zoned: it cannot be tracked: %d",
			   bdev, -EOPNOTSUPP);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* The path in /proc and in the info ioctl: absolute, links resolved. */
static char *resolve(const char *path)
{
	char *buffer, *found, *result;
	struct path at;
	int err = kern_path(path, LOOKUP_FOLLOW, &at);

	if (err)
		return ERR_PTR(err);
	result = ERR_PTR(-ENOMEM);
	buffer = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buffer)
		goto put;
	found = d_path(&at, buffer, PATH_MAX);
	if (IS_ERR(found))
		result = found;
	else
		result = kstrdup(found, GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
	kfree(buffer);
put:
	path_put(&at);
	return result;
}

struct dattobd_device *device_new(unsigned int minor, const char *origin, bool mounted)
{
	struct dattobd_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int err;

	if (!dev)
		return ERR_PTR(-ENOMEM);
	mutex_init(&dev->growth.mutex);
	INIT_LIST_HEAD(&dev->claim);
	INIT_DELAYED_WORK(&dev->watch.work, watch_work);
	err = compat_bdev_open(origin, &dev->vol.origin.bdev);
	if (err)
		goto free;
	dev->vol.origin.start = get_start_sect(origin_bdev(&dev->vol.origin));
	dev->vol.core.nr_sectors = compat_bdev_nr_sectors(origin_bdev(&dev->vol.origin));
	dev->vol.core.minor = minor;
	err = check_origin(dev, mounted);
	if (err)
		goto close_origin;
	err = volume_init(&dev->vol, minor, &dev->watch.work);
	if (err)
		goto close;
	auto_expand_init(dev);
	err = mounted ? device_claim(dev) : 0;
	if (err) {
		err = err == -EALREADY ? -EINVAL : err;
		goto close;
	}
	dev->vol.origin.path = resolve(origin);
	if (IS_ERR(dev->vol.origin.path)) {
		err = PTR_ERR(dev->vol.origin.path);
		dev->vol.origin.path = NULL;
		goto close;
	}
	return dev;

close:
	device_free(dev);
	return ERR_PTR(err);
close_origin:
	compat_bdev_close(&dev->vol.origin.bdev);
free:
	kfree(dev);
	return ERR_PTR(err);
}

void device_free(struct dattobd_device *dev)
{
	volume_stop(&dev->vol);
	cancel_delayed_work_sync(&dev->watch.work); /* nobody kicks it any more */
	if (dev->vol.snap)
		snapshot_destroy(dev->vol.snap);
	free_space_free(dev->growth.free_space);
	cow_file_release(dev->vol.cow); /* an unmount calls us until here */
	volume_exit(&dev->vol);
	kfree(dev->vol.origin.path);
	kfree(dev->origin_name);
	kfree(dev->cow_name);
	device_unclaim(dev);
	compat_bdev_close(&dev->vol.origin.bdev);
	kfree(dev);
}

void device_drop_snapshot(struct dattobd_device *dev)
{
	struct snapshot *snap = dev->vol.snap;
	unsigned long flags;

	if (!snap)
		return;
	mutex_lock(&devices_lock);
	core_lock(&dev->vol.core, flags);
	WRITE_ONCE(dev->vol.snap, NULL);
	dev->publish_wanted = false; /* of a reloaded snapshot that the watch has not seen */
	core_unlock(&dev->vol.core, flags);
	mutex_unlock(&devices_lock);
	worker_flush(&dev->vol); /* the worker may have looked at it before */
	snapshot_destroy(snap);
}
