// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interception of writes: the function that hands bios to their disks is redirected with ftrace.
 *
 * From 5.18 on that is submit_bio_noacct_nocheck(): a bio comes there when blk-throttle lets it
 * go, not when it begins to wait. Where only submit_bio_noacct() can be had, older kernels let a
 * bio come by once more when it may go.
 *
 * Everything is decided inside the ftrace callback (origins_take() neither sleeps nor allocates).
 * A write that may go is left alone: this module never stands on the stack of a task that sleeps
 * in the block layer. A write that was taken is redirected to a function that does nothing, or
 * waits until less is deferred, so that its submitter returns; the device's worker submits it
 * later.
 */
#include <linux/completion.h>
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include "bio.h"
#include "compat.h"
#include "io/deferred.h"
#include "io/intercept.h"
#include "io/origins.h"
#include "io/pace.h"

static char functions[][32] = { "submit_bio_noacct_nocheck", "submit_bio_noacct" };

#ifdef DATTOBD_DEBUG_CORE
/* With other functions it is as in a kernel in which no bio comes by. */
module_param_string(debug_intercept, functions[0], sizeof(functions[0]), 0600);
MODULE_PARM_DESC(debug_intercept, "function that is traced first");
module_param_string(debug_intercept_else, functions[1], sizeof(functions[1]), 0600);
MODULE_PARM_DESC(debug_intercept_else, "function that is traced if that will not do");
#endif

static DEFINE_MUTEX(changes); /* guards what follows */
static unsigned int users; /* of the redirection */
static bool registered; /* also without users, if it could not be undone */
static unsigned long own_call; /* what bio_submit_own()'s call returns to; 0: not proved */

/* Where a taken write's submitter goes on: straight back to its caller. */
static noinline COMPAT_SUBMIT(bio_was_taken)
{
	barrier();
	return COMPAT_SUBMITTED;
}

/* Where it goes on if too much is deferred. The write may have ended meanwhile. */
static noinline COMPAT_SUBMIT(bio_must_wait)
{
	pace_wait();
	return COMPAT_SUBMITTED;
}

/* A bio that shows whether bios come by. It reads, so that it does no harm if it does not. */
struct probe {
	unsigned long caller; /* return address of the call that it came by; 0: it did not */
	struct completion ended; /* then it went to the disk */
};

static void probe_end_io(struct bio *bio)
{
	complete(&((struct probe *)bio->bi_private)->ended);
}

static void on_submit_bio(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			  compat_regs_t *regs)
{
	struct bio *bio = compat_traced_bio(regs);
	unsigned long next = (unsigned long)bio_was_taken;
	unsigned int minor;
	enum take take;
	bool urgent;

	if (unlikely(bio->bi_end_io == probe_end_io)) {
		((struct probe *)bio->bi_private)->caller = parent_ip;
		compat_redirect(regs, (unsigned long)bio_was_taken);
		return;
	}
	if (!op_is_write(bio_op(bio)) || !bio_sectors(bio))
		return;
	if (!bio_is_recorded(bio) && (parent_ip == own_call || bio_is_own(bio)))
		return;
	urgent = deferred_is_urgent(bio); /* once it is taken it may end */
	take = origins_take(bio, &minor);
	if (take == TAKE_AND_WAIT && pace_begin(minor, urgent))
		next = (unsigned long)bio_must_wait;
	if (take != TAKE_NOT)
		compat_redirect(regs, next);
}

static struct ftrace_ops ops;

/* Return: where the bio came from, or 0 if it did not come by. */
static unsigned long send_probe(struct bio *bio, bool own)
{
	struct probe probe = {};

	init_completion(&probe.ended);
	bio->bi_end_io = probe_end_io;
	bio->bi_private = &probe;
	if (own)
		bio_submit_own(bio);
	else
		submit_bio(bio);
	if (!READ_ONCE(probe.caller))
		wait_for_completion_io(&probe.ended);
	return probe.caller;
}

/*
 * A kernel may have submit_bio_noacct() compiled into its callers, or changed by somebody else:
 * nothing would be recorded then, and nobody would know.
 */
static int self_test(struct block_device *bdev)
{
	struct page *page = alloc_page(GFP_KERNEL);
	unsigned long other_call;
	struct bio *bio;
	int err = -ENXIO;

	if (!page)
		return -ENOMEM;
	bio = compat_bio_alloc(bdev, 1, REQ_OP_READ, GFP_KERNEL, &fs_bio_set);
	__bio_add_page(bio, page, bdev_logical_block_size(bdev), 0);
	own_call = send_probe(bio, true);
	other_call = own_call ? send_probe(bio, false) : 0;
	/* The calls are told apart by where they return to. */
	if (other_call && other_call != own_call)
		err = 0;
	else
		own_call = 0;
	bio_put(bio);
	__free_page(page);
	return err;
}

/* By an empty filter, for ftrace_free_filter() is not exported by all. */
static void free_filter(void)
{
	ftrace_set_filter(&ops, NULL, 0, 1);
}

static int redirect(char *function)
{
	int err;

	ops = (struct ftrace_ops){
		.func = on_submit_bio,
		.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT | COMPAT_FTRACE_OPS_FL,
	};
	err = ftrace_set_filter(&ops, function, strlen(function), 0);
	if (err == -EINVAL)
		err = -ENXIO; /* this kernel has no such function */
	if (!err)
		err = register_ftrace_function(&ops);
	registered = !err;
	if (err)
		free_filter();
	return err;
}

static void stop(void)
{
	int err = unregister_ftrace_function(&ops);

	if (err) {
		pr_err("datto: writes are still intercepted, the module must stay: %d\n", err);
		__module_get(THIS_MODULE);
		/* An unload that is under way cannot be refused any more. */
		while (!module_is_live(THIS_MODULE))
			schedule_timeout_uninterruptible(HZ);
		return;
	}
	registered = false;
	free_filter();
	pace_end();
	/* A task may have been preempted in bio_was_taken(), or on its way to it. */
	synchronize_rcu_tasks();
}

static int start(struct block_device *bdev)
{
	int err = -ENXIO;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(functions) && err == -ENXIO && !registered; i++) {
		err = redirect(functions[i]);
		if (!err)
			err = self_test(bdev);
		if (err && registered)
			stop();
	}
	if (err == -ENXIO)
		pr_err("datto: writes come by neither at %s() nor at %s() in this kernel, nothing can be tracked: %d\n",
		       functions[0], functions[1], err);
	else if (err)
		pr_err("datto: writes cannot be intercepted (is another snapshot module or live patch loaded?): %d\n",
		       err);
	return err;
}

int intercept_enable(struct block_device *bdev)
{
	int err = 0;

	mutex_lock(&changes);
	if (!registered)
		err = start(bdev);
	else if (!own_call)
		err = -ENXIO;
	if (!err)
		users++;
	mutex_unlock(&changes);
	return err;
}

void intercept_disable(void)
{
	mutex_lock(&changes);
	if (!--users)
		stop();
	mutex_unlock(&changes);
}
