/* SPDX-License-Identifier: GPL-2.0-only */
/* A COW file as this wing sees it; everybody else knows it by the functions of cow/. */
#ifndef DATTOBD_COW_PRIVATE_H
#define DATTOBD_COW_PRIVATE_H

#include <linux/fs.h>
#include <linux/path.h>
#include "cow/file.h"

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
 * @raw_bios: cow/raw.c: a reserve of its own, since the common one may be in the hands of bios that
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
	bool may_be_longer, longer;
	bool whole_blocks;
	bool live;
	struct bio_set raw_bios;
};

#endif
