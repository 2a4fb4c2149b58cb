// SPDX-License-Identifier: GPL-2.0-only
/* From 6.3 on vfs_unlink() takes the mount's idmap. */
#include <linux/fs.h>
#include <linux/mount.h>

int probe(struct vfsmount *mnt, struct inode *folder, struct dentry *dentry);
int probe(struct vfsmount *mnt, struct inode *folder, struct dentry *dentry)
{
	return vfs_unlink(mnt_idmap(mnt), folder, dentry, NULL);
}
