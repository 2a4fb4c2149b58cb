/* SPDX-License-Identifier: GPL-2.0-only */
/* The frozen view, shared by its disk (io/snapshot.c) and its reads (io/snapshot_read.c). */
#ifndef DATTOBD_IO_SNAPSHOT_H
#define DATTOBD_IO_SNAPSHOT_H

#include <linux/mempool.h>
#include "dattobd.h"

#define SNAPSHOT_READS_MIN 16 /* reads that proceed whatever memory there is */

struct snapshot {
	struct dattobd_device *dev;
	struct cow_file *cow;
	struct ring *ring;
	struct gendisk *disk;
	bool published;

	spinlock_t lock; /* openers, closing, queue */
	unsigned int openers;
	bool closing;
	struct list_head queue; /* reads that wait for an index section */
	struct work_struct work;
	struct workqueue_struct *wq;

	compat_lock_t reads_lock; /* reads, next_read, divide; taken inside core_lock */
	struct rb_root_cached reads; /* in flight, by sector */
	u64 next_read; /* number of the next */
	u64 divide; /* reads from this number on began after the last commit */
	wait_queue_head_t reads_wait; /* its lock: nr_reads */
	unsigned int nr_reads;
	mempool_t read_pool;
	struct bio_set clones;
};

/* io/snapshot_read.c */
int snapshot_reads_init(struct snapshot *snap);
void snapshot_reads_exit(struct snapshot *snap); /* waits for all reads */
void snapshot_read(struct snapshot *snap, struct bio *bio);

#endif
