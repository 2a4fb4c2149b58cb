// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a COW file lies on the origin, and raw I/O there. What the filesystem says once, when the
 * file is created, holds until it is unpinned: a file that is guarded like a swap file is not
 * moved, and its blocks are not freed.
 */
#include <linux/fiemap.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include "cow/extents.h"
#include "cow/private.h"
#include "cow/scratch.h"

/*
 * Extents whose bytes are elsewhere, not yet anywhere, not only ours, or not as they would be
 * read.
 */
#define UNUSABLE                                                                                \
	(FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED |               \
	 FIEMAP_EXTENT_DATA_ENCRYPTED | FIEMAP_EXTENT_NOT_ALIGNED | FIEMAP_EXTENT_DATA_INLINE | \
	 FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_SHARED)

#define SCRATCH_EXTENTS 1024 /* asked for at once */
#define SCRATCH_BYTES PAGE_ALIGN(SCRATCH_EXTENTS * sizeof(struct fiemap_extent))

/* struct extents_reader - A walk over a file's extents. All but the list is in bytes. */
struct extents_reader {
	struct inode *inode;
	u64 end; /* of the part of the file to be mapped, a multiple of COW_BLOCK_SIZE */
	u64 whole_end; /* of the blocks that are whole in the file */
	u64 next; /* everything before is known */
	u64 run_offset; /* the run being collected: [run_offset, next) lies at run_physical */
	u64 run_physical;

	struct fiemap_extent __user *scratch;
	struct fiemap_extent *batch; /* a copy of what the filesystem put into scratch */

	struct cow_extent *list;
	unsigned int count, capacity;
};

static int list_grow(struct extents_reader *reader)
{
	unsigned int capacity = max(2 * reader->capacity, 64U);
	struct cow_extent *list = kvmalloc_array(capacity, sizeof(*list), GFP_KERNEL);

	if (!list)
		return -ENOMEM;
	if (reader->count)
		memcpy(list, reader->list, reader->count * sizeof(*list));
	kvfree(reader->list);
	reader->list = list;
	reader->capacity = capacity;
	return 0;
}

/* End the run collected so far. Contiguous pieces are joined in it, however they are described. */
static int run_end(struct extents_reader *reader)
{
	u64 bytes = reader->next - reader->run_offset;
	int err;

	if (!bytes)
		return 0;
	if (!IS_ALIGNED(reader->run_physical | bytes, SECTOR_SIZE))
		return -EOPNOTSUPP;
	if (reader->count == reader->capacity) {
		err = list_grow(reader);
		if (err)
			return err;
	}
	reader->list[reader->count++] = (struct cow_extent){
		.offset = reader->run_offset / SECTOR_SIZE,
		.sector = reader->run_physical / SECTOR_SIZE,
		.count = bytes / SECTOR_SIZE,
	};
	return 0;
}

static int add(struct extents_reader *reader, const struct fiemap_extent *extent)
{
	u64 skip, bytes;
	int err;

	if (extent->fe_logical > reader->next || (extent->fe_flags & UNUSABLE))
		return -EOPNOTSUPP;
	skip = reader->next - extent->fe_logical;
	if (skip >= extent->fe_length)
		return 0;
	/* The filesystem keeps zeros behind the file's end, unless the block is unwritten. */
	if (!(extent->fe_flags & FIEMAP_EXTENT_UNWRITTEN) &&
	    extent->fe_logical + extent->fe_length > reader->whole_end)
		reader->end = max(reader->next, reader->whole_end);
	bytes = min(extent->fe_length - skip, reader->end - reader->next);
	if (reader->next != 0 &&
	    extent->fe_physical + skip !=
		    reader->run_physical + (reader->next - reader->run_offset)) {
		err = run_end(reader);
		if (err)
			return err;
		reader->run_offset = reader->next;
	}
	if (reader->run_offset == reader->next)
		reader->run_physical = extent->fe_physical + skip;
	reader->next += bytes;
	return 0;
}

/*
 * Read some more extents. The filesystem puts them where a user's buffer would be.
 */
static int read_batch(struct extents_reader *reader)
{
	struct fiemap_extent_info info = {
		.fi_flags = FIEMAP_FLAG_SYNC,
		.fi_extents_max = SCRATCH_EXTENTS,
		.fi_extents_start = reader->scratch,
	};
	u64 from = reader->next;
	unsigned int i;
	int err;

	err = reader->inode->i_op->fiemap(reader->inode, &info, from, reader->end - from);
	if (err)
		return err;
	if (copy_from_user(reader->batch, reader->scratch,
			   info.fi_extents_mapped * sizeof(*reader->batch)))
		return -EFAULT;
	for (i = 0; i < info.fi_extents_mapped && reader->next < reader->end; i++) {
		err = add(reader, &reader->batch[i]);
		if (err)
			return err;
	}
	/* Nothing new: a hole up to the end, or only the last, partial block is missing. */
	if (reader->next == from)
		return from >= reader->whole_end ? 1 : -EOPNOTSUPP;
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int read_all(struct extents_reader *reader)
{
	int err = 0;

	while (!err && reader->next < reader->end)
		err = read_batch(reader);
	if (err < 0)
		return err;
	reader->end = reader->next;
	return run_end(reader);
}

int extents_read(struct inode *inode, u64 bytes, struct cow_extent **extents, unsigned int *count)
{
	struct extents_reader reader = {
		.inode = inode,
		.end = round_up(bytes, COW_BLOCK_SIZE),
		.whole_end = round_down(bytes, COW_BLOCK_SIZE),
	};
	int err;

	if (!inode->i_op->fiemap)
		return -EOPNOTSUPP;
	reader.batch = kvmalloc(SCRATCH_BYTES, GFP_KERNEL);
	if (!reader.batch)
		return -ENOMEM;
	reader.scratch = scratch_map(SCRATCH_BYTES);
	if (IS_ERR(reader.scratch)) {
		err = PTR_ERR(reader.scratch);
		goto free_batch;
	}
	err = read_all(&reader);
	scratch_unmap(reader.scratch, SCRATCH_BYTES);
	if (!err && !reader.count)
		err = -EOPNOTSUPP;
	if (err) {
		kvfree(reader.list);
	} else {
		*extents = reader.list;
		*count = reader.count;
	}
free_batch:
	kvfree(reader.batch);
	return err;
}

/*
 * Whether every known position still lies where it did. Contiguous extents are joined, so that a
 * known one may end early only where all that is known ends.
 */
static bool begins_as_mapped(const struct cow_file *cow, const struct cow_extent *extents,
			     unsigned int count)
{
	unsigned int i, nr_known;
	const struct cow_extent *known = cow_file_extents(cow, &nr_known);

	if (count < nr_known)
		return false;
	for (i = 0; i < nr_known; i++) {
		if (extents[i].offset != known[i].offset || extents[i].sector != known[i].sector)
			return false;
		if (extents[i].count != known[i].count &&
		    (i + 1 < nr_known || extents[i].count < known[i].count))
			return false;
	}
	return true;
}

int cow_read_map(struct cow_file *cow, struct inode *inode, u64 bytes)
{
	struct cow_extent *extents;
	unsigned int count;
	int err = extents_read(inode, bytes, &extents, &count);

	if (err)
		return err;
	if (cow->map && !begins_as_mapped(cow, extents, count)) {
		kvfree(extents);
		return -ESTALE;
	}
	if ((extents[count - 1].offset + extents[count - 1].count) * SECTOR_SIZE < bytes)
		cow->whole_blocks = true;
	return cow_map_set(cow, extents, count);
}
