// SPDX-License-Identifier: GPL-2.0-only
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/string.h>
#include "compat.h"
#include "cow/own_mount.h"

static const char *options_of(const char *type)
{
	if (!strcmp(type, "xfs"))
		return "norecovery,nouuid";
	/* The superblock may ask for a panic at the first error. */
	return strcmp(type, "ext2") ? "noload,errors=continue" : "errors=continue";
}

static bool is_device(const struct block_device *bdev, const char *name)
{
	dev_t number;

	return !compat_lookup_bdev(name, &number) && number == bdev->bd_dev;
}

/*
 * ext4 writes errors to the superblock of a read-only mount too, unless the device is read-only.
 * Where a filesystem is mounted already, that would come between its owner and a remount.
 */
static bool must_protect(struct block_device *bdev)
{
	bool mounted;

	rcu_read_lock();
	mounted = compat_bdev_super(bdev);
	rcu_read_unlock();
	return !mounted && !bdev_read_only(bdev);
}

static void unprotect(struct own_mount *own)
{
	if (own->made_read_only)
		compat_bdev_set_read_only(own->bdev, false);
	own->made_read_only = false;
}

static struct vfsmount *mount(const char *name, const char *device)
{
	struct file_system_type *type = get_fs_type(name);
	struct vfsmount *mnt;
	char options[32]; /* it is cut to pieces */

	if (!type)
		return ERR_PTR(-ENODEV);
	strscpy(options, options_of(name), sizeof(options));
	mnt = vfs_kern_mount(type, SB_KERNMOUNT | SB_SILENT | SB_RDONLY, device, options);
	module_put(type->owner);
	return mnt;
}

int own_mount(struct own_mount *own, struct block_device *bdev, const char *type,
	      const char *device)
{
	int err;

	if (!is_device(bdev, device))
		return -ENODEV;
	own->bdev = bdev;
	own->made_read_only = must_protect(bdev);
	if (own->made_read_only)
		compat_bdev_set_read_only(bdev, true);
	own->mnt = mount(type, device);
	if (IS_ERR(own->mnt)) {
		err = PTR_ERR(own->mnt);
		flush_delayed_fput(); /* it may have opened the device */
		unprotect(own);
		return err;
	}
	/* The name may have become another device's meanwhile. */
	if (own->mnt->mnt_sb->s_bdev == bdev)
		return 0;
	own_unmount(own);
	return -ENODEV;
}

void own_unmount(struct own_mount *own)
{
	compat_kern_unmount(own->mnt);
	unprotect(own);
}
