/* SPDX-License-Identifier: GPL-2.0-only */
/* Bios. */
#ifndef DATTOBD_COMPAT_BIO_H
#define DATTOBD_COMPAT_BIO_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/highmem.h>
#include "probes.h"

#ifndef HAVE_BLK_OPF_T
#define blk_opf_t unsigned int
#endif
#ifndef BIO_MAX_VECS
#define BIO_MAX_VECS BIO_MAX_PAGES
#endif

static inline struct gendisk *compat_bio_disk(const struct bio *bio)
{
#ifdef HAVE_BIO_BDEV
	return bio->bi_bdev->bd_disk;
#else
	return bio->bi_disk;
#endif
}

/* compat_bio_is_for() - Was it submitted to @bdev, not to its disk or to another partition? */
static inline bool compat_bio_is_for(const struct bio *bio, const struct block_device *bdev)
{
#ifdef HAVE_BIO_BDEV
	return bio->bi_bdev == bdev;
#else
	return bio->bi_disk == bdev->bd_disk && bio->bi_partno == bdev->bd_partno;
#endif
}

/* compat_bio_sector() - Its first sector, counted from the begin of the disk. */
static inline sector_t compat_bio_sector(const struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
#ifdef HAVE_BIO_BDEV
	if (!bio_flagged((struct bio *)bio, BIO_REMAPPED))
		sector += bio->bi_bdev->bd_start_sect;
#else
	const struct disk_part_tbl *table;
	const struct hd_struct *part;

	if (!bio->bi_partno) /* the disk, also where a partition was remapped to it */
		return sector;
	rcu_read_lock();
	table = rcu_dereference(bio->bi_disk->part_tbl);
	part = bio->bi_partno < table->len ? rcu_dereference(table->part[bio->bi_partno]) : NULL;
	if (part)
		sector += part->start_sect;
	rcu_read_unlock();
#endif
	return sector;
}

/* compat_bio_was_throttled() - Does who limits bandwidth submit it, not who made it? */
static inline bool compat_bio_was_throttled(const struct bio *bio)
{
#ifdef HAVE_BIO_BPS_THROTTLED
	return bio_flagged((struct bio *)bio, BIO_BPS_THROTTLED);
#else
	return bio_flagged((struct bio *)bio, BIO_THROTTLED);
#endif
}

static inline void compat_bio_clear_polled(struct bio *bio)
{
#ifdef HAVE_BIO_CLEAR_POLLED
	bio_clear_polled(bio);
#else
	bio->bi_opf &= ~REQ_HIPRI;
#endif
}

static inline struct bio *compat_bio_alloc(struct block_device *bdev, unsigned short nr_vecs,
					   blk_opf_t op, gfp_t gfp, struct bio_set *bios)
{
#ifdef HAVE_BIO_ALLOC_BDEV
	return bio_alloc_bioset(bdev, nr_vecs, op, gfp, bios);
#else
	struct bio *bio = bio_alloc_bioset(gfp, nr_vecs, bios);

	if (bio) {
		bio_set_dev(bio, bdev);
		bio->bi_opf = op;
	}
	return bio;
#endif
}

static inline struct bio *compat_bio_clone(struct block_device *bdev, struct bio *bio, gfp_t gfp,
					   struct bio_set *bios)
{
#ifdef HAVE_BIO_ALLOC_BDEV
	return bio_alloc_clone(bdev, bio, gfp, bios);
#else
	struct bio *clone = bio_clone_fast(bio, gfp, bios);

	if (clone)
		bio_set_dev(clone, bdev);
	return clone;
#endif
}

#ifndef HAVE_MEMCPY_TO_BVEC
static inline void memzero_bvec(struct bio_vec *bvec)
{
	zero_user(bvec->bv_page, bvec->bv_offset, bvec->bv_len);
}

/* No 64-bit kernel has pages without an address. */
static inline void memcpy_to_bvec(struct bio_vec *bvec, const char *from)
{
	memcpy(page_address(bvec->bv_page) + bvec->bv_offset, from, bvec->bv_len);
}

static inline void memcpy_from_bvec(char *to, struct bio_vec *bvec)
{
	memcpy(to, page_address(bvec->bv_page) + bvec->bv_offset, bvec->bv_len);
}
#endif

/* What submit_bio_noacct(), and a driver's submit_bio(), return. */
#ifdef HAVE_SUBMIT_BIO_VOID
#define COMPAT_SUBMIT(fn) void fn(struct bio *bio)
#define COMPAT_SUBMITTED
#else
#define COMPAT_SUBMIT(fn) blk_qc_t fn(struct bio *bio)
#define COMPAT_SUBMITTED BLK_QC_T_NONE
#endif

#endif
