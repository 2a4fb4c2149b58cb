// SPDX-License-Identifier: GPL-2.0-only
/*
 * The extents are what the filesystem reports. Before they are relied on, check that it means what
 * we think.
 *
 * Found this way: physical addresses that are not the device's (a realtime section, a volume of
 * several devices), and a journal that data go through, since a block written and synced is then
 * not yet in its place.
 */
#include <linux/fs.h>
#include <linux/random.h>
#include <linux/vmalloc.h>
#include "cow/private.h"
#include "cow/prove.h"
#include "cow/raw.h"
#include "cow/write.h"

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

int cow_prove(struct cow_file *cow, struct file *file, const void *header)
{
	u64 end = cow->bytes / COW_BLOCK_SIZE; /* of whole blocks */
	u8 *pages = vmalloc(2 * COW_BLOCK_SIZE);
	int err;

	if (!pages)
		return -ENOMEM;
	err = expect_raw(cow, header, 0, pages);
	if (!err && end > 1)
		err = prove_position(cow, file, end - 1, pages, pages + COW_BLOCK_SIZE);
	vfree(pages);
	return err;
}
