// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done to a COW file through its filesystem after it was created: found again by its name,
 * written, truncated, grown, removed. The guards are down only meanwhile.
 */
#include <linux/dcache.h>
#include <linux/fs_struct.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/pid_namespace.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include "cow/extents.h"
#include "cow/find.h"
#include "cow/pin.h"
#include "cow/private.h"
#include "cow/session.h"
#include "cow/write.h"
#include "killable.h"

/*
 * Look a path up as the client sees it. Workers have no view of their own worth that name: theirs
 * is that of the first process.
 */
static int look_up_cow(const char *name, struct path *path)
{
	struct task_struct *first = init_pid_ns.child_reaper;
	struct path root;
	int err;

	if (request_is_current())
		return kern_path(name, 0, path);
	task_lock(first);
	get_fs_root(first->fs, &root);
	task_unlock(first);
	err = vfs_path_lookup(root.dentry, root.mnt, name, 0, path);
	path_put(&root);
	return err;
}

/* Is it the file? If not, the path is put. */
static int check_file(const struct cow_file *cow, const struct path *path)
{
	const struct inode *inode = d_inode(path->dentry);

	if (inode->i_sb->s_bdev == cow->origin && inode->i_ino == cow->ino &&
	    inode->i_generation == cow->generation)
		return 0;
	path_put(path);
	return -ESTALE;
}

/*
 * Find the file again: by the name that it was created with, or, if that leads elsewhere by now
 * (a folder was renamed, something is mounted over it, the filesystem is mounted somewhere else, in
 * another namespace perhaps), in the filesystem itself.
 */
static int find(struct cow_file *cow, struct path *path)
{
	int err = cow->path ? look_up_cow(cow->path, path) : -ENOENT;

	if (!err && !check_file(cow, path))
		return 0;
	err = cow_find_mounted(cow, path);
	return err ? err : check_file(cow, path);
}

/*
 * Find the file, get the right to write to it, and take the guards down. If its filesystem was
 * unmounted and mounted since, there are none.
 */
static int find_unguarded(struct cow_file *cow, struct path *path, bool wait)
{
	struct address_space *mapping;
	int err = find(cow, path);

	if (err)
		return err;
	err = cow_want_write(path->mnt, wait);
	if (err)
		goto put;
	/*
	 * After a mount it is a new inode, of which somebody may have read large folios: they go.
	 */
	mapping = d_inode(path->dentry)->i_mapping;
	compat_small_folios(mapping);
	err = invalidate_inode_pages2(mapping);
	if (!err && cow_file_has_filesystem(cow))
		err = cow_pin_guard(cow, d_inode(path->dentry), false);
	if (!err)
		return 0;
	mnt_drop_write(path->mnt);
put:
	path_put(path);
	return err;
}

/* What find_unguarded() got, but the guards. */
static void let_go(struct path *path)
{
	mnt_drop_write(path->mnt);
	path_put(path);
}

/*
 * Put the guards back. A file that a new mount has brought back is pinned anew, if it still lies
 * where it did.
 */
static int set_guards(struct cow_file *cow, struct inode *inode)
{
	int err;

	if (cow_file_has_filesystem(cow) && !cow->map_unproved)
		return cow_pin_guard(cow, inode, true);
	err = cow_read_map(cow, inode, cow->bytes);
	if (!err)
		err = cow_pin(cow, inode);
	if (!err)
		cow->map_unproved = false;
	else if (cow_file_has_filesystem(cow))
		cow_pin_guard(cow, inode, true); /* as it was, at least */
	return err;
}

int cow_file_guard(struct cow_file *cow)
{
	struct path path;
	int err = find_unguarded(cow, &path, false);

	if (err)
		return err;
	err = set_guards(cow, d_inode(path.dentry));
	let_go(&path);
	return err;
}

struct file *cow_file_open(struct cow_file *cow)
{
	struct path path;
	struct file *file;
	int err = find_unguarded(cow, &path, true);

	if (err)
		return ERR_PTR(err);
	file = dentry_open(&path, O_RDWR | O_LARGEFILE | O_NOATIME, current_cred());
	if (!IS_ERR(file)) {
		path_put(&path); /* the file holds it, until cow_file_close() lets go */
		return file;
	}
	if (cow_file_has_filesystem(cow))
		cow_pin_guard(cow, d_inode(path.dentry), true);
	let_go(&path);
	return file;
}

int cow_file_clear(struct file *file, u64 offset, u64 end)
{
	loff_t at = offset;
	void *buffer;
	ssize_t bytes;
	int err;

	if (offset >= end)
		return 0;
	buffer = kmalloc(COW_SECTION_BYTES, GFP_KERNEL);
	err = buffer ? 0 : -ENOMEM;
	while (!err && at < end) {
		/* What was never written through the filesystem counts as a hole. */
		at = vfs_llseek(file, at, SEEK_DATA);
		if (at < 0)
			err = at == -ENXIO ? 0 : at;
		if (at < 0 || at >= end)
			break;
		at = round_down(at, COW_BLOCK_SIZE);
		bytes = min_t(u64, end - at, COW_SECTION_BYTES);
		bytes = kernel_read(file, buffer, bytes, &at);
		if (bytes <= 0)
			err = bytes ? bytes : -EIO;
		else if (memchr_inv(buffer, 0, bytes))
			err = cow_write_zeros(file, at - bytes, bytes);
		cond_resched();
	}
	kfree(buffer);
	return err;
}

int cow_file_close(struct cow_file *cow, struct file *file, bool keep_pinned)
{
	int err = vfs_fsync(file, 0);
	int pin_err = 0;

	cow_drop_cache(file);
	if (keep_pinned)
		pin_err = set_guards(cow, file_inode(file));
	else
		cow_unpin(cow);
	mnt_drop_write(file->f_path.mnt);
	compat_fput(file);
	return err ? err : pin_err;
}

/* Cut it durably: where it ends must still be true if the filesystem ends without a word. */
static int cut(const struct path *path, u64 bytes)
{
	struct file *file = dentry_open(path, O_RDWR | O_LARGEFILE, current_cred());
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = cow_truncate(path, bytes) ?: vfs_fsync(file, 0);
	compat_fput(file);
	return err;
}

int cow_file_truncate(struct cow_file *cow, u64 bytes)
{
	struct path path;
	u64 end;
	int pin_err, err = find_unguarded(cow, &path, true);

	if (err)
		return err;
	/* First: what is cut off may become somebody else's at once. */
	end = cow->whole_blocks ? round_down(bytes, COW_BLOCK_SIZE) :
				  round_up(bytes, i_blocksize(d_inode(path.dentry)));
	err = cow_map_cut(cow, end / SECTOR_SIZE);
	if (!err)
		err = cut(&path, bytes);
	if (!err) {
		cow->bytes = bytes;
		cow->longer = false;
		cow->may_be_longer = false;
	}
	pin_err = set_guards(cow, d_inode(path.dentry));
	let_go(&path);
	return err ? err : pin_err;
}

/*
 * Asked before anything is allocated: an attempt that fails would use up the filesystem for a
 * moment.
 */
static int check_space(const struct path *path, u64 bytes, u64 more, u64 reserve)
{
	struct kstatfs room;
	int err;

	if (bytes > path->dentry->d_sb->s_maxbytes)
		return -EFBIG;
	err = vfs_statfs(path, &room);
	if (err)
		return err;
	if (more > U64_MAX - reserve ||
	    DIV_ROUND_UP_ULL(more + reserve, room.f_bsize) > room.f_bavail)
		return -ENOSPC;
	return 0;
}

/*
 * The filesystem zeroes the rest of a file's last block when it grows, but not of one that was
 * never written through it, which is what that block is here (cow/file.c).
 */
static int extend(struct cow_file *cow, const struct path *path, u64 bytes)
{
	struct file *file = dentry_open(path, O_RDWR | O_LARGEFILE, current_cred());
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = cow_allocate(file, cow->bytes, bytes - cow->bytes);
	if (err == -EOPNOTSUPP)
		goto close; /* it has a block map: nothing was allocated */
	if (!err)
		err = cow_read_map(cow, file_inode(file), bytes);
	if (err)
		cow_truncate(path, cow->bytes);
	else
		cow->bytes = bytes;
close:
	compat_fput(file);
	return err;
}

int cow_file_grow(struct cow_file *cow, u64 bytes, u64 reserve)
{
	struct path path;
	int guard_err, err = find_unguarded(cow, &path, false);

	if (err)
		return err;
	if (bytes > cow->bytes) { /* or else it could not be cut after an attempt that failed */
		err = check_space(&path, bytes, bytes - cow->bytes, reserve);
		if (!err)
			err = extend(cow, &path, bytes);
	}
	guard_err = set_guards(cow, d_inode(path.dentry));
	let_go(&path);
	return err ? err : guard_err;
}

int cow_file_unlink(struct cow_file *cow)
{
	struct path path;
	int err = find(cow, &path);

	cow_unpin(cow);
	if (err)
		return err;
	err = cow_want_write(path.mnt, true);
	if (!err) {
		err = cow_unlink_path(&path);
		mnt_drop_write(path.mnt);
	}
	path_put(&path);
	return err;
}
