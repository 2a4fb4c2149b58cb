// SPDX-License-Identifier: GPL-2.0-only
/*
 * COW files: created and mapped through the filesystem, proved (cow/prove.c), pinned (cow/pin.c),
 * and from then on reached by their extents (cow/extents.c).
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
 * - Writing a block through the filesystem may zero unwritten blocks beside it: ext4 does without
 *   dioread_nolock and without delayed allocation. So the filesystem writes to the file only while
 *   nothing raw in it matters: before the first raw write, and at the end of a series of changes,
 *   when the whole index is in the core's memory (handover_export()). Block 0 was written before,
 *   so that writing it zeroes nothing.
 * - A block that the filesystem wrote or zeroed shows what was written raw since. handover_export()
 *   leaves nothing of that in the index. The file's last block, if partial, is left alone then,
 *   since the filesystem reads, zeroes and writes it when the file is cut or grows (cow/extents.c).
 * - A file without extents (ext2, ext3) has no unwritten blocks: all are written when it is
 *   created, and it cannot grow under a snapshot, which would have to keep what is written over.
 * - Nothing may go through a journal that writes an older copy of a block later. Where it does, no
 *   COW file is created.
 */
#include <linux/dcache.h>
#include <linux/exportfs.h>
#include <linux/kallsyms.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include "cow/extents.h"
#include "cow/file.h"
#include "cow/pin.h"
#include "cow/private.h"
#include "cow/prove.h"
#include "cow/write.h"

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
static const char *overwrites_in_place(const struct super_block *sb)
{
	static const char *const names[] = { "ext4", "ext3", "ext2", "xfs" };
	int i = match_string(names, ARRAY_SIZE(names), sb->s_type->name);

	return i < 0 ? NULL : names[i];
}

static int check_kind(const struct inode *inode, const struct block_device *origin)
{
	if (!S_ISREG(inode->i_mode) || inode->i_sb->s_bdev != origin)
		return -EINVAL;
	if (!overwrites_in_place(inode->i_sb) || journals_data(inode) || IS_ENCRYPTED(inode) ||
	    IS_DAX(inode))
		return -EOPNOTSUPP;
	if (compat_writes_clean_blocks(inode->i_sb) && PAGE_SIZE > COW_BLOCK_SIZE)
		return -EOPNOTSUPP;
	return 0;
}

static void set_handle(struct cow_file *cow, struct dentry *dentry)
{
	int count = COW_HANDLE_WORDS;

	cow->handle.type =
		exportfs_encode_fh(dentry, (struct fid *)cow->handle.words, &count, true);
	if (cow->handle.type > FILEID_ROOT && cow->handle.type != FILEID_INVALID)
		cow->handle.count = count;
}

/* The client's name for the file, and the filesystem's. */
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

/*
 * Before anything is cut, so that a set-up that finds no space leaves what it found. The caller may
 * use what is reserved for root.
 */
static int check_room(const struct path *path, u64 bytes)
{
	u64 there = (u64)d_inode(path->dentry)->i_blocks << SECTOR_SHIFT;
	struct kstatfs room;
	int err;

	if (!bytes)
		return -EINVAL;
	if (bytes > path->dentry->d_sb->s_maxbytes)
		return -EFBIG;
	err = vfs_statfs(path, &room);
	if (err || bytes <= there)
		return err;
	return DIV_ROUND_UP_ULL(bytes - there, room.f_bsize) > room.f_bfree ? -ENOSPC : 0;
}

/* Does the filesystem refuse to allocate this file because it has a block map, no extents? */
static bool has_block_map(const struct inode *inode, int err)
{
	return err == -EOPNOTSUPP && strstarts(inode->i_sb->s_type->name, "ext");
}

static int allocate(struct file *file, u64 bytes)
{
	u64 end = round_down(bytes, COW_BLOCK_SIZE);
	int err;

	/* What an earlier file of that name held goes, on disk and in the page cache. */
	compat_small_folios(file->f_mapping);
	err = cow_truncate(&file->f_path, 0);
	if (!err)
		err = cow_allocate(file, 0, bytes);
	if (has_block_map(file_inode(file), err))
		return cow_write_zeros(file, 0, bytes);
	/* As cow_prove() will. What the filesystem zeroes beside it is so when the map is read. */
	if (!err && end)
		err = cow_write_zeros(file, end - COW_BLOCK_SIZE, COW_BLOCK_SIZE);
	return err;
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
		err = cow_read_map(cow, inode, cow->bytes);
	if (!err)
		err = cow_prove(cow, file, header);
	if (!err)
		err = cow_pin(cow, inode);
	cow_drop_cache(file);
	return err;
}

static struct cow_file *cow_file_new(const struct path *path, struct block_device *origin,
				     const char *device, u64 bytes)
{
	struct inode *inode = d_inode(path->dentry);
	struct cow_file *cow = kzalloc(sizeof(*cow), GFP_KERNEL);
	int err;

	if (!cow)
		return ERR_PTR(-ENOMEM);
	cow->origin = origin;
	cow->bytes = bytes;
	cow->ino = inode->i_ino;
	cow->generation = inode->i_generation;
	cow->type = overwrites_in_place(inode->i_sb);
	set_handle(cow, path->dentry);
	cow->device = kstrdup(device, GFP_KERNEL);
	err = cow->device ? set_paths(cow, path) : -ENOMEM;
	if (!err)
		err = bioset_init(&cow->raw_bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
	if (err) {
		cow_file_release(cow);
		return ERR_PTR(err);
	}
	return cow;
}

/* Make the file at @path a COW file. On an error what was put into it is gone. */
static struct cow_file *make(const struct path *path, struct block_device *origin,
			     const char *device, u64 bytes, const void *header)
{
	struct file *file;
	struct cow_file *cow;
	/* Cut only once it is known to be of the right kind: a wrong file keeps its content. */
	int err = check_kind(d_inode(path->dentry), origin) ?: check_room(path, bytes);

	if (err)
		return ERR_PTR(err);
	file = dentry_open(path, O_RDWR | O_LARGEFILE, current_cred());
	if (IS_ERR(file))
		return ERR_CAST(file);
	cow = cow_file_new(path, origin, device, bytes);
	err = IS_ERR(cow) ? PTR_ERR(cow) : fill(cow, file, header);
	compat_fput(file);
	if (!err || IS_ERR(cow))
		return cow;
	cow_file_release(cow);
	cow_truncate(path, 0);
	return ERR_PTR(err);
}

noinline struct cow_file *cow_file_create(const char *name, struct block_device *origin,
					  const char *device, u64 bytes, const void *header)
{
	struct cow_file *cow;
	struct path path;
	bool created;
	int err = cow_want_file(name, origin, &path, &created);

	if (err)
		return ERR_PTR(err);
	cow = make(&path, origin, device, bytes, header);
	if (IS_ERR(cow) && created)
		cow_unlink_path(&path);
	mnt_drop_write(path.mnt);
	path_put(&path);
	return cow;
}

struct cow_file *cow_file_known(const struct path *path, struct block_device *origin,
				const char *device)
{
	struct inode *inode = d_inode(path->dentry);
	struct cow_file *cow;
	int err = check_kind(inode, origin);

	if (err)
		return ERR_PTR(err);
	cow = cow_file_new(path, origin, device, i_size_read(inode));
	if (IS_ERR(cow))
		return cow;
	cow->live = true;
	/* The name that it had in our own mount leads nowhere. */
	kfree(cow->path);
	cow->path = NULL;
	err = cow_read_map(cow, inode, cow->bytes);
	if (err) {
		cow_file_release(cow);
		return ERR_PTR(err);
	}
	return cow;
}

void cow_file_release(struct cow_file *cow)
{
	if (!cow)
		return;
	cow_unpin(cow);
	cow_map_free(cow);
	bioset_exit(&cow->raw_bios);
	kfree(cow->path);
	kfree(cow->inner_path);
	kfree(cow->device);
	kfree(cow);
}

const char *cow_file_path(const struct cow_file *cow)
{
	return cow->inner_path;
}

const char *cow_file_type(const struct cow_file *cow)
{
	return cow->type;
}

u64 cow_file_bytes(const struct cow_file *cow)
{
	return cow->bytes;
}
