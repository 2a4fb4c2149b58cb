/* SPDX-License-Identifier: GPL-2.0-only */
/* What the filesystem says of where a file lies. */
#ifndef DATTOBD_COW_EXTENTS_H
#define DATTOBD_COW_EXTENTS_H

#include <linux/fs.h>
#include "cow/map.h"

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

/**
 * cow_read_map() - Find out where the first @bytes bytes of the file lie.
 *
 * Return: 0; -%ESTALE if it was mapped already and has not only grown since; an error of
 * extents_read().
 */
int cow_read_map(struct cow_file *cow, struct inode *inode, u64 bytes);

#endif
