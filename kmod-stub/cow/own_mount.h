/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mounts of our own, in no namespace, to look at a filesystem without touching it
 * (cow/own_mount.c).
 */
#ifndef DATTOBD_COW_OWN_MOUNT_H
#define DATTOBD_COW_OWN_MOUNT_H

#include <linux/types.h>

struct block_device;
struct vfsmount;

/**
 * struct own_mount - A filesystem that is looked at.
 * @bdev: where it lies
 * @mnt: its mount
 * @made_read_only: the device is read-only for the sake of this mount
 */
struct own_mount {
	struct block_device *bdev;
	struct vfsmount *mnt;
	bool made_read_only;
};

/**
 * own_mount() - Mount the filesystem on @bdev read-only, without a replay of its log.
 * @type: of the filesystem, as in /proc/filesystems
 * @device: path of @bdev for the caller
 *
 * An error in the filesystem neither panics nor is noted in the superblock. If somebody has mounted
 * it read-only already, this is another mount of the same superblock, with that one's options.
 *
 * Context: A kernel thread. May sleep.
 * Return: 0, to be undone by own_unmount(); -%ENODEV if @device is another device, or there is no
 * such type; an error of mount(2).
 */
int own_mount(struct own_mount *own, struct block_device *bdev, const char *type,
	      const char *device);
void own_unmount(struct own_mount *own);

#endif
