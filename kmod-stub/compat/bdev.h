/* SPDX-License-Identifier: GPL-2.0-only */
/* Block devices, and the filesystem that is on one. */
#ifndef DATTOBD_COMPAT_BDEV_H
#define DATTOBD_COMPAT_BDEV_H

#include <linux/blkdev.h>
#include <linux/blk-mq.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kallsyms.h>
#include <linux/mount.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include "probes.h"

struct compat_bdev {
	struct block_device *bdev;
#if defined(HAVE_BDEV_FILE_OPEN_BY_PATH)
	struct file *file;
#elif defined(HAVE_BDEV_OPEN_BY_PATH)
	struct bdev_handle *handle;
#endif
};

/* compat_bdev_open() - For reading only, which works with mounted writers everywhere. */
static inline int compat_bdev_open(const char *path, struct compat_bdev *opened)
{
#if defined(HAVE_BDEV_FILE_OPEN_BY_PATH)
	opened->file = bdev_file_open_by_path(path, BLK_OPEN_READ, NULL, NULL);
	if (IS_ERR(opened->file))
		return PTR_ERR(opened->file);
	opened->bdev = file_bdev(opened->file);
#elif defined(HAVE_BDEV_OPEN_BY_PATH)
	opened->handle = bdev_open_by_path(path, BLK_OPEN_READ, NULL, NULL);
	if (IS_ERR(opened->handle))
		return PTR_ERR(opened->handle);
	opened->bdev = opened->handle->bdev;
#elif defined(HAVE_BLKDEV_PUT_HOLDER)
	opened->bdev = blkdev_get_by_path(path, BLK_OPEN_READ, NULL, NULL);
#else
	opened->bdev = blkdev_get_by_path(path, FMODE_READ, NULL);
#endif
	return PTR_ERR_OR_ZERO(opened->bdev);
}

/* compat_fput() - Let go of a file at once, which fput() in a kernel thread does later. */
static inline void compat_fput(struct file *file)
{
	if (current->flags & PF_KTHREAD)
		__fput_sync(file);
	else
		fput(file);
}

/* compat_kern_unmount() - The same for the block device of a mount of our own. */
static inline void compat_kern_unmount(struct vfsmount *mnt)
{
#ifdef HAVE_BDEV_FILE_OPEN_BY_PATH
	struct file *file = get_file(mnt->mnt_sb->s_bdev_file);

	kern_unmount(mnt);
	compat_fput(file);
#else
	kern_unmount(mnt);
#endif
}

static inline void compat_bdev_close(struct compat_bdev *opened)
{
#if defined(HAVE_BDEV_FILE_OPEN_BY_PATH)
	compat_fput(opened->file);
#elif defined(HAVE_BDEV_OPEN_BY_PATH)
	bdev_release(opened->handle);
#elif defined(HAVE_BLKDEV_PUT_HOLDER)
	blkdev_put(opened->bdev, NULL);
#else
	blkdev_put(opened->bdev, FMODE_READ);
#endif
}

static inline int compat_lookup_bdev(const char *path, dev_t *number)
{
#ifdef HAVE_LOOKUP_BDEV_NUMBER
	return lookup_bdev(path, number);
#else
	struct block_device *bdev = lookup_bdev(path);

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	*number = bdev->bd_dev;
	bdput(bdev);
	return 0;
#endif
}

static inline sector_t compat_bdev_nr_sectors(struct block_device *bdev)
{
#ifdef HAVE_BDEV_NR_SECTORS
	return bdev_nr_sectors(bdev);
#else
	return i_size_read(bdev->bd_inode) >> SECTOR_SHIFT;
#endif
}

#ifndef HAVE_BD_SUPER
/*
 * compat_held_by_fs() - Are these the operations by which a filesystem holds its device? Where they
 * are not exported, they are recognised by their name.
 */
static inline bool compat_held_by_fs(const struct blk_holder_ops *ops)
{
#ifdef HAVE_FS_HOLDER_OPS
	return ops == &fs_holder_ops;
#else
	static const struct blk_holder_ops *known;
	char name[KSYM_SYMBOL_LEN];

	if (!ops || ops == READ_ONCE(known))
		return ops;
	sprint_symbol(name, (unsigned long)ops);
	if (!strstarts(name, "fs_holder_ops+0x0/"))
		return false;
	WRITE_ONCE(known, ops);
	return true;
#endif
}
#endif

/*
 * The filesystem that is mounted from @bdev, or NULL: not one that has its log there, or is one of
 * several. Freed by RCU. Context: rcu_read_lock().
 */
static inline struct super_block *compat_bdev_super(struct block_device *bdev)
{
#ifdef HAVE_BD_SUPER
	return READ_ONCE(bdev->bd_super);
#else
	struct super_block *sb;

	if (!compat_held_by_fs(READ_ONCE(bdev->bd_holder_ops)))
		return NULL;
	/* Another holder may come between the two: look again. */
	smp_rmb(); /* no pairing: what counts is the order here */
	sb = READ_ONCE(bdev->bd_holder);
	smp_rmb(); /* the same */
	if (!sb || !compat_held_by_fs(READ_ONCE(bdev->bd_holder_ops)))
		return NULL;
	return READ_ONCE(sb->s_bdev) == bdev ? sb : NULL;
#endif
}

/* compat_bdev_mounted_rw() - Whether a filesystem is mounted read-write from @bdev. */
static inline bool compat_bdev_mounted_rw(struct block_device *bdev)
{
	struct super_block *sb;
	bool rw;

	rcu_read_lock();
	sb = compat_bdev_super(bdev);
	rw = sb && !sb_rdonly(sb);
	rcu_read_unlock();
	return rw;
}

/*
 * compat_bdev_frozen() - Whether somebody has frozen the filesystem of @bdev (fsfreeze, a suspended
 * device mapper).
 */
static inline bool compat_bdev_frozen(struct block_device *bdev)
{
	struct super_block *sb;
	bool frozen;

	rcu_read_lock();
	sb = compat_bdev_super(bdev);
	frozen = sb && READ_ONCE(sb->s_writers.frozen) != SB_UNFROZEN;
	rcu_read_unlock();
	return frozen;
}

static inline int compat_bdev_freeze(struct block_device *bdev)
{
#if defined(HAVE_BDEV_FREEZE)
	return bdev_freeze(bdev);
#elif defined(HAVE_FREEZE_BDEV_INT)
	return freeze_bdev(bdev);
#else
	return PTR_ERR_OR_ZERO(freeze_bdev(bdev));
#endif
}

static inline int compat_bdev_thaw(struct block_device *bdev)
{
#if defined(HAVE_BDEV_FREEZE)
	return bdev_thaw(bdev);
#elif defined(HAVE_FREEZE_BDEV_INT)
	return thaw_bdev(bdev);
#else
	return thaw_bdev(bdev, bdev->bd_super); /* it stays as long as it is frozen */
#endif
}

/* compat_bdev_set_read_only() - As the ioctl BLKROSET does. */
static inline void compat_bdev_set_read_only(struct block_device *bdev, bool read_only)
{
#if defined(HAVE_BDEV_SET_FLAG)
	if (read_only)
		bdev_set_flag(bdev, BD_READ_ONLY);
	else
		bdev_clear_flag(bdev, BD_READ_ONLY);
#elif defined(HAVE_SET_DEVICE_RO)
	set_device_ro(bdev, read_only);
#else
	bdev->bd_read_only = read_only;
#endif
}

/*
 * compat_bdev_drain() - Wait until the requests that were submitted to the disk of @bdev have
 * ended. What a stacked device (device mapper, md) has taken over is not waited for: there a
 * writer that passes the filesystem has no defined instant.
 *
 * Return: 0, -%EINTR if the caller was killed, or -%ETIMEDOUT.
 */
static inline int compat_bdev_drain(struct block_device *bdev, unsigned long timeout)
{
	struct request_queue *queue = bdev_get_queue(bdev);
#ifdef HAVE_BLK_MQ_FREEZE_MEMFLAGS
	unsigned int memflags = memalloc_noio_save();
#endif
	unsigned long end = jiffies + timeout;
	int err = 0;

	blk_freeze_queue_start(queue);
	while (!err && blk_mq_freeze_queue_wait_timeout(queue, HZ / 10) <= 0) {
		if (fatal_signal_pending(current))
			err = -EINTR;
		else if (time_after(jiffies, end))
			err = -ETIMEDOUT;
	}
#ifdef HAVE_BLK_MQ_FREEZE_MEMFLAGS
	blk_mq_unfreeze_queue(queue, memflags);
#else
	blk_mq_unfreeze_queue(queue);
#endif
	return err;
}

/*
 * compat_bdev_has_rw_page() - Whether pages may be written to @bdev without a bio, past any
 * interception.
 */
static inline bool compat_bdev_has_rw_page(struct block_device *bdev)
{
#ifdef HAVE_RW_PAGE
	return bdev->bd_disk->fops->rw_page;
#else
	return false;
#endif
}

#endif
