/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Killable waits: for a disk's answer, or the end of somebody else's read, either of which may
 * never come. Each returns 0, -%EINTR if the caller was killed, or -%ETIMEDOUT; the caller then
 * leaves everything as it is.
 */
#ifndef DATTOBD_KILLABLE_H
#define DATTOBD_KILLABLE_H

#include <linux/sched.h>
#include <linux/types.h>
#include <linux/workqueue.h>

/** request_is_current() - Does a request's thread run, or a process? Else it is a worker. */
static inline bool request_is_current(void)
{
	return !(current->flags & PF_WQ_WORKER);
}

/**
 * request_ignore_kill() - From here on this request goes on to its end, be it done or undone,
 * whoever is killed: things would stay by halves. Context: A request's thread; without effect in a
 * worker.
 */
void request_ignore_kill(void);

/** wait_result() - Errno of a killable wait with a timeout. @left: what it returned */
int wait_result(long left);

/** work_wait() - Wait until @work neither runs nor is queued. */
int work_wait(struct work_struct *work, long timeout);

#endif
