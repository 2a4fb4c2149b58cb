/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The COW file as the rest of the module sees it: created through its filesystem, then pinned and
 * reached by its extents.
 */
#ifndef DATTOBD_COW_FILE_H
#define DATTOBD_COW_FILE_H

#include <linux/types.h>
#include <linux/blkdev.h>
#include <linux/bio.h>
#include "compat.h"
#include "layout.h"

struct cow_file;

/**
 * cow_file_create() - Create (or truncate), allocate, map, prove and pin a COW file.
 * @name: as the client gave it, seen from its root and working directory
 * @origin: the device whose filesystem it must lie on
 * @device: its name for the client
 * @bytes: allocation size
 * @header: COW_HEADER_SIZE bytes that become the file's first block, through the filesystem
 *
 * Errors and their order: docs/ABI.md, B4.8 to B4.12. A failure after this call created the file
 * removes it; a file that was there before is never removed by a failure.
 *
 * Context: A request's thread. May sleep.
 * Return: The file, or ERR_PTR(); -%EBUSY if the filesystem is frozen.
 */
struct cow_file *cow_file_create(const char *name, struct block_device *origin, const char *device,
				 u64 bytes, const void *header);

/** cow_file_path() - Path from the root of the filesystem, leading slash. */
const char *cow_file_path(const struct cow_file *cow);

/** cow_file_bytes() - Size of the allocation, in bytes. */
u64 cow_file_bytes(const struct cow_file *cow);

/** cow_file_type() - Name of its filesystem's type. */
const char *cow_file_type(const struct cow_file *cow);

/** cow_file_release() - Unpin if pinned, and free. The file stays on disk. NULL is allowed. */
void cow_file_release(struct cow_file *cow);

/** cow_file_known() - A file that was created earlier, by somebody else. See cow_file_find(). */
struct cow_file *cow_file_known(const struct path *path, struct block_device *origin,
				const char *device);

#endif
