// SPDX-License-Identifier: GPL-2.0-only
#include <linux/completion.h>
#include <linux/slab.h>
#include "dattobd.h"
#include "freeze.h"

#define LAST_MOMENT HZ

/**
 * struct freeze - One freeze, from its begin to the thaw. It belongs to the worker and to who asked
 * for it, and is freed by the last of them.
 * @inode: keeps @bdev: the device may be gone before the worker is done
 * @err: of freezing; valid once @frozen is complete
 */
struct freeze {
	struct work_struct work;
	struct kref users;
	struct block_device *bdev;
	struct inode *inode;
	int err;
	struct completion frozen, thaw, thawed;
};

static struct workqueue_struct *freeze_wq;

int freeze_init(void)
{
	freeze_wq = alloc_workqueue("datto_freeze", WQ_UNBOUND, 0);
	return freeze_wq ? 0 : -ENOMEM;
}

void freeze_exit(void)
{
	destroy_workqueue(freeze_wq);
}

static void release(struct kref *users)
{
	kfree(container_of(users, struct freeze, users));
}

static void freeze_work(struct work_struct *work)
{
	struct freeze *freeze = container_of(work, struct freeze, work);
	int err;

	freeze->err = compat_bdev_freeze(freeze->bdev);
	complete(&freeze->frozen);
	if (!freeze->err) {
		wait_for_completion(&freeze->thaw);
		err = compat_bdev_thaw(freeze->bdev);
		if (err)
			pr_err("datto: the filesystem of %pg could not be thawed: %d\n",
			       freeze->bdev, err);
	}
	iput(freeze->inode);
	module_put(THIS_MODULE); /* freeze_exit() waits until this function has returned */
	complete(&freeze->thawed);
	kref_put(&freeze->users, release);
}

/* Wait for the thaw. Who was killed waits for a moment, to find the filesystem as it was. */
void freeze_end(struct freeze *freeze)
{
	complete(&freeze->thaw);
	if (wait_for_completion_killable(&freeze->thawed))
		wait_for_completion_timeout(&freeze->thawed, LAST_MOMENT);
	kref_put(&freeze->users, release);
}

struct freeze *freeze_begin(struct dattobd_device *dev)
{
	struct freeze *freeze = kzalloc(sizeof(*freeze), GFP_KERNEL);
	int err;

	if (!freeze)
		return ERR_PTR(-ENOMEM);
	INIT_WORK(&freeze->work, freeze_work);
	kref_init(&freeze->users);
	freeze->bdev = origin_bdev(dev);
	freeze->inode = compat_bdev_inode(&dev->origin);
	init_completion(&freeze->frozen);
	init_completion(&freeze->thaw);
	init_completion(&freeze->thawed);

	ihold(freeze->inode);
	__module_get(THIS_MODULE);
	kref_get(&freeze->users);
	queue_work(freeze_wq, &freeze->work);
	err = wait_for_completion_killable(&freeze->frozen) ? -EINTR : freeze->err;
	if (!err)
		return freeze;
	freeze_end(freeze);
	return ERR_PTR(err);
}
