/* SPDX-License-Identifier: GPL-2.0-only */
/* Files, folders, and who looks at them. */
#ifndef DATTOBD_COMPAT_FS_H
#define DATTOBD_COMPAT_FS_H

#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/fsnotify_backend.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include "probes.h"

static inline struct fsnotify_group *compat_fsnotify_alloc_group(const struct fsnotify_ops *ops)
{
#ifdef HAVE_FSNOTIFY_ALLOC_GROUP_FLAGS
	return fsnotify_alloc_group(ops, 0);
#else
	return fsnotify_alloc_group(ops);
#endif
}

/*
 * compat_small_folios() - Keep the page cache of a file from dirtying blocks that were not
 * written, from now on.
 *
 * Before 6.6 iomap wrote back a large folio as a whole when a part of it was dirty. Later it
 * keeps track by block.
 */
static inline void compat_small_folios(struct address_space *mapping)
{
#ifdef HAVE_AS_LARGE_FOLIO_SUPPORT
	clear_bit(AS_LARGE_FOLIO_SUPPORT, &mapping->flags);
#endif
}

/*
 * compat_writes_clean_blocks() - Whether the filesystem may write back blocks of a page that are
 * not dirty, beside one that is. Before 6.6 iomap does, and of our filesystems XFS uses it.
 */
static inline bool compat_writes_clean_blocks(const struct super_block *sb)
{
#ifdef HAVE_IOMAP_DIRTY_FOLIO
	return false;
#else
	return !strcmp(sb->s_type->name, "xfs");
#endif
}

/* Exported by all, declared by some. */
int vfs_path_lookup(struct dentry *dentry, struct vfsmount *mnt, const char *name,
		    unsigned int flags, struct path *path);

static inline int compat_vfs_unlink(struct vfsmount *mnt, struct inode *folder,
				    struct dentry *dentry)
{
#if defined(HAVE_VFS_UNLINK_IDMAP)
	return vfs_unlink(mnt_idmap(mnt), folder, dentry, NULL);
#elif defined(HAVE_VFS_UNLINK_USERNS)
	return vfs_unlink(mnt_user_ns(mnt), folder, dentry, NULL);
#else
	return vfs_unlink(folder, dentry, NULL);
#endif
}

static inline int compat_vfs_create(struct vfsmount *mnt, struct inode *folder,
				    struct dentry *dentry, umode_t mode)
{
#if defined(HAVE_VFS_CREATE_DELEGATED)
	return vfs_create(mnt_idmap(mnt), dentry, mode, NULL);
#elif defined(HAVE_VFS_UNLINK_IDMAP)
	return vfs_create(mnt_idmap(mnt), folder, dentry, mode, true);
#elif defined(HAVE_VFS_UNLINK_USERNS)
	return vfs_create(mnt_user_ns(mnt), folder, dentry, mode, true);
#else
	return vfs_create(folder, dentry, mode, true);
#endif
}

static inline int compat_notify_change(struct vfsmount *mnt, struct dentry *dentry,
				       struct iattr *change)
{
#if defined(HAVE_VFS_UNLINK_IDMAP)
	return notify_change(mnt_idmap(mnt), dentry, change, NULL);
#elif defined(HAVE_VFS_UNLINK_USERNS)
	return notify_change(mnt_user_ns(mnt), dentry, change, NULL);
#else
	return notify_change(dentry, change, NULL);
#endif
}

/* compat_path_permission() - May the caller do this with a file? */
static inline int compat_path_permission(const struct path *path, int mask)
{
#ifdef HAVE_PATH_PERMISSION
	return path_permission(path, mask);
#else
	return inode_permission(d_inode(path->dentry), mask);
#endif
}

/* compat_lookup() - Look a name up in a folder. Context: The folder's inode lock. */
static inline struct dentry *compat_lookup(const char *name, struct dentry *folder)
{
#ifdef HAVE_LOOKUP_NOPERM
	return lookup_noperm(&QSTR_LEN(name, strlen(name)), folder);
#else
	return lookup_one_len(name, folder, strlen(name));
#endif
}

/* A task's view of the tree of files. */
static inline void compat_fs_lock(struct fs_struct *fs)
{
#ifdef HAVE_FS_SEQLOCK
	write_seqlock(&fs->seq);
#else
	spin_lock(&fs->lock);
	write_seqcount_begin(&fs->seq);
#endif
}

static inline void compat_fs_unlock(struct fs_struct *fs)
{
#ifdef HAVE_FS_SEQLOCK
	write_sequnlock(&fs->seq);
#else
	write_seqcount_end(&fs->seq);
	spin_unlock(&fs->lock);
#endif
}

#endif
