/* SPDX-License-Identifier: GPL-2.0-only */
/* What no file of a snapshot's filesystem used (cow/free_space.c). */
#ifndef DATTOBD_COW_FREE_SPACE_H
#define DATTOBD_COW_FREE_SPACE_H

#include <linux/types.h>

struct block_device;
struct free_space;

/**
 * free_space_read() - Ask the filesystem of a snapshot for its free space.
 * @bdev: the snapshot's device
 * @type: of the filesystem, as in /proc/filesystems
 * @node: path of the device for the caller
 *
 * The snapshot is mounted for that, where nobody sees it.
 * Context: A request's thread.
 * Return: The free space, maybe less than there is, freed by free_space_free(); or ERR_PTR().
 */
struct free_space *free_space_read(struct block_device *bdev, const char *type, const char *node);

void free_space_free(struct free_space *space); /* NULL is allowed */

/**
 * free_space_run() - Of @count blocks from @block on, how many are alike.
 * @free: result: free, or else maybe in use
 *
 * No space at all (NULL) says of every block that it may be in use.
 */
u64 free_space_run(const struct free_space *space, u64 block, u64 count, bool *free);

#endif
