// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extents are what the filesystem says; before they are relied on, see that it means what we
 * think.
 *
 * Found this way: physical addresses that are not the device's (a realtime section, a volume of
 * several devices); a journal that data go through, since a block written and synced is then not
 * yet in its place; and filesystems that zero unwritten blocks beside one that is written, as
 * ext4 does without dioread_nolock or without delayed allocation.
 */
#include <linux/fs.h>
#include <linux/random.h>
#include <linux/vmalloc.h>
#include "cow_private.h"

static int write_synced(struct file *file, const void *block, u64 position)
{
	int err = cow_file_write(file, block, COW_BLOCK_SIZE, position * COW_BLOCK_SIZE);

	return err ? err : vfs_fsync(file, 0);
}

/* Does the device hold @block where the file's @position should be? @buffer is scratch. */
static int expect_raw(struct cow_file *cow, const void *block, u64 position, void *buffer)
{
	int err = cow_file_raw(cow, REQ_OP_READ, position * COW_BLOCK_SIZE, buffer, COW_BLOCK_SIZE);

	if (err)
		return err;
	return memcmp(block, buffer, COW_BLOCK_SIZE) ? -EOPNOTSUPP : 0;
}

/*
 * A block written through the filesystem, and afterwards zeros again, must arrive where the
 * extents say.
 */
static int prove_position(struct cow_file *cow, struct file *file, u64 position, u8 *nonce,
			  void *buffer)
{
	int err;

	get_random_bytes(nonce, COW_BLOCK_SIZE);
	err = write_synced(file, nonce, position);
	if (!err)
		err = expect_raw(cow, nonce, position, buffer);
	if (err)
		return err;
	memset(nonce, 0, COW_BLOCK_SIZE);
	return write_synced(file, nonce, position);
}

/*
 * A raw block must outlive a filesystem write next to it. It is put first into an unwritten
 * extent and its successor is written, which is where ext4 would rather zero a few blocks than
 * split the extent.
 */
static int prove_neighbour(struct cow_file *cow, struct file *file, u64 position, u8 *nonce,
			   u8 *buffer)
{
	u8 *sentinel = buffer + COW_BLOCK_SIZE;
	int err;

	get_random_bytes(sentinel, COW_BLOCK_SIZE);
	err = cow_file_raw(cow, REQ_OP_WRITE, position * COW_BLOCK_SIZE, sentinel, COW_BLOCK_SIZE);
	if (!err)
		err = prove_position(cow, file, position + 1, nonce, buffer);
	if (!err)
		err = expect_raw(cow, sentinel, position, buffer);
	if (err)
		return err;
	memset(sentinel, 0, COW_BLOCK_SIZE);
	return cow_file_raw(cow, REQ_OP_WRITE, position * COW_BLOCK_SIZE, sentinel, COW_BLOCK_SIZE);
}

/*
 * The first position of the store that shares an extent with the next one: there a write could
 * zero its neighbour. Return: 0 if there is none.
 */
static u64 first_with_neighbour(const struct cow_extent *extents, unsigned int count, u64 end)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		u64 from = max_t(u64, extents[i].offset, COW_BLOCK_SECTORS);
		u64 next = from / COW_BLOCK_SECTORS + 1;

		if (next * COW_BLOCK_SECTORS < extents[i].offset + extents[i].count)
			return next < end ? next - 1 : 0;
	}
	return 0;
}

int cow_prove(struct cow_file *cow, struct file *file, const void *header)
{
	unsigned int count;
	const struct cow_extent *extents = cow_file_extents(cow, &count);
	const struct cow_extent *last = &extents[count - 1];
	u64 end = min((last->offset + last->count) / COW_BLOCK_SECTORS,
		      cow->bytes / COW_BLOCK_SIZE); /* of whole blocks */
	u64 position = first_with_neighbour(extents, count, end);
	u8 *pages = vmalloc(3 * COW_BLOCK_SIZE);
	int err;

	if (!pages)
		return -ENOMEM;
	err = expect_raw(cow, header, 0, pages);
	if (!err && end > 1)
		err = prove_position(cow, file, end - 1, pages, pages + COW_BLOCK_SIZE);
	if (!err && position)
		err = prove_neighbour(cow, file, position, pages, pages + COW_BLOCK_SIZE);
	vfree(pages);
	return err;
}
