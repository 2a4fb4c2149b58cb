// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins: a COW file is guarded like a swap file, and for the same reason: its blocks are written
 * past the filesystem.
 *
 * S_SWAPFILE makes the VFS refuse to write, truncate, punch, fallocate, reflink, unlink and
 * rename the file, and the filesystems refuse to move its blocks. S_IMMUTABLE in memory gives the
 * errno users know (EPERM) and covers chmod and opening for writing. The inode stays in memory,
 * with its flags, because a fsnotify mark holds it. Unlike an open file a mark does not make
 * umount fail: generic_shutdown_super() removes it, and so tells us that the filesystem goes.
 *
 * Lifetime. A mark can be destroyed by us (cow_unpin()) and by an unmount at the same moment.
 * cow_pin.lock, held by both while they look at cow_pin.cow, decides who was first:
 * - the unmount: it clears cow_pin.cow and cow_file.mounted; cow_unpin() finds nothing to undo;
 * - cow_unpin(): an unmount waits for the lock in pin_freeing(), so the inode, which it holds
 *   until all marks have been told, is good until the guards are down. The pin's memory belongs
 *   to the mark and is freed with it, after fsnotify's own grace period. Only then may the module
 *   go: cow_files_exit() waits for it.
 *
 * Lock order: cow_pin.lock, then the file's inode lock. Nobody calls here with that inode lock
 * held.
 */
#include <linux/fsnotify_backend.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include "cow/pin.h"
#include "cow/private.h"

#define GUARDS (S_SWAPFILE | S_IMMUTABLE)

struct cow_pin {
	struct fsnotify_mark mark;
	struct mutex lock; /* guards what follows */
	struct cow_file *cow; /* NULL once the pin is undone */
	struct inode *inode; /* held by the mark; good as long as cow is set */
};

static struct fsnotify_group *group;
static atomic_t nr_pins = ATOMIC_INIT(0);

static struct cow_pin *pin_of(struct fsnotify_mark *mark)
{
	return container_of(mark, struct cow_pin, mark);
}

/*
 * The mark goes, whoever destroys it. If cow_unpin() was not first, its filesystem is being
 * unmounted.
 */
static void pin_freeing(struct fsnotify_mark *mark, struct fsnotify_group *unused)
{
	struct cow_pin *pin = pin_of(mark);
	struct cow_file *cow;

	mutex_lock(&pin->lock);
	cow = pin->cow;
	pin->cow = NULL;
	if (cow)
		WRITE_ONCE(cow->mounted, false);
	mutex_unlock(&pin->lock);
}

static void pin_free(struct fsnotify_mark *mark)
{
	kfree(pin_of(mark));
	if (atomic_dec_and_test(&nr_pins))
		wake_up_var(&nr_pins);
}

/*
 * FS_UNMOUNT is followed by the destruction of the mark, and the mark can go without it:
 * pin_freeing() sees both.
 */
static int pin_event(struct fsnotify_mark *mark, u32 mask, struct inode *inode,
		     struct inode *folder, const struct qstr *name, u32 cookie)
{
	return 0;
}

static const struct fsnotify_ops pin_ops = {
	.handle_inode_event = pin_event,
	.freeing_mark = pin_freeing,
	.free_mark = pin_free,
};

static int guards_up(struct inode *inode)
{
	int err = 0;

	inode_lock(inode);
	if (IS_SWAPFILE(inode) || mapping_writably_mapped(inode->i_mapping))
		err = -ETXTBSY;
	else
		inode->i_flags |= GUARDS;
	inode_unlock(inode);
	return err;
}

static void guards_down(struct inode *inode)
{
	inode_lock(inode);
	inode->i_flags &= ~GUARDS;
	inode_unlock(inode);
}

int cow_pin(struct cow_file *cow, struct inode *inode)
{
	struct cow_pin *pin = kzalloc(sizeof(*pin), GFP_KERNEL);
	int err;

	if (!pin)
		return -ENOMEM;
	cow_unpin(cow);
	mutex_init(&pin->lock);
	pin->cow = cow;
	pin->inode = inode;
	atomic_inc(&nr_pins);
	fsnotify_init_mark(&pin->mark, group);
	pin->mark.mask = FS_UNMOUNT;
	err = fsnotify_add_inode_mark(&pin->mark, inode, 0);
	if (err)
		goto put;
	cow->pin = pin;
	cow->live = true;
	WRITE_ONCE(cow->mounted, true);
	err = cow_pin_guard(cow, inode, true);
	if (err)
		cow_unpin(cow);
	return err;

put:
	fsnotify_put_mark(&pin->mark);
	return err;
}

void cow_unpin(struct cow_file *cow)
{
	struct cow_pin *pin = cow->pin;

	if (!pin)
		return;
	mutex_lock(&pin->lock);
	if (pin->cow)
		guards_down(pin->inode);
	pin->cow = NULL;
	mutex_unlock(&pin->lock);
	cow->pin = NULL;
	WRITE_ONCE(cow->mounted, false);
	fsnotify_destroy_mark(&pin->mark, group);
	fsnotify_put_mark(&pin->mark);
}

int cow_pin_guard(struct cow_file *cow, struct inode *inode, bool on)
{
	struct cow_pin *pin = cow->pin;
	int err = -ESTALE;

	if (!pin)
		return -ESTALE;
	mutex_lock(&pin->lock);
	if (pin->cow && pin->inode == inode) {
		err = 0;
		if (on)
			err = guards_up(inode);
		else
			guards_down(inode);
	}
	mutex_unlock(&pin->lock);
	return err;
}

bool cow_file_has_filesystem(const struct cow_file *cow)
{
	return READ_ONCE(cow->mounted);
}

int cow_files_init(void)
{
	group = compat_fsnotify_alloc_group(&pin_ops);
	return PTR_ERR_OR_ZERO(group);
}

void cow_files_exit(void)
{
	wait_var_event(&nr_pins, !atomic_read(&nr_pins));
	fsnotify_wait_marks_destroyed(); /* the last pin_free() has returned */
	fsnotify_put_group(group);
}
