/* SPDX-License-Identifier: GPL-2.0-only */
/* Files. The memory of a user is that of the program. */
#ifndef KERNEL_FILES_H
#define KERNEL_FILES_H

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fsmap.h>

struct fiemap_extent_info {
	unsigned int fi_flags, fi_extents_mapped, fi_extents_max;
	struct fiemap_extent *fi_extents_start;
};

struct inode;

struct inode_operations {
	int (*fiemap)(struct inode *inode, struct fiemap_extent_info *info, u64 from, u64 bytes);
};

struct super_block {
	u32 s_dev;
};

struct inode {
	const struct inode_operations *i_op;
	struct super_block *i_sb;
};

struct file;

struct file_operations {
	long (*unlocked_ioctl)(struct file *file, unsigned int command, unsigned long argument);
};

struct file {
	const struct file_operations *f_op;
	struct inode *f_inode;
};

struct dentry {
	int unused;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

#define file_inode(file) ((file)->f_inode)
#define new_encode_dev(device) (device)
#define current_cred() NULL

/* Defined by the test. */
struct file *dentry_open(const struct path *path, int flags, const void *cred);
void compat_fput(struct file *file);

static inline unsigned long copy_from_user(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
	return 0;
}

static inline unsigned long copy_to_user(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
	return 0;
}

#endif
