/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies in memory, from the read of the old data until they are on disk (io/ring.c). */
#ifndef DATTOBD_IO_RING_H
#define DATTOBD_IO_RING_H

#include <linux/bio.h>
#include "cow/file.h"
#include "cow/raw.h"

#define RING_BLOCKS 1024 /* 4 MiB a snapshot */

struct ring;

/**
 * ring_create() - A ring for the copies of a snapshot.
 * @bios: a reserve of their own for its writes, since the common one may be in the hands of writes
 * that are deferred
 *
 * Return: NULL without memory.
 */
struct ring *ring_create(struct cow_writes *writes, struct cow_file *cow,
			 struct block_device *origin, struct bio_set *bios, u64 first_position);
void ring_destroy(struct ring *ring); /* after ring_drain() */

/** ring_block() - The memory for @position, which lies in [head, head + free). */
void *ring_block(struct ring *ring, u64 position);
u64 ring_head(struct ring *ring);

/** ring_add_block() - Add a part of the block for @position to a bio made for it. In bytes. */
void ring_add_block(struct ring *ring, struct bio *bio, u64 position, unsigned int offset,
		    unsigned int bytes);

/**
 * ring_wait_free() - Sleep until at least one block is free.
 *
 * Return: how many are. Context: the worker.
 */
unsigned int ring_wait_free(struct ring *ring);

/**
 * ring_publish() - Positions [head, head + count) hold copies from now on. Context: core_lock
 * held.
 */
void ring_publish(struct ring *ring, unsigned int count);

/**
 * ring_flush() - Start writing what was published to the COW file. Context: the worker.
 */
void ring_flush(struct ring *ring);

/** ring_drain() - Wait until all writes that were started have ended. */
void ring_drain(struct ring *ring);

/**
 * ring_read() - Copy a piece of a block that is still in memory.
 * @position: of the block
 * @offset: of the piece in the block, bytes
 * @to, @iter: where it goes; @iter's size is the length, within the block
 *
 * Return: 0 if it was copied; else it is on disk, as are this many positions from it on; -%EIO if
 * no copy has that position.
 */
s64 ring_read(struct ring *ring, u64 position, unsigned int offset, struct bio *to,
	      struct bvec_iter iter);

#endif
