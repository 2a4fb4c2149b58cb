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

/**
 * cow_file_find() - Find a COW file on a filesystem that is not mounted, or mounted read-only.
 * @path: from the root of the filesystem
 * @device: name of @origin for the client
 *
 * Nothing is written, and the file is not pinned.
 *
 * Context: A request's thread. May sleep.
 * Return: The file, or ERR_PTR(): -%ENODEV if there is no filesystem for COW files, -%ENOENT if
 * the file is missing, -%EINVAL if it is no regular file, -%EOPNOTSUPP as for
 * cow_file_create(), an error of mount or lookup.
 */
struct cow_file *cow_file_find(const char *path, struct block_device *origin, const char *device);

/** cow_file_path() - Path from the root of the filesystem, leading slash. */
const char *cow_file_path(const struct cow_file *cow);

/** cow_file_bytes() - Size of the allocation, in bytes. */
u64 cow_file_bytes(const struct cow_file *cow);

/**
 * cow_file_guard() - See that a session could begin now. If the filesystem was unmounted and
 * mounted since, pin the file again.
 *
 * Return: 0 or -errno: -%ENOENT or -%ESTALE if the file is not found, -%ESTALE if it does not lie
 * where it did, -%EROFS, -%EBUSY if the filesystem is frozen.
 */
int cow_file_guard(struct cow_file *cow);

/**
 * cow_file_guard_mounted() - Pin the file again on the filesystem that is mounted now, by its
 * number. Where it lies is asked by the next cow_file_guard() or session.
 *
 * Context: Process context.
 * Return: 0; -%EAGAIN if no filesystem is mounted read-write; -%ESTALE if the file is not there
 * any more; -errno.
 */
int cow_file_guard_mounted(struct cow_file *cow);

/**
 * cow_file_has_filesystem() - False once the filesystem was unmounted; the extents are then no
 * longer guarded.
 */
bool cow_file_has_filesystem(const struct cow_file *cow);

/**
 * struct cow_extent - A run of the file that is contiguous on the origin. All in sectors of 512
 * bytes: a filesystem with small blocks may begin and end it anywhere.
 */
struct cow_extent {
	u64 offset; /* in the file */
	u64 sector; /* on the origin */
	u64 count;
};

/** cow_file_extents() - The extents in file order. Context: any; they live as long as @cow. */
const struct cow_extent *cow_file_extents(const struct cow_file *cow, unsigned int *count);

/**
 * cow_file_map() - Where a part of the file lies.
 * @offset: sector of the file
 * @sector: result: sector of the origin
 *
 * Context: Any.
 * Return: How many sectors from there on are contiguous on the origin, 0 if @offset is outside the
 * file.
 */
u64 cow_file_map(const struct cow_file *cow, u64 offset, u64 *sector);

/**
 * cow_file_overlaps() - Does any of these sectors of the origin belong to the file?
 *
 * What the file grew by counts from cow_file_take() on.
 * Context: Any.
 */
bool cow_file_overlaps(const struct cow_file *cow, u64 sector, u64 count);

/**
 * cow_file_odd_part() - The store's part of blocks that it shares with somebody else.
 * @sector, @count: sectors of the origin, of blocks that the core has neither masked nor copied
 * @first: result: the first of them that is the store's
 *
 * A filesystem with small blocks may give the file a part of a block of the origin. The core knows
 * whole blocks only: to it that block is like any other. The file's sectors in it read as zeros in
 * the snapshot, as blocks do that are the file's whole.
 *
 * Context: Any.
 * Return: How many sectors from there on are the store's, 0 if none is. The header is not.
 */
u64 cow_file_odd_part(const struct cow_file *cow, u64 sector, u64 count, u64 *first);

/**
 * cow_file_raw() - Read or write a piece of the file through its extents and wait for it.
 * @op: REQ_OP_READ or REQ_OP_WRITE, with flags if wanted
 * @offset, @bytes: multiples of COW_BLOCK_SIZE
 * @data: a vmalloc or kmalloc address, page aligned
 *
 * Context: Process context, may sleep, does not enter the filesystem (GFP_NOIO).
 */
int cow_file_raw(struct cow_file *cow, blk_opf_t op, u64 offset, void *data, size_t bytes);

/*
 * Sessions of writing through the filesystem. cow_file_open() drops the guards so that the file
 * can be written; cow_file_close() puts them back if @keep_pinned. Whoever freezes the filesystem
 * waits for the session; it waits, killably, for the thaw. Process context.
 */
struct file *cow_file_open(struct cow_file *cow);
int cow_file_write(struct file *file, const void *data, size_t bytes, loff_t offset);

/**
 * cow_file_clear() - Let a part of the file read as zeros through the filesystem.
 * @offset, @end: multiples of COW_BLOCK_SIZE; the file does not end before @end
 *
 * Only what shows something else is written.
 */
int cow_file_clear(struct file *file, u64 offset, u64 end);
int cow_file_close(struct cow_file *cow, struct file *file, bool keep_pinned);

/**
 * cow_file_truncate() - Cut the file to @bytes through the filesystem; extents beyond are
 * forgotten. Stays pinned. Waits, killably, for the thaw; a worker gets -%EBUSY.
 */
int cow_file_truncate(struct cow_file *cow, u64 bytes);

/**
 * cow_file_grow() - Let the file's allocation end at @bytes, behind its present end, and map it.
 * @reserve: bytes of the filesystem that must stay free
 *
 * May be called while the file is in use. cow_file_truncate() undoes it.
 * Return: 0; -%EFBIG beyond what a file may have; -%ENOSPC; -%EBUSY while the filesystem is frozen;
 * -%ESTALE if it is no longer the file that was mapped; another error of the filesystem. On an
 * error the file is as it was.
 */
int cow_file_grow(struct cow_file *cow, u64 bytes, u64 reserve);

/**
 * cow_file_blocks() - The store's blocks of the origin in an extent; not the header, which is
 * written through the filesystem only, like any other file's.
 * @whole: only those that are the store's whole, or else all that are its in part
 *
 * Context: Any.
 */
void cow_file_blocks(const struct cow_extent *extent, bool whole, u64 *block, u64 *count);

/** cow_file_end() - First position of a block that is not whole in the map. Context: any. */
u64 cow_file_end(const struct cow_file *cow);

/** cow_file_take() - Positions before @end are the store's from now on. Context: any. */
void cow_file_take(struct cow_file *cow, u64 end);

/** cow_file_type() - Name of its filesystem's type. */
const char *cow_file_type(const struct cow_file *cow);

/** cow_file_unlink() - Unpin and remove the file from its folder. Waits, killably, for the thaw. */
int cow_file_unlink(struct cow_file *cow);

/** cow_file_release() - Unpin if pinned, and free. The file stays on disk. NULL is allowed. */
void cow_file_release(struct cow_file *cow);

int cow_files_init(void); /* the fsnotify group */
void cow_files_exit(void);

#endif
