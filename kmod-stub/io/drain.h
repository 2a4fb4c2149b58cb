/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waits for what may never come: the answer of a disk, the end of somebody else's read. Each ends
 * at a signal that kills, or in time, and returns 0, -%EINTR or -%ETIMEDOUT; whoever gets an error
 * leaves the device as it is. A growth is told to end besides, with -%EAGAIN.
 */
#ifndef DATTOBD_IO_DRAIN_H
#define DATTOBD_IO_DRAIN_H

#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct dattobd_device;

/**
 * struct drain - How far a device's worker is.
 * @asked, @ended: calls of drain_worker() so far, and how many of them the worker has served
 * @held, @gone: writes that were ever held, and let go; @held under core_lock
 */
struct drain {
	atomic64_t asked;
	u64 ended;
	u64 held, gone;
	wait_queue_head_t wait;
};

void drain_init(struct drain *drain);

/** drain_begin(), drain_end() - The worker begins a run, and ends it. */
u64 drain_begin(struct drain *drain);
void drain_end(struct drain *drain, u64 asked);
void drain_gone(struct drain *drain, unsigned int count); /* so many held writes */

/**
 * drain_worker() - Wait until the worker has done all that it was to do. Under a stream of writes
 * that are held that may last.
 */
int drain_worker(struct dattobd_device *dev, long timeout);

/**
 * drain_held() - Wait until every write that is held now has gone, whatever comes after them.
 */
int drain_held(struct dattobd_device *dev, long timeout);

/** drain_cow_writes() - Wait until no raw write to the COW file is in flight. */
int drain_cow_writes(struct dattobd_device *dev, long timeout);

/** drain_reads() - Wait until all reads of the snapshot below @number have ended. */
int drain_reads(struct dattobd_device *dev, u64 number);

/** drain_work() - Wait until @work neither runs nor is queued. */
int drain_work(struct work_struct *work, long timeout);

/**
 * drain_device() - Wait until nothing of a failed device is on its way: no growth, no write, no
 * copy, no read.
 */
int drain_device(struct dattobd_device *dev);

#endif
