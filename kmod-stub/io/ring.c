// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring of copies in memory. Positions of a COW file are given out in ascending order, so the
 * copies that are not on disk yet are always the window [tail, head), and a position is kept in
 * block position % RING_BLOCKS. A page holds one block or more.
 *
 *   on disk | tail: being written | flushed: published | head: free, up to tail + RING_BLOCKS
 *
 * Appends are started in order but may end in any; the tail moves over a prefix of ended ones.
 */
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include "bio.h"
#include "core/core.h"
#include "cow/map.h"
#include "cow/raw.h"
#include "io/ring.h"

#define RING_APPENDS 32
#define RING_PAGES (RING_BLOCKS * COW_BLOCK_SIZE / PAGE_SIZE)
#define RING_CHUNK (SZ_64K / PAGE_SIZE) /* pages allocated at once */

static_assert(PAGE_SIZE >= COW_BLOCK_SIZE && PAGE_SIZE <= SZ_64K);

struct append {
	struct own_bio own;
	struct ring *ring;
	u64 end; /* first position after it */
	atomic_t pending; /* bios, + 1 while they are being submitted */
	bool ended;
};

struct ring {
	struct core *core;
	struct cow_writes *writes;
	struct cow_file *cow;
	struct block_device *origin;
	struct bio_set *bios;
	struct page *pages[RING_PAGES];
	u64 head, flushed; /* the worker's; head changes under core_lock */
	spinlock_t lock; /* tail, appends */
	u64 tail;
	struct append appends[RING_APPENDS];
	unsigned int first, count;
	wait_queue_head_t wait;
};

void *ring_block(struct ring *ring, u64 position)
{
	unsigned int offset = position % RING_BLOCKS * COW_BLOCK_SIZE;

	return page_address(ring->pages[offset / PAGE_SIZE]) + offset_in_page(offset);
}

void ring_add_block(struct ring *ring, struct bio *bio, u64 position, unsigned int offset,
		    unsigned int bytes)
{
	void *data = ring_block(ring, position) + offset;

	/* Never short: the bio has a vector for each block, and those that adjoin share one. */
	WARN_ON_ONCE(bio_add_page(bio, virt_to_page(data), bytes, offset_in_page(data)) != bytes);
}

u64 ring_head(struct ring *ring)
{
	return ring->head;
}

static unsigned int ring_free(struct ring *ring)
{
	return RING_BLOCKS - (ring->head - READ_ONCE(ring->tail));
}

unsigned int ring_wait_free(struct ring *ring)
{
	if (!ring_free(ring)) {
		ring_flush(ring);
		wait_event(ring->wait, ring_free(ring));
	}
	return ring_free(ring);
}

void ring_publish(struct ring *ring, unsigned int count)
{
	WRITE_ONCE(ring->head, ring->head + count);
}

static void append_put(struct append *append)
{
	struct ring *ring = append->ring;
	unsigned long flags;

	if (!atomic_dec_and_test(&append->pending))
		return;
	/*
	 * The wake-up is inside, so that ring_drain() does not return (and the ring go) before
	 * it.
	 */
	spin_lock_irqsave(&ring->lock, flags);
	append->ended = true;
	while (ring->count && ring->appends[ring->first].ended) {
		WRITE_ONCE(ring->tail, ring->appends[ring->first].end);
		ring->first = (ring->first + 1) % RING_APPENDS;
		WRITE_ONCE(ring->count, ring->count - 1);
	}
	wake_up_all(&ring->wait);
	spin_unlock_irqrestore(&ring->lock, flags);
}

static void append_end(struct bio *bio)
{
	struct append *append = container_of(bio->bi_private, struct append, own);
	struct cow_writes *writes = append->ring->writes;

	/* Before the tail moves: from then on readers look for the copy on disk. */
	if (bio->bi_status)
		core_fail(writes->core, blk_status_to_errno(bio->bi_status),
			  "the COW file could not be written");
	bio_put(bio);
	append_put(append);
	cow_writes_end(writes);
}

static struct append *append_begin(struct ring *ring)
{
	struct append *append;

	wait_event(ring->wait, READ_ONCE(ring->count) < RING_APPENDS);
	spin_lock_irq(&ring->lock);
	append = &ring->appends[(ring->first + ring->count) % RING_APPENDS];
	append->own.end = append_end;
	append->ring = ring;
	append->end = ring->head;
	append->ended = false;
	atomic_set(&append->pending, 1);
	WRITE_ONCE(ring->count, ring->count + 1);
	spin_unlock_irq(&ring->lock);
	return append;
}

/* Write the sectors of the file from @offset on, as far as one bio reaches. Return: how many. */
static unsigned int append_bio(struct append *append, u64 offset, u64 sector, u64 count)
{
	struct ring *ring = append->ring;
	unsigned int within = offset % COW_BLOCK_SECTORS, added = 0;
	unsigned int nr_sectors = min_t(u64, count, BIO_MAX_VECS * COW_BLOCK_SECTORS - within);
	struct bio *bio =
		compat_bio_alloc(ring->origin, DIV_ROUND_UP(within + nr_sectors, COW_BLOCK_SECTORS),
				 REQ_OP_WRITE, GFP_NOIO, ring->bios);

	bio->bi_iter.bi_sector = sector;
	bio_set_own(bio, &append->own, false);
	while (added < nr_sectors) {
		unsigned int piece = min(nr_sectors - added, COW_BLOCK_SECTORS - within);

		ring_add_block(ring, bio, (offset + added) / COW_BLOCK_SECTORS,
			       within * SECTOR_SIZE, piece * SECTOR_SIZE);
		added += piece;
		within = 0;
	}
	atomic_inc(&append->pending);
	cow_writes_more(ring->writes);
	bio_submit_own(bio);
	return nr_sectors;
}

void ring_flush(struct ring *ring)
{
	struct append *append;
	struct blk_plug plug;
	u64 offset, end;

	if (ring->flushed == ring->head)
		return;
	append = append_begin(ring);
	if (!cow_writes_begin(ring->writes)) {
		ring->flushed = append->end; /* snapshot reads fail anyway */
		append_put(append);
		return;
	}
	blk_start_plug(&plug);
	offset = ring->flushed * COW_BLOCK_SECTORS;
	end = append->end * COW_BLOCK_SECTORS;
	while (offset < end) {
		u64 sector, count = cow_file_map(ring->cow, offset, &sector);

		if (!count) {
			core_fail(ring->core, -EFBIG, "COW file full");
			break;
		}
		offset += append_bio(append, offset, sector, min(count, end - offset));
	}
	ring->flushed = append->end;
	blk_finish_plug(&plug);
	cow_writes_end(ring->writes);
	append_put(append);
}

void ring_drain(struct ring *ring)
{
	wait_event(ring->wait, !READ_ONCE(ring->count));
	/* The last append_put() has left the lock. */
	spin_lock_irq(&ring->lock);
	spin_unlock_irq(&ring->lock);
}

s64 ring_read(struct ring *ring, u64 position, unsigned int offset, struct bio *to,
	      struct bvec_iter iter)
{
	const char *from = ring_block(ring, position) + offset;
	struct bvec_iter at;
	unsigned long flags;
	struct bio_vec bvec;
	s64 on_disk = 0;

	/* It grows, and whoever knows of a position has seen it grow beyond. */
	if (position >= READ_ONCE(ring->head))
		return -EIO;
	spin_lock_irqsave(&ring->lock, flags);
	if (position < ring->tail) {
		on_disk = ring->tail - position;
	} else {
		__bio_for_each_segment(bvec, to, at, iter) {
			memcpy_to_bvec(&bvec, from);
			from += bvec.bv_len;
		}
	}
	spin_unlock_irqrestore(&ring->lock, flags);
	return on_disk;
}

/*
 * Pages that lie one behind the other make one segment of a bio; where memory has no room for that,
 * single ones will do.
 */
static int alloc_chunk(struct page **pages)
{
	struct page *chunk =
		alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY, ilog2(RING_CHUNK));
	unsigned int i;

	if (chunk)
		split_page(chunk, ilog2(RING_CHUNK));
	for (i = 0; i < RING_CHUNK; i++) {
		pages[i] = chunk ? chunk + i : alloc_page(GFP_KERNEL);
		if (!pages[i])
			return -ENOMEM;
	}
	return 0;
}

struct ring *ring_create(struct cow_writes *writes, struct cow_file *cow,
			 struct block_device *origin, struct bio_set *bios, u64 first_position)
{
	struct ring *ring = kvzalloc(sizeof(*ring), GFP_KERNEL);
	unsigned int i;

	if (!ring)
		return NULL;
	ring->core = writes->core;
	ring->writes = writes;
	ring->cow = cow;
	ring->origin = origin;
	ring->bios = bios;
	ring->head = first_position;
	ring->flushed = first_position;
	ring->tail = first_position;
	spin_lock_init(&ring->lock);
	init_waitqueue_head(&ring->wait);
	for (i = 0; i < RING_PAGES; i += RING_CHUNK) {
		if (alloc_chunk(&ring->pages[i])) {
			ring_destroy(ring);
			return NULL;
		}
	}
	return ring;
}

void ring_destroy(struct ring *ring)
{
	unsigned int i;

	if (!ring)
		return;
	for (i = 0; i < RING_PAGES; i++) {
		if (ring->pages[i])
			__free_page(ring->pages[i]);
	}
	kvfree(ring);
}
