// SPDX-License-Identifier: GPL-2.0-only
/*
 * COW files: created and mapped through the filesystem, proved (cow_proof.c), pinned (cow_pin.c),
 * and from then on reached by their extents (extents.c).
 *
 * Two views of one file. Raw I/O sees the device; the filesystem sees zeros wherever a block is
 * allocated but was never written through it ("unwritten"), whatever lies there. What holds, and
 * keeps the two from harming each other:
 * - Block 0, the header, is written through the filesystem from the start, so there both views
 *   are one, as long as only one of them is used for writing. That is the filesystem; raw header
 *   writes are for when it is gone.
 * - Other blocks are written raw. The page cache may hold zeros of them, read by somebody who
 *   looked at the file; these stay clean, since the guards allow no writing, so they never reach
 *   the disk. Nobody here reads through the filesystem.
 * - A session (cow_file_open() to cow_file_close()) writes whole blocks, and no block shares a
 *   folio that is written back as a whole, so nothing stale of the page cache gets mixed in. At
 *   its end all is synced, and the cache dropped so that readers see the disk.
 * - Writing a block through the filesystem must not touch its neighbours, and must not go through
 *   a journal that writes an older copy of it later. Where a filesystem does either, no COW file
 *   is created.
 */
#include <linux/dcache.h>
#include <linux/kallsyms.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include "cow_private.h"

/*
 * ext4 gives files whose data go through the journal operations of their own, however that was
 * asked for: by a mount option, a default in the superblock, or chattr +j on the file or its
 * folder. Only their name tells from outside.
 */
static bool journals_data(const struct inode *inode)
{
	char name[KSYM_SYMBOL_LEN];

	sprint_symbol(name, (unsigned long)inode->i_mapping->a_ops->write_end);
	return strstr(name, "journal");
}

/*
 * Filesystems that overwrite in place. The others may move a block whenever they write, or keep
 * several devices.
 */
static bool overwrites_in_place(const struct super_block *sb)
{
	static const char *const names[] = { "ext4", "ext3", "ext2", "xfs" };

	return match_string(names, ARRAY_SIZE(names), sb->s_type->name) >= 0;
}

static int check_kind(const struct inode *inode, const struct block_device *origin)
{
	if (!S_ISREG(inode->i_mode) || inode->i_sb->s_bdev != origin)
		return -EINVAL;
	if (!overwrites_in_place(inode->i_sb) || journals_data(inode) || IS_ENCRYPTED(inode) ||
	    IS_DAX(inode))
		return -EOPNOTSUPP;
	return 0;
}

/* The calling process' name for the file, and the filesystem's. */
static int set_paths(struct cow_file *cow, const struct path *path)
{
	char *buffer = kmalloc(PATH_MAX, GFP_KERNEL);
	char *name;
	int err = -ENOMEM;

	if (!buffer)
		return -ENOMEM;
	name = d_path(path, buffer, PATH_MAX);
	if (IS_ERR(name)) {
		err = PTR_ERR(name);
		goto out;
	}
	cow->path = kstrdup(name, GFP_KERNEL);
	name = dentry_path_raw(path->dentry, buffer, PATH_MAX);
	if (IS_ERR(name)) {
		err = PTR_ERR(name);
		goto out;
	}
	cow->inner_path = kstrdup(name, GFP_KERNEL);
	if (cow->path && cow->inner_path)
		err = 0;
out:
	kfree(buffer);
	return err;
}

static int allocate(struct file *file, u64 bytes)
{
	int err;

	if (bytes > MAX_LFS_FILESIZE)
		return -EFBIG;
	/* What an earlier file of that name held goes, on disk and in the page cache. */
	compat_small_folios(file->f_mapping);
	err = vfs_truncate(&file->f_path, 0);
	return err ? err : vfs_fallocate(file, 0, 0, bytes);
}

int cow_file_write(struct file *file, const void *data, size_t bytes, loff_t offset)
{
	ssize_t written;

	while (bytes) {
		written = kernel_write(file, data, bytes, &offset);
		if (written <= 0)
			return written ? (int)written : -EIO;
		data += written;
		bytes -= written;
	}
	return 0;
}

static void drop_cache(struct file *file)
{
	invalidate_mapping_pages(file->f_mapping, 0, -1);
}

static int fill(struct cow_file *cow, struct file *file, const void *header)
{
	struct inode *inode = file_inode(file);
	int err = allocate(file, cow->bytes);

	if (!err)
		err = cow_file_write(file, header, COW_HEADER_SIZE, 0);
	if (!err)
		err = vfs_fsync(file, 0);
	if (!err)
		err = extents_read(inode, cow->bytes, &cow->extents, &cow->nr_extents);
	if (!err)
		err = cow_prove(cow, file, header);
	if (!err)
		err = cow_pin(cow, inode);
	drop_cache(file);
	return err;
}

/* Remove the name from its folder, if it is still there. */
static int unlink_path(const struct path *path)
{
	/*
	 * References of our own: vfs_unlink() makes a dentry that nobody else holds negative,
	 * open file or not.
	 */
	struct dentry *dentry = dget(path->dentry);
	struct dentry *parent = dget_parent(dentry);
	struct inode *folder = d_inode(parent);
	int err = mnt_want_write(path->mnt);

	if (err)
		goto put;
	inode_lock_nested(folder, I_MUTEX_PARENT);
	if (dentry->d_parent == parent && !d_unhashed(dentry) && d_is_positive(dentry))
		err = compat_vfs_unlink(path->mnt, folder, dentry);
	else
		err = -ENOENT;
	inode_unlock(folder);
	mnt_drop_write(path->mnt);
put:
	dput(parent);
	dput(dentry);
	return err;
}

static struct cow_file *cow_file_new(struct file *file, struct block_device *origin, u64 bytes)
{
	struct cow_file *cow = kzalloc(sizeof(*cow), GFP_KERNEL);
	int err;

	if (!cow)
		return ERR_PTR(-ENOMEM);
	cow->origin = origin;
	cow->bytes = bytes;
	cow->ino = file_inode(file)->i_ino;
	cow->generation = file_inode(file)->i_generation;
	err = set_paths(cow, &file->f_path);
	if (err) {
		cow_file_release(cow);
		return ERR_PTR(err);
	}
	return cow;
}

struct cow_file *cow_file_create(const char *path, struct block_device *origin, u64 bytes,
				 const void *header)
{
	struct file *file = filp_open(path, O_CREAT | O_RDWR | O_LARGEFILE, 0);
	struct cow_file *cow;
	int err;

	if (IS_ERR(file))
		return ERR_CAST(file);
	/*
	 * Truncated only once it is known to be of the right kind: a wrong file keeps its
	 * content.
	 */
	err = check_kind(file_inode(file), origin);
	if (err)
		goto undo;
	cow = cow_file_new(file, origin, bytes);
	if (IS_ERR(cow)) {
		err = PTR_ERR(cow);
		goto undo;
	}
	err = fill(cow, file, header);
	if (err)
		goto release;
	fput(file);
	return cow;

release:
	cow_file_release(cow);
	if (!(file->f_mode & FMODE_CREATED))
		vfs_truncate(&file->f_path, 0);
undo:
	if (file->f_mode & FMODE_CREATED)
		unlink_path(&file->f_path);
	fput(file);
	return ERR_PTR(err);
}

/* Find the file again by its name. */
static int find(struct cow_file *cow, struct path *path)
{
	struct inode *inode;
	int err = kern_path(cow->path, 0, path);

	if (err)
		return err;
	inode = d_inode(path->dentry);
	if (inode->i_sb->s_bdev == cow->origin && inode->i_ino == cow->ino &&
	    inode->i_generation == cow->generation)
		return 0;
	path_put(path);
	return -ESTALE;
}

/*
 * Find the file and take the guards down. If its filesystem was unmounted and mounted since,
 * there are none.
 */
static int find_unguarded(struct cow_file *cow, struct path *path)
{
	struct address_space *mapping;
	int err = find(cow, path);

	if (err)
		return err;
	/*
	 * After a mount it is a new inode, of which somebody may have read large folios: they go.
	 */
	mapping = d_inode(path->dentry)->i_mapping;
	compat_small_folios(mapping);
	err = invalidate_inode_pages2(mapping);
	if (!err && cow_file_has_filesystem(cow))
		err = cow_pin_guard(cow, d_inode(path->dentry), false);
	if (err)
		path_put(path);
	return err;
}

/*
 * Put the guards back. A file that a new mount has brought back is pinned anew, if it still lies
 * where it did.
 */
static int guard_again(struct cow_file *cow, struct inode *inode)
{
	struct cow_extent *extents;
	unsigned int count;
	int err;

	if (cow_file_has_filesystem(cow))
		return cow_pin_guard(cow, inode, true);
	err = extents_read(inode, cow->bytes, &extents, &count);
	if (err)
		return err;
	if (count != cow->nr_extents || memcmp(extents, cow->extents, count * sizeof(*extents)))
		err = -ESTALE;
	kvfree(extents);
	return err ? err : cow_pin(cow, inode);
}

int cow_file_guard(struct cow_file *cow)
{
	struct path path;
	int err;

	if (cow_file_has_filesystem(cow))
		return 0;
	err = find_unguarded(cow, &path);
	if (err)
		return err;
	err = guard_again(cow, d_inode(path.dentry));
	path_put(&path);
	return err;
}

struct file *cow_file_open(struct cow_file *cow)
{
	struct path path;
	struct file *file;
	int err = find_unguarded(cow, &path);

	if (err)
		return ERR_PTR(err);
	file = dentry_open(&path, O_RDWR | O_LARGEFILE, current_cred());
	if (IS_ERR(file) && cow_file_has_filesystem(cow))
		cow_pin_guard(cow, d_inode(path.dentry), true);
	path_put(&path);
	return file;
}

int cow_file_close(struct cow_file *cow, struct file *file, bool keep_pinned)
{
	int err = vfs_fsync(file, 0);
	int pin_err = 0;

	drop_cache(file);
	if (keep_pinned)
		pin_err = guard_again(cow, file_inode(file));
	else
		cow_unpin(cow);
	fput(file);
	return err ? err : pin_err;
}

int cow_file_truncate(struct cow_file *cow, u64 bytes)
{
	struct path path;
	int pin_err, err = find_unguarded(cow, &path);

	if (err)
		return err;
	err = vfs_truncate(&path, bytes);
	if (!err) {
		cow->bytes = bytes;
		extents_cut(cow, DIV_ROUND_UP(bytes, COW_BLOCK_SIZE));
	}
	pin_err = guard_again(cow, d_inode(path.dentry));
	path_put(&path);
	return err ? err : pin_err;
}

int cow_file_unlink(struct cow_file *cow)
{
	struct path path;
	int err = find(cow, &path);

	cow_unpin(cow);
	if (err)
		return err;
	err = unlink_path(&path);
	path_put(&path);
	return err;
}

void cow_file_release(struct cow_file *cow)
{
	if (!cow)
		return;
	cow_unpin(cow);
	kvfree(cow->extents);
	kfree(cow->path);
	kfree(cow->inner_path);
	kfree(cow);
}

const char *cow_file_path(const struct cow_file *cow)
{
	return cow->inner_path;
}

u64 cow_file_bytes(const struct cow_file *cow)
{
	return cow->bytes;
}
