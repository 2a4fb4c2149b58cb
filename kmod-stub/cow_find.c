// SPDX-License-Identifier: GPL-2.0-only
/*
 * COW files found without a path of the mount tree: on a filesystem that nobody has mounted
 * (reload), or wherever it is mounted.
 *
 * For that the filesystem gets a mount of our own for a moment, in no namespace. If it is mounted
 * already, this is another mount of the same superblock; else it is read-only, and the journal
 * stays as it is: nothing is written.
 */
#include <linux/dcache.h>
#include <linux/exportfs.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include "cow_private.h"

/* Those that are tried where none is mounted, with options that leave the log alone. */
static const struct file_system {
	const char *name;
	const char *options;
} file_systems[] = {
	{ "ext4", "noload" },
	{ "xfs", "norecovery,nouuid" },
	{ "ext3", "noload" },
	{ "ext2", "" },
};

static struct vfsmount *mount_as(struct file_system_type *type, struct block_device *origin,
				 const char *device, int flags, const char *options)
{
	struct vfsmount *mnt;
	char copy[32]; /* it is cut to pieces */

	strscpy(copy, options, sizeof(copy));
	mnt = vfs_kern_mount(type, SB_KERNMOUNT | SB_SILENT | flags, device, copy);
	if (IS_ERR(mnt) || mnt->mnt_sb->s_bdev == origin)
		return mnt;
	kern_unmount(mnt);
	return ERR_PTR(-ENODEV);
}

/* The first error that says more than "not this kind". */
static struct vfsmount *mount_read_only(struct block_device *origin, const char *device)
{
	struct file_system_type *type;
	struct vfsmount *mnt;
	int err = -ENODEV;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(file_systems); i++) {
		type = get_fs_type(file_systems[i].name);
		if (!type)
			continue;
		mnt = mount_as(type, origin, device, SB_RDONLY, file_systems[i].options);
		module_put(type->owner);
		if (!IS_ERR(mnt))
			return mnt;
		if (err == -ENODEV && PTR_ERR(mnt) != -EINVAL)
			err = PTR_ERR(mnt);
	}
	return ERR_PTR(err);
}

/* Another mount of what is mounted read-write. */
static struct vfsmount *mount_again(struct block_device *origin, const char *device)
{
	struct file_system_type *type = compat_bdev_mounted_type(origin);
	struct vfsmount *mnt;

	if (!type)
		return ERR_PTR(-ENOENT);
	mnt = mount_as(type, origin, device, 0, "");
	module_put(type->owner);
	if (IS_ERR(mnt) || atomic_read(&mnt->mnt_sb->s_active) > 1)
		return mnt;
	kern_unmount(mnt); /* it was unmounted meanwhile */
	return ERR_PTR(-ENOENT);
}

static int look_up(struct vfsmount *mnt, const char *name, struct path *path)
{
	return vfs_path_lookup(mnt->mnt_root, mnt, name, LOOKUP_FOLLOW, path);
}

struct cow_file *cow_file_find(const char *name, struct block_device *origin, const char *device)
{
	struct vfsmount *mnt = mount_read_only(origin, device);
	struct cow_file *cow;
	struct path path;
	int err;

	if (IS_ERR(mnt))
		return ERR_PTR(PTR_ERR(mnt) == -ENOENT ? -ENODEV : PTR_ERR(mnt));
	err = look_up(mnt, name, &path);
	if (!err) {
		cow = cow_file_known(&path, origin, device);
		path_put(&path);
	} else {
		cow = ERR_PTR(err);
	}
	kern_unmount(mnt);
	return cow;
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

struct guarding {
	struct cow_file *cow;
	int err;
};

/* s_umount is held: the filesystem stays mounted meanwhile. */
static void guard_on(struct super_block *sb, void *argument)
{
	struct guarding *guarding = argument;
	struct cow_file *cow = guarding->cow;
	struct dentry *dentry;
	struct inode *inode;

	if (sb->s_bdev != cow->origin || sb_rdonly(sb))
		return;
	dentry = by_number(sb, cow);
	if (IS_ERR(dentry)) {
		guarding->err = PTR_ERR(dentry);
		return;
	}
	inode = d_inode(dentry);
	guarding->err = -ESTALE;
	if (S_ISREG(inode->i_mode) && inode->i_nlink && i_size_read(inode) == cow->bytes) {
		compat_small_folios(inode->i_mapping);
		guarding->err = cow_pin(cow, inode);
		cow->map_unproved = true;
	}
	dput(dentry);
}

int cow_file_guard_mounted(struct cow_file *cow)
{
	struct guarding guarding = { .cow = cow, .err = -EAGAIN };
	struct file_system_type *type = compat_bdev_mounted_type(cow->origin);

	if (!type)
		return -EAGAIN;
	iterate_supers_type(type, guard_on, &guarding);
	module_put(type->owner);
	return guarding.err;
}
