/* SPDX-License-Identifier: GPL-2.0-only */
/* A copy job: some blocks whose old content is read from the origin into slots of the ring. */
#ifndef DATTOBD_IO_JOB_H
#define DATTOBD_IO_JOB_H

#include <linux/blk_types.h>
#include <linux/list.h>
#include "layout.h"

struct snapshot;
struct write;

#define JOB_BLOCKS 256 /* copied by one job */
#define JOB_WRITES 64 /* that one job is for */
#define NR_JOBS 32

/**
 * struct job
 * @pending: reads, and one for who submits them
 * @runs: what is read; the slots of their blocks are in @slots, one after the other
 * @first, @last: its first and its last block
 * @urgent: an urgent write waits for it; the worker's
 */
struct job {
	struct list_head list, ended;
	struct copies *copies;
	atomic_t pending;
	blk_status_t status;
	bool urgent;
	unsigned int nr_runs, nr_blocks, nr_writes;
	u64 first, last;
	struct write *writes[JOB_WRITES];
	struct core_run runs[CORE_PLAN_RUNS_MAX];
	u16 slots[JOB_BLOCKS];
};

/**
 * struct copies - The jobs of a snapshot.
 * @free, @under_way: the worker's
 * @lock: guards @ended, of those under way those that have read
 * @ranges: the worker's
 */
struct copies {
	struct snapshot *snap;
	struct list_head free, under_way;
	unsigned int nr_free;
	spinlock_t lock; /* ended */
	struct list_head ended;
	struct core_range ranges[JOB_WRITES];
	struct job jobs[NR_JOBS];
};

/** job_read() - Begin to read. When all is read the job is in @ended, and the worker is woken. */
void job_read(struct job *job);

/**
 * job_zero_odd() - What is the COW file's of blocks that it shares reads as zeros, however it is
 * read.
 * @block, @count: what was read into @slots
 */
void job_zero_odd(struct snapshot *snap, u64 block, unsigned int count, const u16 *slots);

#endif
