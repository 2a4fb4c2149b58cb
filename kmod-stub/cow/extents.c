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

/* Raw I/O */

struct raw_io {
	atomic_t pending; /* bios in flight, and one for the submitter */
	int error; /* the first */
	struct completion done;
};

static void raw_put(struct raw_io *io)
{
	if (atomic_dec_and_test(&io->pending))
		complete(&io->done);
}

void cow_file_raw_end_io(struct bio *bio)
{
	struct raw_io *io = bio->bi_private;

	if (bio->bi_status)
		cmpxchg(&io->error, 0, blk_status_to_errno(bio->bi_status));
	bio_put(bio);
	raw_put(io);
}

static struct page *page_of(const void *data)
{
	return is_vmalloc_addr(data) ? vmalloc_to_page(data) : virt_to_page(data);
}

/*
 * A file that is not pinned yet is no snapshot's: what is written to it is recorded like any
 * other write.
 */
void cow_file_recorded_end_io(struct bio *bio)
{
	cow_file_raw_end_io(bio);
}

/* Submit one bio for up to @bytes bytes. Return: for how many. */
static size_t raw_submit(struct raw_io *io, struct cow_file *cow, blk_opf_t op, u64 sector,
			 void *data, u64 bytes)
{
	unsigned short nr_vecs = min_t(u64, bytes / SECTOR_SIZE, BIO_MAX_VECS);
	struct bio *bio =
		compat_bio_alloc(cow->origin, nr_vecs, op | REQ_SYNC, GFP_NOIO, &cow->raw_bios);
	size_t done = 0;

	bio->bi_iter.bi_sector = sector;
	bio->bi_end_io = cow->live ? cow_file_raw_end_io : cow_file_recorded_end_io;
	bio->bi_private = io;
	while (done < bytes) {
		unsigned int offset = offset_in_page(data + done);
		unsigned int piece = min_t(u64, bytes - done, PAGE_SIZE - offset);

		if (!bio_add_page(bio, page_of(data + done), piece, offset))
			break;
		done += piece;
	}
	atomic_inc(&io->pending);
	intercept_submit(bio);
	return done;
}

int cow_file_raw(struct cow_file *cow, blk_opf_t op, u64 offset, void *data, size_t bytes)
{
	struct raw_io io = { .pending = ATOMIC_INIT(1) };
	unsigned int noio;
	u64 sectors, sector;
	size_t done;

	if (!IS_ALIGNED(offset | bytes | (unsigned long)data, COW_BLOCK_SIZE))
		return -EINVAL;
	noio = memalloc_noio_save();
	init_completion(&io.done);
	while (bytes) {
		sectors = cow_file_map(cow, offset / SECTOR_SIZE, &sector);
		if (!sectors) {
			cmpxchg(&io.error, 0, -EFBIG);
			break;
		}
		done = raw_submit(&io, cow, op, sector, data,
				  min_t(u64, sectors * SECTOR_SIZE, bytes));
		offset += done;
		data += done;
		bytes -= done;
	}
	raw_put(&io);
	wait_for_completion_io(&io.done);
	memalloc_noio_restore(noio);
	return io.error;
}
