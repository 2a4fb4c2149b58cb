// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring of copies in memory. Old content is read into slots, of one block each; once it is
 * committed it has a position in the COW file. Positions are given out in ascending order, so the
 * copies that are not on disk yet are always the window [tail, head). A page holds a slot or more.
 *
 *   on disk | tail: being written | flushed: published | head
 *
 * Appends are started in order but may end in any; the tail moves over a prefix of ended ones, and
 * frees their slots. While all appends are in use copies gather, and share the next one.
 */
#include <linux/bitmap.h>
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

#define RING_APPENDS 4
#define RING_PAGES (RING_SLOTS * COW_BLOCK_SIZE / PAGE_SIZE)
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
	u16 slot_of[RING_SLOTS]; /* by position % RING_SLOTS, of those in the window */
	u64 head, flushed; /* the worker's; head changes under core_lock */
	bool held;
	unsigned int cursor; /* the worker's: where it looks for the next free slot */
	spinlock_t lock; /* tail, appends, used, nr_free, waited_for */
	u64 tail;
	struct append appends[RING_APPENDS];
	unsigned int first, count;
	DECLARE_BITMAP(used, RING_SLOTS);
	unsigned int nr_free;
	bool waited_for; /* the worker wants slots */
	wait_queue_head_t wait;
};

void *ring_memory(struct ring *ring, unsigned int slot)
{
	unsigned int offset = slot * COW_BLOCK_SIZE;

	return page_address(ring->pages[offset / PAGE_SIZE]) + offset_in_page(offset);
}

static unsigned int slot_of(const struct ring *ring, u64 position)
{
	return ring->slot_of[position % RING_SLOTS];
}

void ring_add_slot(struct ring *ring, struct bio *bio, unsigned int slot, unsigned int offset,
		   unsigned int bytes)
{
	void *data = ring_memory(ring, slot) + offset;

	/* Never short: the bio has a vector for each block, and those that adjoin share one. */
	WARN_ON_ONCE(bio_add_page(bio, virt_to_page(data), bytes, offset_in_page(data)) != bytes);
}

u64 ring_head(struct ring *ring)
{
	return ring->head;
}

unsigned int ring_free(struct ring *ring, unsigned int wanted)
{
	unsigned int nr;

	spin_lock_irq(&ring->lock);
	nr = ring->nr_free;
	ring->waited_for |= nr < wanted;
	spin_unlock_irq(&ring->lock);
	return nr;
}

void ring_take(struct ring *ring, u16 *slots, unsigned int count)
{
	unsigned int slot = ring->cursor, i;

	spin_lock_irq(&ring->lock);
	for (i = 0; i < count; i++) {
		slot = find_next_zero_bit(ring->used, RING_SLOTS, slot);
		if (slot == RING_SLOTS)
			slot = find_first_zero_bit(ring->used, RING_SLOTS);
		__set_bit(slot, ring->used);
		slots[i] = slot++;
	}
	ring->nr_free -= count;
	spin_unlock_irq(&ring->lock);
	ring->cursor = slot;
}

void ring_put(struct ring *ring, const u16 *slots, unsigned int count)
{
	unsigned int i;

	spin_lock_irq(&ring->lock);
	for (i = 0; i < count; i++)
		__clear_bit(slots[i], ring->used);
	ring->nr_free += count;
	spin_unlock_irq(&ring->lock);
}

void ring_publish(struct ring *ring, const u16 *slots, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		ring->slot_of[(ring->head + i) % RING_SLOTS] = slots[i];
	WRITE_ONCE(ring->head, ring->head + count);
}

/* Context: ring->lock. */
static void move_tail(struct ring *ring, u64 end)
{
	u64 position;

	for (position = ring->tail; position < end; position++)
		__clear_bit(slot_of(ring, position), ring->used);
	ring->nr_free += end - ring->tail;
	WRITE_ONCE(ring->tail, end);
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
		move_tail(ring, ring->appends[ring->first].end);
		ring->first = (ring->first + 1) % RING_APPENDS;
		WRITE_ONCE(ring->count, ring->count - 1);
	}
	if (ring->waited_for || READ_ONCE(ring->flushed) != READ_ONCE(ring->head))
		queue_work(ring->core->wq, &ring->core->work);
	ring->waited_for = false;
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

/* Return: NULL if all are in use; the first that ends wakes the worker. */
static struct append *append_begin(struct ring *ring)
{
	struct append *append = NULL;

	spin_lock_irq(&ring->lock);
	if (ring->count < RING_APPENDS) {
		append = &ring->appends[(ring->first + ring->count) % RING_APPENDS];
		append->own.end = append_end;
		append->ring = ring;
		append->end = ring->head;
		append->ended = false;
		atomic_set(&append->pending, 1);
		WRITE_ONCE(ring->count, ring->count + 1);
	}
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
				 REQ_OP_WRITE | REQ_SYNC | REQ_IDLE, GFP_NOIO, ring->bios);

	bio->bi_iter.bi_sector = sector;
	bio_set_own(bio, &append->own, false);
	while (added < nr_sectors) {
		unsigned int piece = min(nr_sectors - added, COW_BLOCK_SECTORS - within);

		ring_add_slot(ring, bio, slot_of(ring, (offset + added) / COW_BLOCK_SECTORS),
			      within * SECTOR_SIZE, piece * SECTOR_SIZE);
		added += piece;
		within = 0;
	}
	atomic_inc(&append->pending);
	cow_writes_more(ring->writes);
	bio_submit_own(bio);
	return nr_sectors;
}

/* Context: a raw write has begun, so snapshot mode is not left before it has ended. */
static void submit_append(struct ring *ring, struct append *append)
{
	u64 offset = ring->flushed * COW_BLOCK_SECTORS, end = append->end * COW_BLOCK_SECTORS;
	struct blk_plug plug;

	blk_start_plug(&plug);
	while (offset < end) {
		u64 sector, count = cow_file_map(ring->cow, offset, &sector);

		if (!count) {
			core_fail(ring->core, -EFBIG, "COW file full");
			break;
		}
		offset += append_bio(append, offset, sector, min(count, end - offset));
	}
	blk_finish_plug(&plug);
}

void ring_hold(struct ring *ring, bool hold)
{
	WRITE_ONCE(ring->held, hold);
}

void ring_flush(struct ring *ring)
{
	struct append *append;

	if (ring->flushed == ring->head || READ_ONCE(ring->held))
		return;
	append = append_begin(ring);
	if (!append)
		return;
	if (cow_writes_begin(ring->writes)) {
		/* The copies are of no use, and the file's blocks not its own, after that mode. */
		if (READ_ONCE(ring->core->snapshot_mode))
			submit_append(ring, append);
		cow_writes_end(ring->writes);
	}
	WRITE_ONCE(ring->flushed, append->end); /* after a failure snapshot reads fail anyway */
	append_put(append);
}

void ring_flush_all(struct ring *ring)
{
	while (ring->flushed != ring->head && !READ_ONCE(ring->held)) {
		wait_event(ring->wait, READ_ONCE(ring->count) < RING_APPENDS);
		ring_flush(ring);
	}
	ring_drain(ring);
}

bool ring_is_empty(struct ring *ring)
{
	return READ_ONCE(ring->tail) == ring->head;
}

void ring_skip(struct ring *ring, u64 position)
{
	spin_lock(&ring->lock);
	WRITE_ONCE(ring->tail, position);
	spin_unlock(&ring->lock);
	WRITE_ONCE(ring->flushed, position);
	WRITE_ONCE(ring->head, position);
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
	struct bvec_iter at;
	unsigned long flags;
	struct bio_vec bvec;
	const char *from;
	s64 on_disk = 0;

	/* It grows, and whoever knows of a position has seen it grow beyond. */
	if (position >= READ_ONCE(ring->head))
		return -EIO;
	spin_lock_irqsave(&ring->lock, flags);
	if (position < ring->tail) {
		on_disk = ring->tail - position;
	} else {
		from = ring_memory(ring, slot_of(ring, position)) + offset;
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
	ring->nr_free = RING_SLOTS;
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
