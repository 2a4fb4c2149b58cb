// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changing a filesystem without ever waiting for its thaw where no signal reaches.
 *
 * Every function of the VFS that changes something begins with sb_start_write(), which sleeps
 * uninterruptibly for as long as somebody keeps the filesystem frozen. A look before it does not
 * help: the freeze may come in between. Here the right to write is taken once, for all that is
 * done in one go, so that a freeze waits for us, not we for it; and within it the VFS is entered
 * below sb_start_write(), since a second one would sleep behind a freeze that waits for the first.
 */
#include <linux/dcache.h>
#include <linux/lockdep.h>
#include <linux/namei.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include "compat.h"
#include "cow/write.h"
#include "killable.h"
#include "layout.h"

/*
 * A freeze begins with s_umount held for writing: while it is held for reading and none has begun,
 * mnt_want_write() does not sleep. The order of these two is elsewhere the other way round, for
 * freezes, which cannot come here; lockdep is not told.
 *
 * Return: 0, -%EBUSY if the filesystem is frozen, or -%EAGAIN if somebody else has s_umount.
 */
static int try_write(struct vfsmount *mnt)
{
	struct super_block *sb = mnt->mnt_sb;
	int err = -EBUSY;

	if (!down_read_trylock(&sb->s_umount))
		return READ_ONCE(sb->s_writers.frozen) == SB_UNFROZEN ? -EAGAIN : -EBUSY;
	rwsem_release(&sb->s_umount.dep_map, _THIS_IP_);
	if (sb->s_writers.frozen == SB_UNFROZEN)
		err = mnt_want_write(mnt);
	rwsem_acquire_read(&sb->s_umount.dep_map, 0, 1, _THIS_IP_);
	up_read(&sb->s_umount);
	return err;
}

int cow_want_write(struct vfsmount *mnt, bool wait)
{
	/* No signal reaches a worker. */
	bool killable = request_is_current();
	int err = try_write(mnt);

	while ((err == -EAGAIN || (err == -EBUSY && wait)) && killable) {
		if (fatal_signal_pending(current))
			return -EINTR;
		schedule_timeout_killable(HZ / 50);
		err = try_write(mnt);
	}
	return err;
}

/* Look the last component of a name up, and create it if it is not there. */
static int create_in(const struct path *folder, const char *last, struct path *path, bool *created)
{
	struct inode *inode = d_inode(folder->dentry);
	struct dentry *dentry;
	int err = 0;

	inode_lock_nested(inode, I_MUTEX_PARENT);
	dentry = compat_lookup(last, folder->dentry);
	if (IS_ERR(dentry)) {
		err = PTR_ERR(dentry);
	} else if (d_is_symlink(dentry)) {
		err = -ELOOP; /* it was not there a moment ago */
	} else if (d_is_negative(dentry)) {
		err = security_path_mknod(folder, dentry, S_IFREG, 0);
		if (!err)
			err = compat_vfs_create(folder->mnt, inode, dentry, S_IFREG);
		*created = !err;
	}
	inode_unlock(inode);
	if (!err) {
		path->mnt = mntget(folder->mnt);
		path->dentry = dget(dentry);
	}
	if (!IS_ERR(dentry))
		dput(dentry);
	return err;
}

/* The folder of a name, and its last component. */
static int look_up_folder(const char *name, struct path *folder, const char **last)
{
	const char *slash = strrchr(name, '/');
	char *copy;
	int err;

	*last = slash ? slash + 1 : name;
	if (!**last || !strcmp(*last, ".") || !strcmp(*last, ".."))
		return -EISDIR;
	if (!slash)
		return kern_path(".", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, folder);
	copy = kstrndup(name, *last - name, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	err = kern_path(copy, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, folder);
	kfree(copy);
	return err;
}

static int refuse(const char *name, const char *why, int err)
{
	pr_warn("datto: %s cannot become a COW file: %s: %d\n", name, why, err);
	return err;
}

/*
 * What is there already will lose its content. Who may write to a folder can put links there that
 * lead to files of others.
 */
static int check_there(const char *name, const struct path *path, const struct block_device *origin)
{
	const struct inode *inode = d_inode(path->dentry);

	if (d_is_symlink(path->dentry))
		return refuse(name, "it is a symbolic link", -ELOOP);
	if (d_is_dir(path->dentry))
		return -EISDIR;
	if (!d_is_reg(path->dentry) || path->mnt->mnt_sb->s_bdev != origin)
		return -EINVAL;
	if (!uid_eq(inode->i_uid, current_fsuid()))
		return refuse(name, "it belongs to another user", -EPERM);
	if (inode->i_nlink != 1)
		return refuse(name, "it has several names", -EMLINK);
	return compat_path_permission(path, MAY_WRITE);
}

int cow_want_file(const char *name, const struct block_device *origin, struct path *path,
		  bool *created)
{
	struct path folder;
	const char *last;
	int err = *name ? kern_path(name, 0, path) : -EISDIR;

	*created = false;
	if (!err) {
		err = check_there(name, path, origin) ?: cow_want_write(path->mnt, false);
		if (err)
			path_put(path);
		return err;
	}
	if (err != -ENOENT)
		return err;
	err = look_up_folder(name, &folder, &last);
	if (err)
		return err;
	err = folder.mnt->mnt_sb->s_bdev == origin ? cow_want_write(folder.mnt, false) : -EINVAL;
	if (!err) {
		err = create_in(&folder, last, path, created);
		if (err)
			mnt_drop_write(folder.mnt);
	}
	path_put(&folder);
	return err;
}

int cow_truncate(const struct path *path, u64 bytes)
{
	struct inode *inode = d_inode(path->dentry);
	struct iattr change = { .ia_valid = ATTR_SIZE, .ia_size = bytes };
	int err;

	inode_lock(inode);
	err = compat_notify_change(path->mnt, path->dentry, &change);
	inode_unlock(inode);
	return err;
}

int cow_allocate(struct file *file, u64 offset, u64 bytes)
{
	struct inode *inode = file_inode(file);

	if (!bytes)
		return -EINVAL;
	if (offset > inode->i_sb->s_maxbytes || bytes > inode->i_sb->s_maxbytes - offset)
		return -EFBIG;
	if (IS_SWAPFILE(inode))
		return -ETXTBSY;
	if (!file->f_op->fallocate)
		return -EOPNOTSUPP;
	return file->f_op->fallocate(file, 0, offset, bytes);
}

/* As kernel_write(), but below sb_start_write(). */
static ssize_t write_some(struct file *file, const void *data, size_t bytes, loff_t *offset)
{
	struct kvec vec = { .iov_base = (void *)data, .iov_len = bytes };
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t written;

	if (!file->f_op->write_iter)
		return -EOPNOTSUPP;
	init_sync_kiocb(&kiocb, file);
	kiocb.ki_pos = *offset;
	iov_iter_kvec(&iter, WRITE, &vec, 1, bytes);
	written = file->f_op->write_iter(&kiocb, &iter);
	if (written > 0)
		*offset += written;
	return written;
}

int cow_file_write(struct file *file, const void *data, size_t bytes, loff_t offset)
{
	ssize_t written;

	while (bytes) {
		written = write_some(file, data, bytes, &offset);
		if (written <= 0)
			return written ? (int)written : -EIO;
		data += written;
		bytes -= written;
	}
	return 0;
}

int cow_write_zeros(struct file *file, u64 offset, u64 bytes)
{
	void *zeros = kzalloc(COW_SECTION_BYTES, GFP_KERNEL);
	int err = zeros ? 0 : -ENOMEM;
	size_t piece;

	for (; !err && bytes; offset += piece, bytes -= piece) {
		piece = min_t(u64, bytes, COW_SECTION_BYTES);
		err = fatal_signal_pending(current) ? -EINTR :
						      cow_file_write(file, zeros, piece, offset);
		cond_resched();
	}
	kfree(zeros);
	return err;
}

int cow_unlink_path(const struct path *path)
{
	/*
	 * References of our own: vfs_unlink() makes a dentry that nobody else holds negative,
	 * open file or not.
	 */
	struct dentry *dentry = dget(path->dentry);
	struct dentry *parent = dget_parent(dentry);
	struct inode *folder = d_inode(parent);
	int err = -ENOENT;

	inode_lock_nested(folder, I_MUTEX_PARENT);
	if (dentry->d_parent == parent && !d_unhashed(dentry) && d_is_positive(dentry))
		err = compat_vfs_unlink(path->mnt, folder, dentry);
	inode_unlock(folder);
	dput(parent);
	dput(dentry);
	return err;
}

void cow_drop_cache(struct file *file)
{
	invalidate_mapping_pages(file->f_mapping, 0, -1);
}
