// SPDX-License-Identifier: GPL-2.0-only
/* One tracked origin: how it is made and freed, how it fails, and what is told of it. */
#include <linux/kallsyms.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "io/cut.h"
#include "control/grow_cow.h"
#include "cow/free_space.h"
#include "io/sections.h"

void device_fail_locked(struct dattobd_device *dev, int error, const char *what)
{
	if (dev->error)
		return;
	WRITE_ONCE(dev->error, error);
	pr_dev_err(dev, "failed, its origin goes on untracked: %s: %d", what, error);
	/* The worker lets the held writes go. */
	queue_work(dev->wq, &dev->work);
}

void device_fail(struct dattobd_device *dev, int error, const char *what)
{
	unsigned long flags;

	core_lock(dev, flags);
	device_fail_locked(dev, error, what);
	core_unlock(dev, flags);
}

bool device_cow_write_begin(struct dattobd_device *dev)
{
	unsigned long flags;
	bool allowed;

	core_lock(dev, flags);
	allowed = !dev->error;
	if (allowed)
		atomic_inc(&dev->nr_cow_writes);
	core_unlock(dev, flags);
	return allowed;
}

void device_cow_write_end(struct dattobd_device *dev)
{
	unsigned long flags;

	/* Under the lock, so that the device is not freed between the count and the wake-up. */
	spin_lock_irqsave(&dev->cow_writes_wait.lock, flags);
	if (atomic_dec_and_test(&dev->nr_cow_writes))
		wake_up_all_locked(&dev->cow_writes_wait);
	spin_unlock_irqrestore(&dev->cow_writes_wait.lock, flags);
}

void device_cow_writes_wait(struct dattobd_device *dev)
{
	wait_event(dev->cow_writes_wait, !atomic_read(&dev->nr_cow_writes));
	spin_lock_irq(&dev->cow_writes_wait.lock);
	spin_unlock_irq(&dev->cow_writes_wait.lock);
}

u64 device_cache_bytes(const struct dattobd_device *dev)
{
	return dev->cache_bytes ?: cow_max_memory_default;
}

void device_enlist(struct dattobd_device *dev, bool listed)
{
	mutex_lock(&devices_lock);
	devices[dev->minor] = listed ? dev : NULL;
	mutex_unlock(&devices_lock);
}

enum dattobd_state device_state(struct dattobd_device *dev)
{
	bool active = watch_active(dev);

	if (READ_ONCE(dev->unverified))
		return dev->snapshot_mode ? DATTOBD_STATE_UNVERIFIED_SNAPSHOT :
					    DATTOBD_STATE_UNVERIFIED_INCREMENTAL;
	if (dev->snapshot_mode)
		return active ? DATTOBD_STATE_ACTIVE_SNAPSHOT : DATTOBD_STATE_DORMANT_SNAPSHOT;
	return active ? DATTOBD_STATE_ACTIVE_INCREMENTAL : DATTOBD_STATE_DORMANT_INCREMENTAL;
}

static u64 stat(struct dattobd_device *dev, enum core_stat field, s64 max)
{
	s64 ret = engine_ask(dev->engine, CORE_STAT, field, 0, 0, max);

	if (ret >= 0)
		return ret;
	device_fail_locked(dev, ret, "the core could not be asked for its state");
	return 0;
}

void device_counters(struct dattobd_device *dev, struct device_counters *counters)
{
	struct device_counters now;
	unsigned long flags;

	core_lock(dev, flags);
	if (dev->error != -ENOTRECOVERABLE) {
		now.fsize = stat(dev, CORE_STAT_FSIZE, S64_MAX);
		now.seqid = engine_call(dev->engine, CORE_STAT, CORE_STAT_SEQID, 0, 0);
		now.version = engine_call(dev->engine, CORE_STAT, CORE_STAT_VERSION, 0, 0);
		now.nr_changed = stat(dev, CORE_STAT_NR_CHANGED, device_nr_blocks(dev));
	}
	/* A core that trapped says nothing any more. */
	if (dev->error != -ENOTRECOVERABLE)
		dev->counters = now;
	*counters = dev->counters;
	core_unlock(dev, flags);
}

/*
 * A snapshot module that replaced the function which takes a disk's bios, and was unloaded without
 * putting it back, leaves a pointer to what is nobody's code, or by now ours.
 */
static bool driver_is_loaded(const struct gendisk *disk)
{
	char name[KSYM_SYMBOL_LEN];
	void *submit;

	if (copy_from_kernel_nofault(&submit, &disk->fops->submit_bio, sizeof(submit)))
		return false;
	if (!submit)
		return true;
	sprint_symbol(name, (unsigned long)submit);
	if (strstr(name, "[" KBUILD_MODNAME "]"))
		return strstr(name, "+0x0/");
	return !strstarts(name, "0x");
}

/*
 * Origins that writes can reach without a bio of their own, or that have no fixed blocks, cannot
 * be tracked.
 */
static int check_origin(const struct dattobd_device *dev, bool mounted)
{
	struct block_device *bdev = origin_bdev(dev);

	if (!driver_is_loaded(bdev->bd_disk)) {
		pr_dev_err(dev,
			   "bios for %pg go to a module that is not loaded any more, another snapshot module perhaps: the machine must be rebooted: %d",
			   bdev, -ENXIO);
		return -ENXIO;
	}
	if (compat_bdev_mounted_rw(bdev) != mounted)
		return -EINVAL;
	if (dev->nr_sectors > CORE_ORIGIN_SECTORS_MAX) {
		pr_dev_err(dev,
			   "%pg has more than " CORE_ORIGIN_MAX_TEXT ": it cannot be tracked: %d",
			   bdev, -EFBIG);
		return -EFBIG;
	}
	if (compat_bdev_has_rw_page(bdev) || bdev_is_zoned(bdev) ||
	    blk_queue_dax(bdev_get_queue(bdev))) {
		pr_dev_err(dev,
			   "%pg is written without bios (DAX), or zoned: it cannot be tracked: %d",
			   bdev, -EOPNOTSUPP);
		return -EOPNOTSUPP;
	}
	return 0;
}

static LIST_HEAD(claims); /* under devices_lock */

int device_claim(struct dattobd_device *dev)
{
	struct dattobd_device *other;
	int err = 0;

	mutex_lock(&devices_lock);
	list_for_each_entry(other, &claims, claim) {
		if (origin_bdev(other) == origin_bdev(dev))
			err = devices[other->minor] == other ? -EALREADY : -EBUSY;
	}
	if (!err)
		list_add(&dev->claim, &claims);
	mutex_unlock(&devices_lock);
	return err;
}

void device_unclaim(struct dattobd_device *dev)
{
	mutex_lock(&devices_lock);
	list_del_init(&dev->claim);
	mutex_unlock(&devices_lock);
}

/* The path in /proc and in the info ioctl: absolute, links resolved. */
static char *resolve(const char *path)
{
	char *buffer, *found, *result;
	struct path at;
	int err = kern_path(path, LOOKUP_FOLLOW, &at);

	if (err)
		return ERR_PTR(err);
	result = ERR_PTR(-ENOMEM);
	buffer = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buffer)
		goto put;
	found = d_path(&at, buffer, PATH_MAX);
	if (IS_ERR(found))
		result = found;
	else
		result = kstrdup(found, GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
	kfree(buffer);
put:
	path_put(&at);
	return result;
}

static int alloc_parts(struct dattobd_device *dev)
{
	dev->ranges = kmalloc_array(COPY_RANGES, sizeof(*dev->ranges), GFP_KERNEL);
	dev->runs = kmalloc_array(COPY_BLOCKS, sizeof(*dev->runs), GFP_KERNEL);
	dev->open_header = (void *)get_zeroed_page(GFP_KERNEL);
	dev->sealed_header = (void *)get_zeroed_page(GFP_KERNEL);
	dev->proof = proof_create();
	dev->section_bounce = (void *)__get_free_pages(GFP_KERNEL, get_order(COW_SECTION_BYTES));
	/* Bound: the writer's CPU is warm and about to be free, another would have to be woken. */
	dev->wq = alloc_workqueue("datto_cow%u", WQ_MEM_RECLAIM | WQ_HIGHPRI | COMPAT_WQ_BOUND, 1,
				  dev->minor);
	if (!dev->ranges || !dev->runs || !dev->open_header || !dev->sealed_header || !dev->proof ||
	    !dev->section_bounce || !dev->wq)
		return -ENOMEM;
	return bioset_init(&dev->read_bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS) ?:
		       bioset_init(&dev->append_bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
}

struct dattobd_device *device_new(unsigned int minor, const char *origin, bool mounted)
{
	struct dattobd_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int err;

	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->minor = minor;
	compat_lock_init(&dev->core_lock);
	mutex_init(&dev->expand_mutex);
	auto_expand_init(dev);
	sections_init(dev);
	drain_init(&dev->drain);
	INIT_LIST_HEAD(&dev->copy_requests);
	INIT_LIST_HEAD(&dev->claim);
	bio_list_init(&dev->held);
	late_init(&dev->late);
	INIT_WORK(&dev->work, tracker_work);
	INIT_DELAYED_WORK(&dev->watch, watch_work);
	init_waitqueue_head(&dev->cow_writes_wait);

	err = compat_bdev_open(origin, &dev->origin);
	if (err)
		goto free;
	dev->start = get_start_sect(origin_bdev(dev));
	dev->nr_sectors = compat_bdev_nr_sectors(origin_bdev(dev));
	err = check_origin(dev, mounted);
	if (err)
		goto close;
	err = alloc_parts(dev);
	if (err)
		goto close;
	err = mounted ? device_claim(dev) : 0;
	if (err) {
		err = err == -EALREADY ? -EINVAL : err;
		goto close;
	}
	dev->origin_path = resolve(origin);
	if (IS_ERR(dev->origin_path)) {
		err = PTR_ERR(dev->origin_path);
		dev->origin_path = NULL;
		goto close;
	}
	return dev;

close:
	device_free(dev);
	return ERR_PTR(err);
free:
	kfree(dev);
	return ERR_PTR(err);
}

void device_free(struct dattobd_device *dev)
{
	if (dev->wq)
		destroy_workqueue(dev->wq);
	cancel_delayed_work_sync(&dev->watch); /* nobody kicks it any more */
	if (dev->snap)
		snapshot_destroy(dev->snap);
	free_space_free(dev->free_space);
	cow_file_release(dev->cow); /* an unmount calls us until here */
	engine_destroy(dev->engine);
	bioset_exit(&dev->append_bios);
	bioset_exit(&dev->read_bios);
	free_pages((unsigned long)dev->section_bounce, get_order(COW_SECTION_BYTES));
	kfree(dev->ranges);
	kfree(dev->runs);
	free_page((unsigned long)dev->open_header);
	free_page((unsigned long)dev->sealed_header);
	proof_free(dev->proof);
	cut_free(dev->cut);
	kfree(dev->origin_path);
	kfree(dev->origin_name);
	kfree(dev->cow_name);
	device_unclaim(dev);
	compat_bdev_close(&dev->origin);
	kfree(dev);
}

void device_drop_snapshot(struct dattobd_device *dev)
{
	struct snapshot *snap = dev->snap;
	unsigned long flags;

	if (!snap)
		return;
	mutex_lock(&devices_lock);
	core_lock(dev, flags);
	WRITE_ONCE(dev->snap, NULL);
	dev->publish_wanted = false; /* of a reloaded snapshot that the watch has not seen */
	core_unlock(dev, flags);
	mutex_unlock(&devices_lock);
	tracker_drain(dev); /* the worker may have looked at it before */
	snapshot_destroy(snap);
}

int device_check_thawed(const struct dattobd_device *dev)
{
	if (!compat_bdev_frozen(origin_bdev(dev)))
		return 0;
	pr_dev_err(dev, "the filesystem of %s is frozen: %d", dev->origin_path, -EBUSY);
	return -EBUSY;
}
