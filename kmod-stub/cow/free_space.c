// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was free when a snapshot was taken: the frozen filesystem itself says it, since freezing
 * left it consistent. It is asked as user space asks a filesystem (FS_IOC_GETFSMAP).
 */
#include <linux/fs.h>
#include <linux/fsmap.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/path.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "compat.h"
#include "cow/free_space.h"
#include "cow/own_mount.h"
#include "cow/scratch.h"
#include "layout.h"

#define FSMAP_RECORDS 1024 /* asked for at once */
#define FSMAP_BYTES PAGE_ALIGN(sizeof(struct fsmap_head) + FSMAP_RECORDS * sizeof(struct fsmap))
#define EXTENTS_MAX (1024 * 1024) /* what is more fragmented counts as in use beyond */

struct free_extent {
	u64 block, count;
};

struct free_space {
	struct free_extent *list; /* ascending, not adjoining */
	unsigned int count, capacity;
};

static int records_grow(struct free_space *space)
{
	unsigned int capacity = max(2 * space->capacity, 256U);
	struct free_extent *list = kvmalloc_array(capacity, sizeof(*list), GFP_KERNEL);

	if (!list)
		return -ENOMEM;
	if (space->count)
		memcpy(list, space->list, space->count * sizeof(*list));
	kvfree(space->list);
	space->list = list;
	space->capacity = capacity;
	return 0;
}

/* Whole blocks only. Records come in ascending order. */
static int record_add(struct free_space *space, const struct fsmap *record)
{
	u64 block = DIV_ROUND_UP_ULL(record->fmr_physical, COW_BLOCK_SIZE);
	u64 end = (record->fmr_physical + record->fmr_length) / COW_BLOCK_SIZE;
	struct free_extent *last = space->count ? &space->list[space->count - 1] : NULL;
	int err;

	if (end <= block)
		return 0;
	if (last && block < last->block + last->count)
		return -EUCLEAN;
	if (last && block == last->block + last->count) {
		last->count += end - block;
		return 0;
	}
	if (space->count == space->capacity) {
		err = records_grow(space);
		if (err)
			return err;
	}
	space->list[space->count++] = (struct free_extent){ block, end - block };
	return 0;
}

static bool is_free(const struct fsmap *record, u32 device)
{
	return record->fmr_device == device && (record->fmr_flags & FMR_OF_SPECIAL_OWNER) &&
	       record->fmr_owner == FMR_OWN_FREE;
}

/*
 * Read some more records. Return: 1 if there are more, 0 if not, or -errno. The filesystem puts
 * them where a user's buffer would be.
 */
static int read_records(struct free_space *space, struct file *file, struct fsmap_head *head,
			void __user *scratch)
{
	u32 device = new_encode_dev(file_inode(file)->i_sb->s_dev);
	unsigned int i;
	long ret;

	head->fmh_count = FSMAP_RECORDS;
	head->fmh_entries = 0;
	if (copy_to_user(scratch, head, sizeof(*head)))
		return -EFAULT;
	ret = file->f_op->unlocked_ioctl(file, FS_IOC_GETFSMAP, (unsigned long)scratch);
	if (ret)
		return ret;
	if (copy_from_user(head, scratch, FSMAP_BYTES))
		return -EFAULT;
	if (head->fmh_entries > FSMAP_RECORDS)
		return -EUCLEAN;
	for (i = 0; i < head->fmh_entries; i++) {
		if (is_free(&head->fmh_recs[i], device)) {
			ret = record_add(space, &head->fmh_recs[i]);
			if (ret)
				return ret;
		}
	}
	if (!i || (head->fmh_recs[i - 1].fmr_flags & FMR_OF_LAST) || space->count > EXTENTS_MAX)
		return 0;
	fsmap_advance(head);
	return fatal_signal_pending(current) ? -EINTR : 1;
}

static int read_all_records(struct free_space *space, struct file *file, struct fsmap_head *head)
{
	void __user *scratch;
	int ret;

	memset(head, 0, sizeof(*head));
	head->fmh_keys[1] = (struct fsmap){
		.fmr_device = U32_MAX,
		.fmr_flags = U32_MAX,
		.fmr_physical = U64_MAX,
		.fmr_owner = U64_MAX,
		.fmr_offset = U64_MAX,
	};
	scratch = scratch_map(FSMAP_BYTES);
	if (IS_ERR(scratch))
		return PTR_ERR(scratch);
	do {
		ret = read_records(space, file, head, scratch);
	} while (ret > 0);
	scratch_unmap(scratch, FSMAP_BYTES);
	return ret;
}

static int ask(struct free_space *space, struct vfsmount *mnt)
{
	struct path root = { .mnt = mnt, .dentry = mnt->mnt_root };
	struct file *file = dentry_open(&root, O_RDONLY | O_DIRECTORY, current_cred());
	struct fsmap_head *head = NULL;
	int err = -EOPNOTSUPP;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (file->f_op->unlocked_ioctl) {
		head = kvmalloc(FSMAP_BYTES, GFP_KERNEL);
		err = head ? read_all_records(space, file, head) : -ENOMEM;
	}
	kvfree(head);
	compat_fput(file);
	return err;
}

struct free_space *free_space_read(struct block_device *bdev, const char *type, const char *node)
{
	struct free_space *space = kzalloc(sizeof(*space), GFP_KERNEL);
	struct own_mount own;
	int err;

	if (!space)
		return ERR_PTR(-ENOMEM);
	err = own_mount(&own, bdev, type, node);
	if (!err) {
		err = ask(space, own.mnt);
		own_unmount(&own);
	}
	if (err) {
		free_space_free(space);
		return ERR_PTR(err);
	}
	return space;
}

void free_space_free(struct free_space *space)
{
	if (!space)
		return;
	kvfree(space->list);
	kfree(space);
}

u64 free_space_run(const struct free_space *space, u64 block, u64 count, bool *free)
{
	unsigned int low = 0, high = space ? space->count : 0, end = high;

	/* Find the first extent that ends behind the block. */
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (space->list[middle].block + space->list[middle].count <= block)
			low = middle + 1;
		else
			high = middle;
	}
	*free = low < end && space->list[low].block <= block;
	if (*free)
		return min(count, space->list[low].block + space->list[low].count - block);
	return low < end ? min(count, space->list[low].block - block) : count;
}
