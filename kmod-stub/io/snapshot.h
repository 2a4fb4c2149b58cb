/* SPDX-License-Identifier: GPL-2.0-only */
/* The frozen view, shared by its disk (io/snapshot.c) and its reads (io/snapshot_read.c). */
#ifndef DATTOBD_IO_SNAPSHOT_H
#define DATTOBD_IO_SNAPSHOT_H

#include <linux/mempool.h>
#include <linux/blkdev.h>
#include "core/core.h"

struct copies;
struct cow_file;
struct ring;
struct volume;

#define SNAPSHOT_READS_MIN 16 /* reads that proceed whatever memory there is */

struct snapshot {
	struct volume *vol;
	struct cow_file *cow;
	struct ring *ring;
	struct copies *copies;
	struct gendisk *disk;
	bool published;

	spinlock_t lock; /* openers, closing, queue */
	unsigned int openers;
	bool closing;
	struct list_head queue; /* reads that wait for an index section */
	struct work_struct work;
	struct workqueue_struct *wq;

	compat_lock_t reads_lock; /* reads, next_read; taken inside core_lock */
	struct rb_root_cached reads; /* in flight, by sector */
	u64 next_read; /* number of the next */
	u64 divide; /* reads from this number on began after the last commit; under core_lock */
	bool wakes; /* a read that ends wakes the worker */
	wait_queue_head_t reads_wait; /* its lock: nr_reads */
	unsigned int nr_reads;
	mempool_t read_pool;
	struct bio_set clones;
};

struct snapshot *snapshot_create(struct volume *vol, struct cow_file *cow, u64 first_position);
int snapshot_publish(struct snapshot *snap); /* /dev/dattoN appears */

/** snapshot_close() - Refuse further opens. Return: -%EBUSY if it is open. */
int snapshot_close(struct snapshot *snap);
void snapshot_reopen(struct snapshot *snap); /* undo snapshot_close() */
void snapshot_destroy(struct snapshot *snap); /* after snapshot_close(); waits for all its I/O */

int snapshots_init(void); /* the major number */
void snapshots_exit(void);

#endif
