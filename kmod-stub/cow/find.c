// SPDX-License-Identifier: GPL-2.0-only
/*
 * A COW file found wherever its filesystem is mounted, without a path of the mount tree: in another
 * mount of the same superblock, which is made for a moment, in no namespace.
 */
#include <linux/dcache.h>
#include <linux/exportfs.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include "cow/find.h"
#include "cow/private.h"
#include "killable.h"

struct super_block *cow_super_lock(struct block_device *origin)
{
	struct super_block *sb;

	rcu_read_lock();
	sb = compat_bdev_super(origin);
	if (sb && !down_read_trylock(&sb->s_umount))
		sb = NULL;
	if (sb && (!sb->s_root || !(sb->s_flags & SB_BORN) || sb_rdonly(sb))) {
		up_read(&sb->s_umount);
		sb = NULL;
	}
	rcu_read_unlock();
	return sb;
}

void cow_super_unlock(struct super_block *sb)
{
	rcu_read_lock(); /* who waits for the lock may free it */
	up_read(&sb->s_umount);
	rcu_read_unlock();
}

/* The same, but it stays alive, not as it is mounted, until deactivate_super(). */
static struct super_block *super_activate(struct block_device *origin)
{
	struct super_block *sb;
	bool alive;

	for (;;) {
		sb = cow_super_lock(origin);
		if (sb)
			break;
		if (!compat_bdev_mounted_rw(origin) || !request_is_current() ||
		    fatal_signal_pending(current))
			return NULL;
		schedule_timeout_killable(HZ / 50);
	}
	alive = atomic_inc_not_zero(&sb->s_active);
	cow_super_unlock(sb);
	return alive ? sb : NULL;
}

static int check_device(const struct block_device *origin, const char *name)
{
	dev_t number;
	int err = compat_lookup_bdev(name, &number);

	if (err)
		return err;
	return number == origin->bd_dev ? 0 : -ENODEV;
}

/*
 * Another mount of what is mounted read-write. It is alive meanwhile, so that mounting finds it and
 * never makes a new superblock, which would write.
 */
static struct vfsmount *mount_again(struct block_device *origin, const char *device)
{
	int err = check_device(origin, device);
	struct vfsmount *mnt;
	struct super_block *sb;

	if (err)
		return ERR_PTR(err);
	sb = super_activate(origin);
	if (!sb)
		return ERR_PTR(-ENOENT);
	mnt = vfs_kern_mount(sb->s_type, SB_KERNMOUNT | SB_SILENT, device, NULL);
	deactivate_super(sb);
	if (IS_ERR(mnt) || mnt->mnt_sb->s_bdev == origin)
		return mnt;
	kern_unmount(mnt);
	return ERR_PTR(-ENODEV);
}

int cow_look_up(struct vfsmount *mnt, const char *name, struct path *path)
{
	return vfs_path_lookup(mnt->mnt_root, mnt, name, LOOKUP_FOLLOW, path);
}

/* One that can be opened, cut, and removed from its folder. */
static int has_name(void *context, struct dentry *dentry)
{
	return !IS_ROOT(dentry) && !(dentry->d_flags & DCACHE_DISCONNECTED);
}

static int by_handle(struct vfsmount *mnt, struct cow_file *cow, struct path *path)
{
	struct dentry *dentry;

	if (!cow->handle.count)
		return -ENOENT;
	dentry = exportfs_decode_fh(mnt, (struct fid *)cow->handle.words, cow->handle.count,
				    cow->handle.type, has_name, NULL);
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	path->mnt = mntget(mnt);
	path->dentry = dentry;
	return 0;
}

int cow_find_mounted(struct cow_file *cow, struct path *path)
{
	struct vfsmount *mnt;
	int err;

	if (!compat_bdev_mounted_rw(cow->origin))
		return -ENOENT;
	mnt = mount_again(cow->origin, cow->device);
	if (IS_ERR(mnt))
		return PTR_ERR(mnt);
	err = by_handle(mnt, cow, path);
	if (err)
		err = cow_look_up(mnt, cow->inner_path, path);
	kern_unmount(mnt); /* the path holds it until it is put */
	return err;
}
