/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk. A bio stays in flight until disk_end_one() carries it out, in any order, with the
 * content that its memory has then. What is discarded reads as zeros.
 */
#ifndef DISK_H
#define DISK_H

#ifndef DISK_SECTORS
#define DISK_SECTORS 32768
#endif
#define IN_FLIGHT_MAX 8192

static u8 disk[DISK_SECTORS * SECTOR_SIZE];
static struct bio *in_flight[IN_FLIGHT_MAX];
static unsigned int nr_in_flight;
static unsigned int disk_fails; /* once in so many bios; 0: never */

/* Defined by the test: a bio comes to the disk, and is about to end. */
static void disk_submitted(struct bio *bio);
static void disk_ending(struct bio *bio);

void submit_bio_noacct(struct bio *bio)
{
	CHECK(nr_in_flight < IN_FLIGHT_MAX && bio_sectors(bio));
	CHECK(bio_end_sector(bio) <= DISK_SECTORS && bio->bi_iter.bi_size % SECTOR_SIZE == 0);
	in_flight[nr_in_flight++] = bio;
	disk_submitted(bio);
}

static void disk_transfer(struct bio *bio)
{
	u8 *at = disk + bio->bi_iter.bi_sector * SECTOR_SIZE;
	struct bvec_iter iter;
	struct bio_vec vec;

	if (bio_op(bio) != REQ_OP_READ && bio_op(bio) != REQ_OP_WRITE) {
		memset(at, 0, bio->bi_iter.bi_size);
		return;
	}
	__bio_for_each_segment(vec, bio, iter, bio->bi_iter) {
		char *memory = vec.bv_page->bytes + vec.bv_offset;

		if (bio_op(bio) == REQ_OP_WRITE)
			memcpy(at, memory, vec.bv_len);
		else
			memcpy(memory, at, vec.bv_len);
		at += vec.bv_len;
	}
}

static void disk_end(unsigned int i)
{
	struct bio *bio = in_flight[i];

	in_flight[i] = in_flight[--nr_in_flight];
	if (disk_fails && one_in(disk_fails))
		bio->bi_status = BLK_STS_IOERR;
	else
		disk_transfer(bio);
	disk_ending(bio);
	bio->bi_end_io(bio);
}

/* disk_end_one() - End any bio. Return: false if there is none. */
static bool disk_end_one(void)
{
	if (!nr_in_flight)
		return false;
	disk_end(below(nr_in_flight));
	return true;
}

#endif
