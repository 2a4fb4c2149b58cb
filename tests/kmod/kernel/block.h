/* SPDX-License-Identifier: GPL-2.0-only */
/* Bios and block devices. The test defines submit_bio_noacct(). */
#ifndef KERNEL_BLOCK_H
#define KERNEL_BLOCK_H

#define BIO_MAX_VECS 256

#define REQ_OP_READ 0
#define REQ_OP_WRITE 1
#define REQ_OP_DISCARD 3
#define REQ_OP_WRITE_ZEROES 9
#define REQ_OP_MASK 0xff
#define REQ_SYNC 0x800
#define REQ_IDLE (REQ_SYNC << 1)
#define REQ_META (REQ_SYNC << 2)
#define REQ_PRIO (REQ_SYNC << 3)
#define REQ_FUA (REQ_SYNC << 4)
#define REQ_PREFLUSH (REQ_SYNC << 5)
#define REQ_NOWAIT (REQ_SYNC << 6)

typedef unsigned int blk_opf_t;
typedef u8 blk_status_t;

#define BLK_STS_OK 0
#define BLK_STS_IOERR 10

#define blk_status_to_errno(status) ((status) ? -EIO : 0)

struct block_device {
	int unused;
};

struct compat_bdev {
	struct block_device *bdev;
};

struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len, bv_offset;
};

struct bvec_iter {
	sector_t bi_sector;
	unsigned int bi_size, bi_idx, bi_bvec_done;
};

struct bio_set {
	int unused;
};

struct bio_list {
	struct bio *head, *tail;
};

struct bio {
	struct bio *bi_next;
	struct block_device *bi_bdev;
	blk_opf_t bi_opf;
	blk_status_t bi_status;
	struct bvec_iter bi_iter;
	void (*bi_end_io)(struct bio *bio);
	void *bi_private;
	unsigned int tag; /* the test's own */
	unsigned short bi_vcnt, bi_max_vecs;
	struct bio_vec bi_io_vec[];
};

void submit_bio_noacct(struct bio *bio);

#define bio_op(bio) ((bio)->bi_opf & REQ_OP_MASK)
#define bio_sectors(bio) ((bio)->bi_iter.bi_size / SECTOR_SIZE)
#define bio_end_sector(bio) ((bio)->bi_iter.bi_sector + bio_sectors(bio))
#define bio_endio(bio) ((bio)->bi_end_io(bio))

/* Bios that the statistics of a disk count as in flight. */
static unsigned int bios_accounted;

static inline unsigned long bio_start_io_acct(struct bio *bio)
{
	bios_accounted++;
	return bio->bi_iter.bi_sector;
}

static inline void bio_end_io_acct(struct bio *bio, unsigned long start)
{
	if (!bios_accounted || start != bio->bi_iter.bi_sector)
		abort();
	bios_accounted--;
}

#define compat_bio_clear_polled(bio) ((void)(bio))

static inline void bio_list_init(struct bio_list *list)
{
	*list = (struct bio_list){};
}

static inline bool bio_list_empty(const struct bio_list *list)
{
	return !list->head;
}

static inline void bio_list_merge(struct bio_list *list, struct bio_list *more)
{
	if (!more->head)
		return;
	if (list->tail)
		list->tail->bi_next = more->head;
	else
		list->head = more->head;
	list->tail = more->tail;
}

static inline void bio_list_add(struct bio_list *list, struct bio *bio)
{
	bio->bi_next = NULL;
	bio_list_merge(list, &(struct bio_list){ bio, bio });
}

static inline struct bio *bio_list_pop(struct bio_list *list)
{
	struct bio *bio = list->head;

	if (!bio)
		return NULL;
	list->head = bio->bi_next;
	if (!list->head)
		list->tail = NULL;
	bio->bi_next = NULL;
	return bio;
}

static inline struct bio *compat_bio_alloc(struct block_device *bdev, unsigned short nr_vecs,
					   blk_opf_t op, gfp_t gfp, struct bio_set *bios)
{
	struct bio *bio = calloc(1, sizeof(*bio) + nr_vecs * sizeof(struct bio_vec));

	expect(nr_vecs && nr_vecs <= BIO_MAX_VECS, "a bio has no vectors, or too many");
	memory_live++;
	bio->bi_bdev = bdev;
	bio->bi_opf = op;
	bio->bi_max_vecs = nr_vecs;
	return bio;
}

static inline void bio_put(struct bio *bio)
{
	memory_put(bio);
}

static bool bio_scattered __maybe_unused; /* no two pages adjoin, as in vmalloc()'s memory */

/* Does a piece adjoin the last vector? Then it becomes a part of it. */
static inline bool bio_adjoins(const struct bio *bio, const char *piece)
{
	const struct bio_vec *last;

	if (!bio->bi_vcnt || (bio_scattered && !offset_in_page(piece)))
		return false;
	last = &bio->bi_io_vec[bio->bi_vcnt - 1];
	return last->bv_page->bytes + last->bv_offset + last->bv_len == piece;
}

static inline unsigned int bio_add_page(struct bio *bio, struct page *page, unsigned int bytes,
					unsigned int offset)
{
	expect(bytes && offset < PAGE_SIZE && bytes <= PAGE_SIZE - offset,
	       "a piece of a bio is not within its page");
	if (bio_adjoins(bio, page->bytes + offset))
		bio->bi_io_vec[bio->bi_vcnt - 1].bv_len += bytes;
	else if (bio->bi_vcnt < bio->bi_max_vecs)
		bio->bi_io_vec[bio->bi_vcnt++] = (struct bio_vec){ page, bytes, offset };
	else
		return 0;
	bio->bi_iter.bi_size += bytes;
	return bytes;
}

/* The next piece, which lies within a page. */
static inline struct bio_vec bio_piece(const struct bio *bio, const struct bvec_iter *iter)
{
	const struct bio_vec *vec = &bio->bi_io_vec[iter->bi_idx];
	unsigned int offset = vec->bv_offset + iter->bi_bvec_done;

	expect(iter->bi_idx < bio->bi_vcnt, "a bio ends before its vectors do");
	return (struct bio_vec){
		.bv_page = vec->bv_page + offset / PAGE_SIZE,
		.bv_offset = offset % PAGE_SIZE,
		.bv_len = min(min(vec->bv_len - iter->bi_bvec_done, iter->bi_size),
			      (unsigned int)(PAGE_SIZE - offset % PAGE_SIZE)),
	};
}

static inline void bio_pass(const struct bio *bio, struct bvec_iter *iter, unsigned int bytes)
{
	iter->bi_size -= bytes;
	iter->bi_sector += bytes / SECTOR_SIZE;
	iter->bi_bvec_done += bytes;
	if (iter->bi_bvec_done == bio->bi_io_vec[iter->bi_idx].bv_len) {
		iter->bi_idx++;
		iter->bi_bvec_done = 0;
	}
}

#define __bio_for_each_segment(vec, bio, iter, start)                                     \
	for ((iter) = (start); (iter).bi_size && ((vec) = bio_piece(bio, &(iter)), true); \
	     bio_pass(bio, &(iter), (vec).bv_len))

static inline void memcpy_to_bvec(struct bio_vec *vec, const char *from)
{
	memcpy(vec->bv_page->bytes + vec->bv_offset, from, vec->bv_len);
}

#define WARN_ON_ONCE(condition) expect(!(condition), "warning: " #condition)

struct blk_plug {
	int unused;
};

#define blk_start_plug(plug) ((void)(plug))
#define blk_finish_plug(plug) ((void)(plug))

#endif
