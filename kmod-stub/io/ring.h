/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies in memory, from the read of the old data until they are on disk (io/ring.c). */
#ifndef DATTOBD_IO_RING_H
#define DATTOBD_IO_RING_H

#include <linux/bio.h>
#include "cow/file.h"
#include "cow/raw.h"

#define RING_SLOTS 2048 /* blocks: 8 MiB a snapshot */

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

/** ring_head() - The position that the next copy gets. */
u64 ring_head(struct ring *ring);

/**
 * ring_free() - How many slots are free.
 * @wanted: with fewer, the worker is woken when there are more
 *
 * Context: the worker.
 */
unsigned int ring_free(struct ring *ring, unsigned int wanted);

/** ring_take() - Take @count slots, so many of which are free. Context: the worker. */
void ring_take(struct ring *ring, u16 *slots, unsigned int count);

/** ring_put() - Give slots back that were not published. Context: the worker. */
void ring_put(struct ring *ring, const u16 *slots, unsigned int count);

/** ring_memory() - The memory of a slot. */
void *ring_memory(struct ring *ring, unsigned int slot);

/** ring_add_slot() - Add a part of a slot to a bio made for it. In bytes. */
void ring_add_slot(struct ring *ring, struct bio *bio, unsigned int slot, unsigned int offset,
		   unsigned int bytes);

/**
 * ring_publish() - The next positions have the copies in these slots. Context: core_lock held, the
 * worker.
 */
void ring_publish(struct ring *ring, const u16 *slots, unsigned int count);

/**
 * ring_flush() - Start writing what was published to the COW file, unless enough is on its way: the
 * worker is woken then once something of that has ended. Does not wait. Context: the worker.
 */
void ring_flush(struct ring *ring);

/** ring_hold() - While it is held, ring_flush() starts nothing. Wake the worker after that. */
void ring_hold(struct ring *ring, bool hold);

/** ring_flush_all() - Write all that was published, and wait for it. Context: the worker. */
void ring_flush_all(struct ring *ring);

/**
 * ring_skip() - The next copy gets @position, which may be further on. Nothing is in the ring.
 *
 * Context: the worker, core_lock.
 */
void ring_skip(struct ring *ring, u64 position);

/** ring_is_empty() - Is all that was published on disk? Context: the worker. */
bool ring_is_empty(struct ring *ring);

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
