// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frozen view as a disk: /dev/dattoN, read-only, from set-up (or the transition to snapshot)
 * until it is destroyed.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include "io/copy.h"
#include "io/ring.h"
#include "io/snapshot.h"
#include "io/snapshot_read.h"
#include "io/volume.h"

static int major;

static COMPAT_SUBMIT(submit)
{
	struct snapshot *snap = compat_bio_disk(bio)->private_data;

	if (bio_op(bio) != REQ_OP_READ) {
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
		return COMPAT_SUBMITTED;
	}
	if (READ_ONCE(snap->vol->core.error) || !bio_sectors(bio)) {
		bio->bi_status = bio_sectors(bio) ? BLK_STS_IOERR : BLK_STS_OK;
		bio_endio(bio);
		return COMPAT_SUBMITTED;
	}
	snapshot_read(snap, bio);
	return COMPAT_SUBMITTED;
}

static COMPAT_DISK_OPEN(open_disk)
{
	struct snapshot *snap = COMPAT_DISK_OF(bdev)->private_data;
	int err = 0;

	spin_lock_irq(&snap->lock);
	if (snap->closing)
		err = -ENXIO;
	else
		snap->openers++;
	spin_unlock_irq(&snap->lock);
	return err;
}

static COMPAT_DISK_RELEASE(release_disk)
{
	struct snapshot *snap = disk->private_data;

	spin_lock_irq(&snap->lock);
	snap->openers--;
	spin_unlock_irq(&snap->lock);
}

static const struct block_device_operations disk_operations = {
	.owner = THIS_MODULE,
	.submit_bio = submit,
	.open = open_disk,
	.release = release_disk,
};

int snapshot_close(struct snapshot *snap)
{
	int err = 0;

	spin_lock_irq(&snap->lock);
	if (snap->openers)
		err = -EBUSY;
	else
		snap->closing = true;
	spin_unlock_irq(&snap->lock);
	return err;
}

void snapshot_reopen(struct snapshot *snap)
{
	spin_lock_irq(&snap->lock);
	snap->closing = false;
	spin_unlock_irq(&snap->lock);
}

static int make_disk(struct snapshot *snap)
{
	struct volume *vol = snap->vol;
	struct gendisk *disk = compat_alloc_disk(origin_bdev(&vol->origin));

	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk->major = major;
	disk->first_minor = vol->core.minor;
	disk->minors = 1;
	disk->flags |= GENHD_FL_NO_PART;
	disk->fops = &disk_operations;
	disk->private_data = snap;
	snprintf(disk->disk_name, sizeof(disk->disk_name), "datto%u", vol->core.minor);
	set_capacity(disk, vol->core.nr_sectors);
	set_disk_ro(disk, true);
	snap->disk = disk;
	return 0;
}

struct snapshot *snapshot_create(struct volume *vol, struct cow_file *cow, u64 first_position)
{
	struct snapshot *snap = kzalloc(sizeof(*snap), GFP_KERNEL);
	int err = -ENOMEM;

	if (!snap)
		return ERR_PTR(-ENOMEM);
	snap->vol = vol;
	snap->cow = cow;
	spin_lock_init(&snap->lock);
	snap->ring = ring_create(&vol->writes, cow, origin_bdev(&vol->origin), &vol->append_bios,
				 first_position);
	if (!snap->ring)
		goto free;
	snap->copies = copies_create(snap);
	if (!snap->copies)
		goto free_ring;
	err = snapshot_reads_init(snap);
	if (err)
		goto free_copies;
	err = make_disk(snap);
	if (err)
		goto exit_reads;
	return snap;

exit_reads:
	snapshot_reads_exit(snap);
free_copies:
	copies_destroy(snap->copies);
free_ring:
	ring_destroy(snap->ring);
free:
	kfree(snap);
	return ERR_PTR(err);
}

int snapshot_publish(struct snapshot *snap)
{
	int err = compat_add_disk(snap->disk);

	snap->published = !err;
	return err;
}

void snapshot_destroy(struct snapshot *snap)
{
	if (snap->published)
		del_gendisk(snap->disk);
	snapshot_reads_exit(snap);
	compat_put_disk(snap->disk, snap->published);
	copies_destroy(snap->copies);
	ring_drain(snap->ring);
	ring_destroy(snap->ring);
	kfree(snap);
}

int snapshots_init(void)
{
	major = register_blkdev(0, "datto");
	return min(major, 0);
}

void snapshots_exit(void)
{
	unregister_blkdev(major, "datto");
}
