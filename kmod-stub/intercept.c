// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interception of writes: submit_bio_noacct() is redirected with ftrace.
 *
 * Everything is decided inside the ftrace callback (tracker_take() neither sleeps nor allocates).
 * A write that may go is left alone: this module never stands on the stack of a task that sleeps
 * in the block layer. A write that was taken is redirected to a function that does nothing, so
 * that its submitter returns; the device's worker submits it later.
 */
#include <linux/ftrace.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include "dattobd.h"

static DEFINE_MUTEX(changes); /* guards what follows */
static DEFINE_HASHTABLE(tracked, 5); /* devices by disk; RCU for lookups */
static unsigned int users; /* of the redirection */

static bool has_device_below(struct gendisk *disk, const struct dattobd_device *dev, int minor)
{
	return dev->origin.bdev->bd_disk == disk && (int)dev->minor > minor;
}

/*
 * The device with the lowest minor above @minor on @disk: a write that spans several origins
 * visits each, in order.
 */
static struct dattobd_device *next_on_disk(struct gendisk *disk, int minor)
{
	struct dattobd_device *dev, *best = NULL;

	hash_for_each_possible_rcu_notrace(tracked, dev, node, (unsigned long)disk) {
		if (has_device_below(disk, dev, minor) && (!best || dev->minor < best->minor))
			best = dev;
	}
	return best;
}

static bool taken_above(struct bio *bio, int minor)
{
	struct gendisk *disk = bio->bi_bdev->bd_disk;
	struct dattobd_device *dev;

	while ((dev = next_on_disk(disk, minor))) {
		if (tracker_take(dev, bio))
			return true;
		minor = dev->minor;
	}
	return false;
}

static bool is_our_own(const struct bio *bio)
{
	return bio->bi_end_io == ring_append_end_io || bio->bi_end_io == cow_file_raw_end_io;
}

/* Where a taken write's submitter goes on: straight back to its caller. */
static notrace noinline void bio_was_taken(struct bio *bio)
{
	barrier();
}

static notrace void on_submit_bio(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
				  struct ftrace_regs *fregs)
{
	struct bio *bio = compat_traced_bio(fregs);

	if (!op_is_write(bio_op(bio)) || !bio_sectors(bio))
		return;
	if (bio->bi_end_io != cow_file_recorded_end_io &&
	    (within_module(parent_ip, THIS_MODULE) || is_our_own(bio)))
		return;
	/*
	 * ftrace calls this with preemption on, where nothing else keeps a device from being
	 * freed.
	 */
	rcu_read_lock();
	if (taken_above(bio, -1))
		compat_redirect(fregs, bio_was_taken);
	rcu_read_unlock();
}

static struct ftrace_ops ops = {
	.func = on_submit_bio,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT | COMPAT_FTRACE_OPS_FL,
};

int intercept_enable(void)
{
	char target[] = "submit_bio_noacct";
	int err = 0;

	mutex_lock(&changes);
	if (!users)
		err = ftrace_set_filter(&ops, target, strlen(target), 0) ?:
			      register_ftrace_function(&ops);
	if (!err)
		users++;
	mutex_unlock(&changes);
	if (err)
		pr_err("datto: submit_bio_noacct() cannot be intercepted (is another snapshot module or live patch loaded?): %d\n",
		       err);
	return err;
}

void intercept_disable(void)
{
	mutex_lock(&changes);
	if (!--users) {
		unregister_ftrace_function(&ops);
		/* A task may have been preempted in bio_was_taken(), or on its way to it. */
		synchronize_rcu_tasks();
	}
	mutex_unlock(&changes);
}

void intercept_add(struct dattobd_device *dev)
{
	mutex_lock(&changes);
	hash_add_rcu(tracked, &dev->node, (unsigned long)origin_bdev(dev)->bd_disk);
	mutex_unlock(&changes);
}

void intercept_remove(struct dattobd_device *dev)
{
	mutex_lock(&changes);
	hash_del_rcu(&dev->node);
	mutex_unlock(&changes);
	synchronize_rcu();
}

/* The call must come from this module's text, so it may not become a jump. */
noinline void intercept_submit(struct bio *bio)
{
	submit_bio_noacct(bio);
	barrier();
}

void intercept_next(struct dattobd_device *dev, struct bio *bio)
{
	bool taken;

	rcu_read_lock();
	taken = taken_above(bio, dev->minor);
	rcu_read_unlock();
	if (!taken)
		intercept_submit(bio);
}
