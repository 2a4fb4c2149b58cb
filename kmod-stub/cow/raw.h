/* SPDX-License-Identifier: GPL-2.0-only */
/* Raw I/O to the COW file, and the count of raw writes that are in flight. */
#ifndef DATTOBD_COW_RAW_H
#define DATTOBD_COW_RAW_H

#include <linux/blkdev.h>
#include <linux/wait.h>
#include "core/core.h"

struct cow_file;

/**
 * struct cow_writes - Raw writes to the COW file in flight.
 * @core: of the device; a failed one begins no write
 */
struct cow_writes {
	struct core *core;
	atomic_t nr;
	wait_queue_head_t wait;
};

void cow_writes_init(struct cow_writes *writes, struct core *core);

/**
 * cow_writes_begin() - May the COW file be written raw? If so, nobody else's write to its blocks is
 * let go before the matching cow_writes_end().
 *
 * Return: false on a failed device: its COW file's blocks may belong to somebody else.
 */
bool cow_writes_begin(struct cow_writes *writes);
void cow_writes_end(struct cow_writes *writes);

/** cow_writes_more() - Another one, within one that has begun. Ended by cow_writes_end(). */
void cow_writes_more(struct cow_writes *writes);

static inline bool cow_writes_any(const struct cow_writes *writes)
{
	return atomic_read(&writes->nr);
}

/** cow_writes_wait() - Wait until no raw write to the COW file is in flight. */
void cow_writes_wait(struct cow_writes *writes);

/** cow_writes_drain() - The same, killable. See killable.h. */
int cow_writes_drain(struct cow_writes *writes, long timeout);

/**
 * cow_file_raw() - Read or write a piece of the file through its extents and wait for it.
 * @op: REQ_OP_READ or REQ_OP_WRITE, with flags if wanted
 * @offset, @bytes: multiples of COW_BLOCK_SIZE
 * @data: a vmalloc or kmalloc address, page aligned
 *
 * Context: Process context, may sleep, does not enter the filesystem (GFP_NOIO).
 */
int cow_file_raw(struct cow_file *cow, blk_opf_t op, u64 offset, void *data, size_t bytes);

/** cow_file_flush() - Make what was written raw durable. Context: as cow_file_raw(). */
int cow_file_flush(struct cow_file *cow);

#endif
