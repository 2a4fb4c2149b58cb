/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions of writing through the filesystem. cow_file_open() drops the guards so that the file
 * can be written; cow_file_close() puts them back if @keep_pinned. Whoever freezes the filesystem
 * waits for the session; it waits, killably, for the thaw. Process context.
 */
#ifndef DATTOBD_COW_SESSION_H
#define DATTOBD_COW_SESSION_H

#include <linux/types.h>

struct cow_file;
struct file;

/**
 * cow_file_guard() - See that a session could begin now. If the filesystem was unmounted and
 * mounted since, pin the file again.
 *
 * Return: 0 or -errno: -%ENOENT or -%ESTALE if the file is not found, -%ESTALE if it does not lie
 * where it did, -%EROFS, -%EBUSY if the filesystem is frozen.
 */
int cow_file_guard(struct cow_file *cow);

struct file *cow_file_open(struct cow_file *cow);

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

/** cow_file_unlink() - Unpin and remove the file from its folder. Waits, killably, for the thaw. */
int cow_file_unlink(struct cow_file *cow);

#endif
