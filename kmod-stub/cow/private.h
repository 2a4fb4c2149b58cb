/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What cow/file.c, cow/pin.c and cow/extents.c share. Everybody else knows a COW file by dattobd.h
 * only.
 */
#ifndef DATTOBD_COW_PRIVATE_H
#define DATTOBD_COW_PRIVATE_H

#include <linux/fs.h>
#include <linux/path.h>
#include "dattobd.h"

struct cow_pin;

#define COW_HANDLE_WORDS 8 /* XFS needs 6: numbers of 64 bits, of the file and of its folder */

/**
 * struct cow_handle - A file and its folder, as the filesystem knows them whatever they are called.
 * @count: of @words in use; 0 if the filesystem gave none
 * @type: as the filesystem said it, for exportfs_decode_fh()
 */
struct cow_handle {
	u32 words[COW_HANDLE_WORDS];
	int count;
	int type;
};

/**
 * struct cow_file - A file of the origin's filesystem, reached by its extents.
 * @origin: where the extents lie; held open by whoever created the file, for longer than this
 * @path: absolute, as seen from the root of the process that created the file
 * @inner_path: from the root of the filesystem, when the file was created or reloaded
 * @handle: finds the file, and its name in its folder, if a folder above was renamed
 * @device: name of the origin for the process that created or reloaded the file
 * @ino, @generation: tell the file again after its filesystem was unmounted and mounted
 * @type: name of the filesystem's type
 * @bytes: size of the allocation
 * @map: where it lies (cow/map.c)
 * @pin: the guards and the mark on the inode, or NULL; written by cow/pin.c, by one caller at a
 * time
 * @mounted: pinned, and the filesystem was not unmounted since
 * @map_unproved: since it was pinned last, the filesystem was not asked where it lies
 * @whole_blocks: the partial last block that the file had once is not the store's (extents_read())
 * @live: was pinned once, or reloaded; raw writes are a snapshot's own from then on
 * @raw_bios: cow/extents.c: a reserve of its own, since the common one may be in the hands of bios that
 * wait for us, and another device's of bios that wait for that one
 *
 * No struct path, file or inode reference is held here: an unmount of the filesystem neither
 * fails nor waits.
 */
struct cow_file {
	struct block_device *origin;
	char *path;
	char *inner_path;
	struct cow_handle handle;
	char *device;
	unsigned long ino;
	u32 generation;
	const char *type;
	u64 bytes;
	struct cow_map *map;
	struct cow_pin *pin;
	bool mounted;
	bool map_unproved;
	bool whole_blocks;
	bool live;
	struct bio_set raw_bios;
};

/* cow/extents.c */

/**
 * extents_read() - Ask the filesystem where the first @bytes bytes of a file lie.
 * @extents: result: array of the caller's, freed by kvfree()
 * @count: result: its length
 *
 * The extents end within or before the last, partial block of the file where a filesystem with
 * small blocks left it without a whole block on disk, or where it is not unwritten: the filesystem
 * keeps zeros behind the file's end then.
 *
 * Context: A kernel thread (see scratch_map()). May sleep.
 * Return: 0; -%EOPNOTSUPP if some part cannot be reached by raw I/O (a hole, shared, encoded,
 * encrypted, inline, delayed, or not aligned to sectors of the device); -%ENOMEM; the filesystem's
 * error.
 */
int extents_read(struct inode *inode, u64 bytes, struct cow_extent **extents, unsigned int *count);

/* cow/session.c */

/**
 * cow_read_map() - Find out where the first @bytes bytes of the file lie.
 *
 * Return: 0; -%ESTALE if it was mapped already and has not only grown since; an error of
 * extents_read().
 */
int cow_read_map(struct cow_file *cow, struct inode *inode, u64 bytes);

void cow_drop_cache(struct file *file);

/* cow/write.c: what changes a filesystem, all between cow_want_write() and mnt_drop_write() */

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

int cow_truncate(const struct path *path, u64 bytes);
int cow_allocate(struct file *file, u64 offset, u64 bytes);

/** cow_write_zeros() - Write zeros. Return: 0; -%EINTR if the caller was killed; -errno. */
int cow_write_zeros(struct file *file, u64 offset, u64 bytes);

/** cow_unlink_path() - Remove the name from its folder. Return: 0; -%ENOENT if it is gone. */
int cow_unlink_path(const struct path *path);

/* cow/file.c */

/** cow_file_known() - A file that was created earlier, by somebody else. See cow_file_find(). */
struct cow_file *cow_file_known(const struct path *path, struct block_device *origin,
				const char *device);

/* cow/find.c */

/**
 * cow_find_mounted() - Find a file wherever its filesystem is mounted read-write.
 * @path: result, to be put by the caller
 *
 * Return: 0; -%ENOENT if it is not mounted or has no such file; an error of the lookup.
 */
int cow_find_mounted(struct cow_file *cow, struct path *path);

/* cow/map.c */

/**
 * cow_map_set() - Let a file lie at these extents from now on.
 * @extents: in file order, without holes, from offset 0 on; freed with the file, or by a failure
 *
 * Return: 0 or -%ENOMEM.
 */
int cow_map_set(struct cow_file *cow, struct cow_extent *extents, unsigned int count);

/** cow_map_cut() - Forget what lies behind sector @end of the file. Return: 0 or -%ENOMEM. */
int cow_map_cut(struct cow_file *cow, u64 end);

void cow_map_free(struct cow_file *cow);

/* cow/prove.c */

/**
 * cow_prove() - See on the device that writes through the filesystem arrive where the extents
 * say, and only there.
 * @header: what the file's first block holds
 *
 * The blocks used for it read as zeros through the filesystem again afterwards. Nothing is
 * written raw before the extents are proved.
 *
 * Context: Process context. May sleep.
 * Return: 0; -%EOPNOTSUPP if they do not; -%ENOMEM; the filesystem's or the device's error.
 */
int cow_prove(struct cow_file *cow, struct file *file, const void *header);

/* cow/pin.c */

/**
 * cow_pin() - Guard an inode against everybody and learn of its filesystem's unmount.
 *
 * Context: Process context, the filesystem is mounted and the caller holds a reference to @inode.
 * Return: 0; -%ETXTBSY if it is mapped for writing or is a swap file; -%ENOMEM.
 */
int cow_pin(struct cow_file *cow, struct inode *inode);

/**
 * cow_unpin() - Undo cow_pin(), or what the unmount left of it.
 */
void cow_unpin(struct cow_file *cow);

/**
 * cow_pin_guard() - Put the guards up or take them down while the file stays pinned.
 * @inode: referenced by the caller
 *
 * Return: 0; -%ESTALE if @inode is not the pinned one.
 */
int cow_pin_guard(struct cow_file *cow, struct inode *inode, bool on);

#endif
