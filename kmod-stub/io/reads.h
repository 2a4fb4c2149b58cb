/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads of the frozen view that are in flight (io/reads.c). */
#ifndef DATTOBD_IO_READS_H
#define DATTOBD_IO_READS_H

#include <linux/bio.h>
#include <linux/list.h>
#include <linux/rbtree.h>

struct snapshot;

/* One read of the snapshot, from before it is planned until its last piece has ended. */
struct snapshot_read {
	struct rb_node rb;
	sector_t start, last, subtree_last;
	u64 number; /* in the order of registration */
	struct snapshot *snap;
	struct bio *bio;
	unsigned long begun; /* for the statistics of the disk, which iostat shows */
	sector_t done; /* sectors served or submitted */
	struct list_head queued;
	atomic_t pending; /* clones, + 1 while they are being submitted */
	blk_status_t status;
};

/** read_begin() - Register a read, before it is planned. Context: May sleep. Return: never NULL. */
struct snapshot_read *read_begin(struct snapshot *snap, struct bio *bio);

/** read_put() - One piece of the read has ended; the last one ends its bio. Context: Any. */
void read_put(struct snapshot_read *read);

/**
 * snapshot_reads_divide() - Reads that begin from now on know what was committed so far. Context:
 * core_lock.
 */
void snapshot_reads_divide(struct snapshot *snap);

/**
 * snapshot_reads_overlap() - Is a read below @number in flight that touches these sectors? One that
 * began after their commit does not read them from the origin.
 *
 * Context: Any.
 */
bool snapshot_reads_overlap(struct snapshot *snap, sector_t sector, sector_t nr_sectors,
			    u64 number);

/** snapshot_reads_begun() - Number of the next read. Context: Any. */
u64 snapshot_reads_begun(struct snapshot *snap);

/**
 * snapshot_wait_reads() - Sleep until none is, or for a moment: a failure of the device does not
 * wake.
 */
void snapshot_wait_reads(struct snapshot *snap, sector_t sector, sector_t nr_sectors, u64 number);

/** snapshot_older_reads() - Is a read below this number in flight? Context: Process context. */
bool snapshot_older_reads(struct snapshot *snap, u64 number);

/**
 * snapshot_drain_reads() - Wait until all reads below @number have ended.
 * @stop: ends the wait with -%EAGAIN when it becomes true; may be NULL
 *
 * Return: 0, -%EINTR or -%EAGAIN.
 */
int snapshot_drain_reads(struct snapshot *snap, u64 number, const bool *stop);

#endif
