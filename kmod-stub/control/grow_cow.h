/* SPDX-License-Identifier: GPL-2.0-only */
/* Growing the COW file under an active snapshot (control/grow_cow.c). */
#ifndef DATTOBD_CONTROL_GROW_COW_H
#define DATTOBD_CONTROL_GROW_COW_H

#include "dattobd.h"

/**
 * expand_cow_file() - Grow the COW file.
 * @bytes: by how much
 * @reserve: bytes of the filesystem that must stay free
 *
 * On an error the file may have grown by a part.
 * Context: A kernel thread, expand_mutex held; snapshot mode is not left meanwhile.
 * Return: 0; an error of expand_interrupted(); -%ENOSPC also if old content that must be preserved
 * first finds no room; an error of cow_file_grow(); the device's error.
 */
int expand_cow_file(struct dattobd_device *dev, u64 bytes, u64 reserve);

/**
 * expand_prepare() - Ask the snapshot what was free, which a worker cannot: it does not see the
 * snapshot's node as a client does. Context: As expand_cow_file().
 */
void expand_prepare(struct dattobd_device *dev);

/**
 * expand_interrupted() - Is the growth to end early?
 *
 * Return: 0; -%EINTR if its caller was killed; -%EAGAIN if it is to pause.
 */
int expand_interrupted(struct dattobd_device *dev);

/** expand_end() - Forget about growth, and record in the incremental what it changed. */
void expand_end(struct dattobd_device *dev);

/* control/auto_grow.c: a COW file that grows by itself */

void auto_expand_init(struct dattobd_device *dev);

/**
 * auto_expand_set() - Let the COW file grow in steps of @step_mib (0: no more) as long as
 * @reserved_mib stay free on the filesystem.
 *
 * Return: 0; -%EINTR if the caller was killed; -%EBUSY if the filesystem is frozen.
 */
int auto_expand_set(struct dattobd_device *dev, u64 step_mib, u64 reserved_mib);

/** auto_expand_wake_locked() - Look whether it must grow. Context: core_lock. */
void auto_expand_wake_locked(struct dattobd_device *dev);

/** auto_expand_note() - The copy at @position is made. Context: core_lock. */
static inline void auto_expand_note(struct dattobd_device *dev, u64 position)
{
	if (unlikely(position >= dev->auto_expand.next))
		auto_expand_wake_locked(dev);
}

/**
 * auto_expand_yield() - Let a growth that is under way gain on the writes, for a moment.
 *
 * Context: The tracker's worker, about to copy.
 */
void auto_expand_yield(struct dattobd_device *dev);

/**
 * auto_expand_pause() - End a growth that is under way; none begins until auto_expand_resume(),
 * even if the wait for its end was given up.
 * @timeout: jiffies
 *
 * Return: 0, -%EINTR or -%ETIMEDOUT.
 */
int auto_expand_pause(struct dattobd_device *dev, long timeout);
void auto_expand_resume(struct dattobd_device *dev);

/** auto_expand_drop() - Forget what was set. Context: paused. */
void auto_expand_drop(struct dattobd_device *dev);

#endif
