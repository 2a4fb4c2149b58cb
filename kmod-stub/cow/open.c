// SPDX-License-Identifier: GPL-2.0-only
/* COW files that exist already: on a filesystem that is not mounted, or mounted again. */
#include <linux/dcache.h>
#include <linux/exportfs.h>
#include "cow/find.h"
#include "cow/open.h"
#include "cow/own_mount.h"
#include "cow/pin.h"
#include "cow/private.h"

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

struct cow_file *cow_file_find(const char *name, struct block_device *origin, const char *device)
{
	struct cow_file *cow;
	struct own_mount own;
	struct path path;
	int err = mount_read_only(&own, origin, device);

	if (err)
		return ERR_PTR(err == -ENOENT ? -ENODEV : err);
	err = cow_look_up(own.mnt, name, &path);
	if (!err) {
		cow = cow_file_known(&path, origin, device);
		path_put(&path);
	} else {
		cow = ERR_PTR(err);
	}
	own_unmount(&own);
	return cow;
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

void cow_file_allow_longer(struct cow_file *cow)
{
	cow->may_be_longer = true;
}

bool cow_file_is_longer(const struct cow_file *cow)
{
	return cow->longer;
}

static bool has_size(const struct cow_file *cow, u64 bytes)
{
	return bytes == cow->bytes || (cow->may_be_longer && bytes > cow->bytes);
}

static int guard_on(struct super_block *sb, struct cow_file *cow)
{
	struct dentry *dentry = by_number(sb, cow);
	struct inode *inode;
	int err = -ESTALE;

	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	inode = d_inode(dentry);
	if (S_ISREG(inode->i_mode) && inode->i_nlink && has_size(cow, i_size_read(inode))) {
		cow->longer = i_size_read(inode) > cow->bytes;
		compat_small_folios(inode->i_mapping);
		err = cow_pin(cow, inode);
		cow->map_unproved = true;
	}
	dput(dentry);
	return err;
}

int cow_file_guard_mounted(struct cow_file *cow)
{
	struct super_block *sb = cow_super_lock(cow->origin);
	int err;

	if (!sb)
		return -EAGAIN;
	err = guard_on(sb, cow);
	cow_super_unlock(sb);
	return err;
}
