/* SPDX-License-Identifier: GPL-2.0-only */
/* What changes a filesystem, all between cow_want_write() and mnt_drop_write(). */
#ifndef DATTOBD_COW_WRITE_H
#define DATTOBD_COW_WRITE_H

#include <linux/fs.h>
#include <linux/path.h>

/**
 * cow_want_write() - As mnt_want_write(), but without a wait that cannot be ended.
 * @wait: for the thaw, if the filesystem is frozen; a worker never does
 *
 * The caller may not enter the VFS where that takes the right to write once more.
 *
 * Return: 0, to be undone by mnt_drop_write(); -%EBUSY if the filesystem is frozen; -%EINTR if the
 * caller was killed; -%EAGAIN to a worker while the filesystem is being mounted otherwise; -%EROFS.
 */
int cow_want_write(struct vfsmount *mnt, bool wait);

/**
 * cow_want_file() - Find the file of that name, or create it.
 * @origin: the device whose filesystem it must lie on
 * @path: result, to be put by the caller; the right to write to it is held
 * @created: result
 *
 * Return: 0; an error of cow_want_write(), which does not wait; an error of open(2).
 */
int cow_want_file(const char *name, const struct block_device *origin, struct path *path,
		  bool *created);

void cow_drop_cache(struct file *file);

int cow_truncate(const struct path *path, u64 bytes);

int cow_allocate(struct file *file, u64 offset, u64 bytes);

/** cow_write_zeros() - Write zeros. Return: 0; -%EINTR if the caller was killed; -errno. */
int cow_write_zeros(struct file *file, u64 offset, u64 bytes);

/** cow_unlink_path() - Remove the name from its folder. Return: 0; -%ENOENT if it is gone. */
int cow_unlink_path(const struct path *path);

int cow_file_write(struct file *file, const void *data, size_t bytes, loff_t offset);

#endif
