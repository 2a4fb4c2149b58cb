// SPDX-License-Identifier: GPL-2.0-only
/*
 * COW files found without a path of the mount tree: on a filesystem that nobody has mounted
 * (reload), or wherever it is mounted.
 *
 * For that the filesystem gets a mount of our own for a moment, in no namespace. If it is mounted
 * already, this is another mount of the same superblock; else it is one of cow/own_mount.c's, which
 * writes nothing.
 */
#include <linux/dcache.h>
#include <linux/exportfs.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include "cow/private.h"
#include "cow/own_mount.h"
#include "control/request.h"

/* The first error that says more than "not this kind". */
static int mount_read_only(struct own_mount *own, struct block_device *origin, const char *device)
{
	/* Those that are tried where none is mounted. */
	static const char *const types[] = { "ext4", "xfs", "ext3", "ext2" };
	int err = -ENODEV, ret;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		ret = own_mount(own, origin, types[i], device);
		if (!ret)
			return 0;
		if (err == -ENODEV && ret != -EINVAL)
			err = ret;
	}
	return err;
}

/*
 * The filesystem that is mounted read-write from @origin, with s_umount held for reading: it stays
 * so until super_unlock(). NULL if there is none, or if it is just being mounted, unmounted,
 * remounted or frozen: no signal ends a wait for that lock, which may be held over I/O.
 */
static struct super_block *super_lock_mounted(struct block_device *origin)
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

static void super_unlock(struct super_block *sb)
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
		sb = super_lock_mounted(origin);
		if (sb)
			break;
		if (!compat_bdev_mounted_rw(origin) || !request_is_current() ||
		    fatal_signal_pending(current))
			return NULL;
		schedule_timeout_killable(HZ / 50);
	}
	alive = atomic_inc_not_zero(&sb->s_active);
	super_unlock(sb);
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
 * never mounts anew, which would write.
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

static int look_up(struct vfsmount *mnt, const char *name, struct path *path)
{
	return vfs_path_lookup(mnt->mnt_root, mnt, name, LOOKUP_FOLLOW, path);
}

struct cow_file *cow_file_find(const char *name, struct block_device *origin, const char *device)
{
	struct cow_file *cow;
	struct own_mount own;
	struct path path;
	int err = mount_read_only(&own, origin, device);

	if (err)
		return ERR_PTR(err == -ENOENT ? -ENODEV : err);
	err = look_up(own.mnt, name, &path);
	if (!err) {
		cow = cow_file_known(&path, origin, device);
		path_put(&path);
	} else {
		cow = ERR_PTR(err);
	}
	own_unmount(&own);
	return cow;
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
		err = look_up(mnt, cow->inner_path, path);
	kern_unmount(mnt); /* the path holds it until it is put */
	return err;
}

/* The file by its number, in a filesystem that is mounted. */
static struct dentry *by_number(struct super_block *sb, const struct cow_file *cow)
{
	/* As XFS writes numbers beyond 32 bits; any filesystem takes the first two words. */
	struct {
		u64 ino;
		u32 generation;
		u32 parent[3];
	} __packed wide = { .ino = cow->ino, .generation = cow->generation };
	struct fid fid = { .i32 = { .ino = cow->ino, .gen = cow->generation } };
	struct dentry *dentry;

	if (!sb->s_export_op || !sb->s_export_op->fh_to_dentry)
		return ERR_PTR(-EOPNOTSUPP);
	if (cow->ino > U32_MAX)
		dentry = sb->s_export_op->fh_to_dentry(sb, (struct fid *)&wide,
						       sizeof(wide) / sizeof(u32),
						       FILEID_INO32_GEN | 0x80);
	else
		dentry = sb->s_export_op->fh_to_dentry(sb, &fid, 2, FILEID_INO32_GEN);
	return dentry ?: ERR_PTR(-ESTALE);
}

static int guard_on(struct super_block *sb, struct cow_file *cow)
{
	struct dentry *dentry = by_number(sb, cow);
	struct inode *inode;
	int err = -ESTALE;

	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	inode = d_inode(dentry);
	if (S_ISREG(inode->i_mode) && inode->i_nlink && i_size_read(inode) == cow->bytes) {
		compat_small_folios(inode->i_mapping);
		err = cow_pin(cow, inode);
		cow->map_unproved = true;
	}
	dput(dentry);
	return err;
}

int cow_file_guard_mounted(struct cow_file *cow)
{
	struct super_block *sb = super_lock_mounted(cow->origin);
	int err;

	if (!sb)
		return -EAGAIN;
	err = guard_on(sb, cow);
	super_unlock(sb);
	return err;
}
