/* SPDX-License-Identifier: GPL-2.0-only */
/* A COW file found without its name. */
#ifndef DATTOBD_COW_FIND_H
#define DATTOBD_COW_FIND_H

#include <linux/fs.h>
#include <linux/path.h>

struct cow_file;

/**
 * cow_find_mounted() - Find a file wherever its filesystem is mounted read-write.
 * @path: result, to be put by the caller
 *
 * Return: 0; -%ENOENT if it is not mounted or has no such file; an error of the lookup.
 */
int cow_find_mounted(struct cow_file *cow, struct path *path);

/**
 * cow_super_lock() - The filesystem that is mounted read-write from @origin, with s_umount held for
 * reading: it stays so until cow_super_unlock().
 *
 * Return: NULL if there is none, or if it is just being mounted, unmounted, remounted or frozen: no
 * signal ends a wait for that lock, which may be held over I/O.
 */
struct super_block *cow_super_lock(struct block_device *origin);
void cow_super_unlock(struct super_block *sb);

/** cow_look_up() - Look a path up from the root of a filesystem. */
int cow_look_up(struct vfsmount *mnt, const char *name, struct path *path);

#endif
