/* SPDX-License-Identifier: GPL-2.0-only */
/* The worker of a device: deferred writes, copies, the clean mark. */
#ifndef DATTOBD_IO_WORKER_H
#define DATTOBD_IO_WORKER_H

#include <linux/bio.h>
#include <linux/wait.h>
#include "io/late.h"

struct volume;

/**
 * struct worker
 * @late: writes that are not decided about yet
 * @look: it is to remove the clean mark, or to open the shutter; under core_lock
 * @asked, @ended: what it was asked for so far (the clean mark, @look), and how much of that it did
 * @wait: woken when anything has changed
 */
struct worker {
	struct late late;
	bool look;
	atomic64_t asked;
	u64 ended;
	wait_queue_head_t wait;
};

int worker_init(struct volume *vol);
void worker_exit(struct volume *vol);

/**
 * worker_copy() - Preserve what these sectors hold, as before a write.
 * @stop: ends the wait with -%EAGAIN when it becomes true; may be NULL
 * @timeout: jiffies
 *
 * Context: Process context, snapshot mode is not left meanwhile.
 * Return: 0, -%EINTR, -%EAGAIN, -%ETIMEDOUT or -%ENOMEM; the worker goes on with it then.
 */
int worker_copy(struct volume *vol, sector_t sector, sector_t nr_sectors, const bool *stop,
		long timeout);

/**
 * worker_flush() - Wait until every write deferred so far has gone, whatever comes. Context:
 * Process context. Who can turn back uses worker_drain_deferred().
 */
void worker_flush(struct volume *vol);

/**
 * worker_drain_deferred() - Wait, killably, until every write that is deferred now has gone,
 * whatever comes after them.
 */
int worker_drain_deferred(struct volume *vol, long timeout);

/**
 * worker_make_clean() - See to it that the COW file has a checkpoint.
 * @timeout: how long to wait for it, jiffies; it may be written later all the same
 *
 * Context: minor_lock(). May sleep.
 * Return: 0; -%EBUSY if the origin is being written to; -%ENOSPC if the file has no room;
 * -%ETIMEDOUT; -%EINTR if the caller was killed; -errno. All but -%EBUSY and -%ETIMEDOUT are
 * logged.
 */
int worker_make_clean(struct volume *vol, long timeout);

/**
 * worker_clear_clean() - Remove a clean checkpoint, and the wish for one, before the device or its
 * file is changed.
 * @end_live: the same for a live one
 *
 * Context: minor_lock(). May sleep.
 * Return: 0; -%EINTR if the caller was killed; the error of a failed device.
 */
int worker_clear_clean(struct volume *vol, bool end_live);

/**
 * worker_pause_live() - Give up a live checkpoint that is being made, and make none until
 * worker_resume_live(). One that is in force stays.
 *
 * Context, errors: as worker_clear_clean().
 */
int worker_pause_live(struct volume *vol);
void worker_resume_live(struct volume *vol);

/**
 * worker_end_live() - Remove a live checkpoint, and give up one that is being made.
 * @timeout: jiffies
 *
 * Context, errors: as worker_clear_clean(); -%ETIMEDOUT.
 */
int worker_end_live(struct volume *vol, long timeout);

/**
 * worker_close_former() - The file of the snapshot before is closed: the header says so, or there
 * is no live checkpoint.
 *
 * Context, errors: as worker_clear_clean().
 */
int worker_close_former(struct volume *vol);

/** worker_open_shutter() - It is again: have that proved, if it is not. Context: minor_lock(). */
void worker_open_shutter(struct volume *vol);

#endif
