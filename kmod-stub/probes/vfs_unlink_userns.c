// SPDX-License-Identifier: GPL-2.0-only
/* From 5.12 to 6.2 vfs_unlink() takes the mount's user namespace. */
#include <linux/fs.h>
#include <linux/mount.h>

int probe(struct vfsmount *mnt, struct inode *folder, struct dentry *dentry);
int probe(struct vfsmount *mnt, struct inode *folder, struct dentry *dentry)
{
	return vfs_unlink(mnt_user_ns(mnt), folder, dentry, NULL);
}
