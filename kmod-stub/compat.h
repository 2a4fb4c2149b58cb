/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernels, and nowhere else. HAVE_* come from the compile probes
 * (probes/), which the build runs against the headers in hand: stable kernels back-port changes
 * of signatures, so version numbers do not tell.
 */
#ifndef DATTOBD_COMPAT_H
#define DATTOBD_COMPAT_H

#include <linux/blkdev.h>
#include <linux/blk-mq.h>
#include <linux/bio.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include "probes.h"

#ifdef CONFIG_PREEMPT_RT
#error "PREEMPT_RT is not supported: spinlocks are taken inside a raw spinlock"
#endif

/* Block devices: opened for reading only, which works with mounted writers everywhere. */

struct compat_bdev {
	struct block_device *bdev;
	struct file *file; /* where block devices are opened as files */
};

static inline int compat_bdev_open(const char *path, struct compat_bdev *handle)
{
#ifdef HAVE_BDEV_FILE_OPEN_BY_PATH
	handle->file = bdev_file_open_by_path(path, BLK_OPEN_READ, NULL, NULL);
	if (IS_ERR(handle->file))
		return PTR_ERR(handle->file);
	handle->bdev = file_bdev(handle->file);
#else
	handle->file = NULL;
	handle->bdev = blkdev_get_by_path(path, FMODE_READ, NULL);
	if (IS_ERR(handle->bdev))
		return PTR_ERR(handle->bdev);
#endif
	return 0;
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

static inline void compat_bdev_close(struct compat_bdev *handle)
{
#ifdef HAVE_BDEV_FILE_OPEN_BY_PATH
	compat_fput(handle->file);
#else
	blkdev_put(handle->bdev, FMODE_READ);
#endif
}

/* The filesystem that is mounted from @bdev, or NULL. Freed by RCU. Context: rcu_read_lock(). */
static inline struct super_block *compat_bdev_super(struct block_device *bdev)
{
#ifdef HAVE_BD_SUPER
	return READ_ONCE(bdev->bd_super);
#else
	struct super_block *sb;

	if (READ_ONCE(bdev->bd_holder_ops) != &fs_holder_ops)
		return NULL;
	/* Another holder may come between the two: look again. */
	smp_rmb(); /* no pairing: what counts is the order here */
	sb = READ_ONCE(bdev->bd_holder);
	smp_rmb(); /* the same */
	return READ_ONCE(bdev->bd_holder_ops) == &fs_holder_ops ? sb : NULL;
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
#ifdef HAVE_BDEV_FREEZE
	return bdev_freeze(bdev);
#else
	return freeze_bdev(bdev);
#endif
}

static inline int compat_bdev_thaw(struct block_device *bdev)
{
#ifdef HAVE_BDEV_FREEZE
	return bdev_thaw(bdev);
#else
	return thaw_bdev(bdev);
#endif
}

/* compat_bdev_set_read_only() - As the ioctl BLKROSET does. */
static inline void compat_bdev_set_read_only(struct block_device *bdev, bool read_only)
{
#ifdef HAVE_BDEV_SET_FLAG
	if (read_only)
		bdev_set_flag(bdev, BD_READ_ONLY);
	else
		bdev_clear_flag(bdev, BD_READ_ONLY);
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

/* Disks */

static inline struct gendisk *compat_alloc_disk(struct block_device *origin)
{
#ifdef HAVE_BLK_ALLOC_DISK_LIMITS
	struct queue_limits limits = {
		.logical_block_size = bdev_logical_block_size(origin),
		.physical_block_size = bdev_physical_block_size(origin),
	};

	return blk_alloc_disk(&limits, NUMA_NO_NODE);
#else
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	blk_queue_logical_block_size(disk->queue, bdev_logical_block_size(origin));
	blk_queue_physical_block_size(disk->queue, bdev_physical_block_size(origin));
	return disk;
#endif
}

#ifdef HAVE_DISK_OPEN_GENDISK
#define COMPAT_DISK_OPEN(fn) int fn(struct gendisk *disk, blk_mode_t mode)
#define COMPAT_DISK_OF(arg) (disk)
#define COMPAT_DISK_RELEASE(fn) void fn(struct gendisk *disk)
#else
#define COMPAT_DISK_OPEN(fn) int fn(struct block_device *bdev, fmode_t mode)
#define COMPAT_DISK_OF(arg) (bdev->bd_disk)
#define COMPAT_DISK_RELEASE(fn) void fn(struct gendisk *disk, fmode_t mode)
#endif

/* ftrace: the first argument of the traced function, and where it goes on */

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
#define COMPAT_FTRACE_OPS_FL 0
#else
#define COMPAT_FTRACE_OPS_FL FTRACE_OPS_FL_SAVE_REGS
#endif

static inline struct bio *compat_traced_bio(struct ftrace_regs *fregs)
{
#ifdef HAVE_FTRACE_REGS_GET_ARGUMENT
	return (struct bio *)ftrace_regs_get_argument(fregs, 0);
#else
	return (struct bio *)fregs->regs.di;
#endif
}

static inline void compat_redirect(struct ftrace_regs *fregs, void (*to)(struct bio *bio))
{
#ifdef HAVE_FTRACE_REGS_SET_IP
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)to);
#else
	ftrace_instruction_pointer_set(fregs, (unsigned long)to);
#endif
}

/* fsnotify and the filesystem */

static inline struct fsnotify_group *compat_fsnotify_alloc_group(const struct fsnotify_ops *ops)
{
#ifdef HAVE_FSNOTIFY_ALLOC_GROUP_FLAGS
	return fsnotify_alloc_group(ops, 0);
#else
	return fsnotify_alloc_group(ops);
#endif
}

/*
 * compat_small_folios() - Keep the page cache of a file from dirtying blocks that were not
 * written, from now on.
 *
 * Before 6.6 iomap wrote back a large folio as a whole when a part of it was dirty. Later it
 * keeps track by block.
 */
static inline void compat_small_folios(struct address_space *mapping)
{
#ifdef HAVE_AS_LARGE_FOLIO_SUPPORT
	clear_bit(AS_LARGE_FOLIO_SUPPORT, &mapping->flags);
#endif
}

/* Exported by all, declared by some. */
int vfs_path_lookup(struct dentry *dentry, struct vfsmount *mnt, const char *name,
		    unsigned int flags, struct path *path);

static inline int compat_vfs_unlink(struct vfsmount *mnt, struct inode *folder,
				    struct dentry *dentry)
{
#if defined(HAVE_VFS_UNLINK_IDMAP)
	return vfs_unlink(mnt_idmap(mnt), folder, dentry, NULL);
#elif defined(HAVE_VFS_UNLINK_USERNS)
	return vfs_unlink(mnt_user_ns(mnt), folder, dentry, NULL);
#else
	return vfs_unlink(folder, dentry, NULL);
#endif
}

static inline int compat_vfs_create(struct vfsmount *mnt, struct inode *folder,
				    struct dentry *dentry, umode_t mode)
{
#if defined(HAVE_VFS_UNLINK_IDMAP)
	return vfs_create(mnt_idmap(mnt), folder, dentry, mode, true);
#elif defined(HAVE_VFS_UNLINK_USERNS)
	return vfs_create(mnt_user_ns(mnt), folder, dentry, mode, true);
#else
	return vfs_create(folder, dentry, mode, true);
#endif
}

static inline int compat_notify_change(struct vfsmount *mnt, struct dentry *dentry,
				       struct iattr *change)
{
#if defined(HAVE_VFS_UNLINK_IDMAP)
	return notify_change(mnt_idmap(mnt), dentry, change, NULL);
#elif defined(HAVE_VFS_UNLINK_USERNS)
	return notify_change(mnt_user_ns(mnt), dentry, change, NULL);
#else
	return notify_change(dentry, change, NULL);
#endif
}

#endif
