/* SPDX-License-Identifier: GPL-2.0-only */
/* COW files that exist already. */
#ifndef DATTOBD_COW_OPEN_H
#define DATTOBD_COW_OPEN_H

struct block_device;
struct cow_file;

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

/**
 * cow_file_allow_longer() - The file was found past a journal that is not replayed yet: it may be
 * longer once it is, and begin as it is known.
 */
void cow_file_allow_longer(struct cow_file *cow);

/** cow_file_is_longer() - Was it, as it was guarded? */
bool cow_file_is_longer(const struct cow_file *cow);

/**
 * cow_file_guard_mounted() - Pin the file again on the filesystem that is mounted now, by its
 * number. Where it lies is asked by the next cow_file_guard() or session.
 *
 * Context: Process context.
 * Return: 0; -%EAGAIN if no filesystem is mounted read-write; -%ESTALE if the file is not there
 * any more; -errno.
 */
int cow_file_guard_mounted(struct cow_file *cow);

#endif
