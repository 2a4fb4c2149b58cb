// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk in memory, /dev/erasable, that erases securely. Of the disks that can, none is emulated by the machines of these
 * tests, and null_blk, scsi_debug and brd cannot. Its size in MiB is the parameter `mib`.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/vmalloc.h>
#include "probes.h"

#define MIB_SECTORS 2048

static unsigned int mib = 320;
module_param(mib, uint, 0444);
MODULE_PARM_DESC(mib, "size in MiB");

static char *store;
static struct gendisk *disk;

static void copy(struct bio *bio, char *at)
{
	struct bvec_iter iter;
	struct bio_vec piece;

	bio_for_each_segment(piece, bio, iter) {
		if (bio_op(bio) == REQ_OP_READ)
			memcpy_to_bvec(&piece, at);
		else
			memcpy_from_bvec(at, &piece);
		at += piece.bv_len;
	}
}

static void submit(struct bio *bio)
{
	char *at = store + (bio->bi_iter.bi_sector << SECTOR_SHIFT);

	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		copy(bio, at);
		break;
	case REQ_OP_SECURE_ERASE:
		memset(at, 0, bio->bi_iter.bi_size);
		break;
	default:
		bio->bi_status = BLK_STS_NOTSUPP;
	}
	bio_endio(bio);
}

static const struct block_device_operations operations = {
	.owner = THIS_MODULE,
	.submit_bio = submit,
};

static int __init erasable_init(void)
{
	int err;

	store = vzalloc((size_t)mib << 20);
	if (!store)
		return -ENOMEM;
#ifdef HAVE_BLK_ALLOC_DISK_LIMITS
	disk = blk_alloc_disk(NULL, NUMA_NO_NODE);
	err = IS_ERR(disk) ? PTR_ERR(disk) : 0;
#else
	disk = blk_alloc_disk(NUMA_NO_NODE);
	err = disk ? 0 : -ENOMEM;
#endif
	if (err)
		goto free;
	disk->queue->limits.max_secure_erase_sectors = UINT_MAX;
	disk->flags |= GENHD_FL_NO_PART;
	disk->fops = &operations;
	strscpy(disk->disk_name, "erasable", sizeof(disk->disk_name));
	set_capacity(disk, (sector_t)mib * MIB_SECTORS);
	err = add_disk(disk);
	if (!err)
		return 0;
	put_disk(disk);
free:
	vfree(store);
	return err;
}

static void __exit erasable_exit(void)
{
	del_gendisk(disk);
	put_disk(disk);
	vfree(store);
}

module_init(erasable_init);
module_exit(erasable_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A disk in memory that erases securely, for tests");
