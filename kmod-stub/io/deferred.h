/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Deferred writes, from when they are deferred until they have gone. What makes a transaction
 * durable is urgent, as is a short write that somebody waits for (REQ_SYNC); the rest is in the
 * background, a large file's fsync() too.
 */
#ifndef DATTOBD_IO_DEFERRED_H
#define DATTOBD_IO_DEFERRED_H

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/sizes.h>
#include "core/core.h"

#define WRITES_MAX 256 /* that the worker has in hand */
#define SPARE_WRITES 64 /* of them, for urgent ones */
#define URGENT_JOBS 4 /* before one for the background */
#define URGENT_SECTORS (SZ_64K / SECTOR_SIZE) /* a longer write that somebody waits for is not */
#define BACKGROUND_MAX (16 * MIB) /* from here on who may wait does, until a quarter has gone */
#define URGENT_MAX 128 /* writes that fsync() and the like made urgent: the same */

/**
 * struct copy_request - Copies that somebody waits for who has no write; or did, and gave up.
 * @users: who waits, and the worker
 * @stamp: see deferred_barrier()
 */
struct copy_request {
	struct list_head list;
	refcount_t users;
	sector_t sector, nr_sectors;
	u64 stamp;
	struct completion done;
};

/**
 * struct write - A deferred write that the worker has in hand, or a request for copies alone.
 * @bio: NULL for a request
 * @request: NULL for a write
 * @next, @end: sectors of the origin that are not planned yet; both 0 as it comes
 * @nr_jobs: copies that it waits for
 * @older: once its copies are made: the number of the first snapshot read that knows of them
 * @stamp: see deferred_barrier()
 * @urgent: its turn is
 * @crowd, @counts: it counts for so much in that one of &deferred.crowds
 */
struct write {
	struct list_head list;
	struct bio *bio;
	struct copy_request *request;
	sector_t next, end;
	unsigned int nr_jobs;
	bool urgent;
	u64 older;
	u64 stamp;
	bool crowd;
	unsigned int counts;
};

/**
 * struct crowd - Deferred writes whose submitters may have to wait.
 * @nr: until they have gone, in sectors if they are in the background
 * @most: of them
 * @full: they are too many, and who may wait does
 */
struct crowd {
	u64 nr, most;
	bool full;
};

/**
 * struct deferred - All of a device.
 * @core: of the device
 * @urgent, @background: deferred; under core_lock, as are the next ones
 * @barred: those that a barrier waits for: they go first
 * @requests: for copies
 * @barrier: barriers so far
 * @nr_deferred, @nr_gone: writes that were ever deferred, and that went
 * @crowds: by whether they are urgent
 * @passed: barriers that everything before has passed; the worker's, as is what follows
 * @pool, @free: of struct write
 * @to_plan: in hand, not planned to their end; by whether they are urgent
 * @held: the same, until a job has ended
 * @ready: whose copies are made, or that need none
 * @blocked: of these, those that wait for older reads of the snapshot
 * @nr_active: in hand
 * @nr_requests: requests, in hand or not
 * @urgent_at: when the last urgent one was taken in hand, jiffies
 * @nr_urgent: jobs for urgent ones since the last for others
 */
struct deferred {
	struct core *core;
	struct bio_list urgent, background, barred;
	struct list_head requests;
	u64 barrier;
	u64 nr_deferred, nr_gone;
	struct crowd crowds[2];
	u64 passed;
	struct write *pool;
	struct list_head free;
	struct list_head to_plan[2];
	struct list_head held, ready, blocked;
	unsigned int nr_active, nr_requests, nr_urgent;
	unsigned long urgent_at;
};

/** copy_request_init() - One that has two users. */
void copy_request_init(struct copy_request *request, sector_t sector, sector_t nr_sectors);
void copy_request_put(struct copy_request *request);

int deferred_init(struct deferred *deferred, struct core *core);
void deferred_exit(struct deferred *deferred);

bool deferred_is_urgent(const struct bio *bio);

/** deferred_add() - Context: core_lock. Return: is it one too many, and its submitter to wait? */
bool deferred_add(struct deferred *deferred, struct bio *bio);

/** deferred_request() - Context: core_lock. */
void deferred_request(struct deferred *deferred, struct copy_request *request);

/**
 * deferred_to_plan() - May deferred_next() return a write? Not while there is a request: who made
 * it may be who the writes are to wait for.
 *
 * Context: the worker.
 */
bool deferred_to_plan(const struct deferred *deferred, bool more);

/** deferred_waiting() - Is anything deferred or in hand? Context: the worker, core_lock. */
bool deferred_waiting(const struct deferred *deferred);

/**
 * deferred_next() - The next one that is to be planned, urgent or not.
 * @more: not only of those in hand, and requests
 *
 * Context: the worker. Return: NULL if there is none, or too many are in hand.
 */
struct write *deferred_next(struct deferred *deferred, bool urgent, bool more);

/** deferred_put() - It has gone. Context: the worker. */
void deferred_put(struct deferred *deferred, struct write *write);

/**
 * deferred_barrier() - From here on everything that is deferred now goes first.
 *
 * Context: core_lock. Return: the value of @passed from which on all of it has gone.
 */
u64 deferred_barrier(struct deferred *deferred);

/** deferred_pass() - Look which barriers are passed. Context: the worker. */
void deferred_pass(struct deferred *deferred);

/** struct gone - How many writes and requests went. @counts: their sums, by urgency */
struct gone {
	unsigned int nr_writes, nr_requests;
	u64 counts[2];
};

/** deferred_gone() - Context: the worker. */
void deferred_gone(struct deferred *deferred, const struct gone *gone);

#endif
