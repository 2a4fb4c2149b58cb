/* SPDX-License-Identifier: GPL-2.0-only */
/* Growing the COW file under an active snapshot (control/grow_cow.c). */
#ifndef DATTOBD_CONTROL_GROW_COW_H
#define DATTOBD_CONTROL_GROW_COW_H

#include <linux/mutex.h>
#include <linux/types.h>

struct dattobd_device;
struct free_space;

/**
 * struct growth - What the COW file of a snapshot grew by.
 * @mutex: held by a growth, by an ioctl or by itself
 * @from: first position that this COW file got by growing, 0 if it has not
 * @masked_end: what it grew by reads as zeros in the snapshot up to here, and stays
 * @free_space: at the snapshot's instant; NULL if it was not asked for
 */
struct growth {
	struct mutex mutex; /* one growth at a time */
	u64 from;
	u64 masked_end;
	struct free_space *free_space;
};

/**
 * expand_cow_file() - Grow the COW file.
 * @bytes: by how much
 * @reserve: bytes of the filesystem that must stay free
 *
 * On an error the file may have grown by a part.
 * Context: A kernel thread, growth.mutex held; snapshot mode is not left meanwhile.
 * Return: 0; -%EINTR if the caller was killed; -%EAGAIN if it is to pause; -%ENOSPC also if old
 * content that must be preserved first finds no room; an error of cow_file_grow(); the device's
 * error.
 */
int expand_cow_file(struct dattobd_device *dev, u64 bytes, u64 reserve);

/**
 * expand_prepare() - Ask the snapshot what was free, which a worker cannot: it does not see the
 * snapshot's node as a client does. Context: As expand_cow_file().
 */
void expand_prepare(struct dattobd_device *dev);

/** expand_end() - Forget about growth, and record in the incremental what it changed. */
void expand_end(struct dattobd_device *dev);

#endif
