/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a COW file lies on the origin. */
#ifndef DATTOBD_COW_MAP_H
#define DATTOBD_COW_MAP_H

#include <linux/types.h>

struct cow_file;

/**
 * struct cow_extent - A run of the file that is contiguous on the origin. All in sectors of 512
 * bytes: a filesystem with small blocks may begin and end it anywhere.
 */
struct cow_extent {
	u64 offset; /* in the file */
	u64 sector; /* on the origin */
	u64 count;
};

/** cow_file_extents() - The extents in file order. Context: any; they live as long as @cow. */
const struct cow_extent *cow_file_extents(const struct cow_file *cow, unsigned int *count);

/**
 * cow_file_map() - Where a part of the file lies.
 * @offset: sector of the file
 * @sector: result: sector of the origin
 *
 * Context: Any.
 * Return: How many sectors from there on are contiguous on the origin, 0 if @offset is outside the
 * file.
 */
u64 cow_file_map(const struct cow_file *cow, u64 offset, u64 *sector);

/**
 * cow_file_overlaps() - Does any of these sectors of the origin belong to the file?
 *
 * What the file grew by counts from cow_file_take() on.
 * Context: Any.
 */
bool cow_file_overlaps(const struct cow_file *cow, u64 sector, u64 count);

/**
 * cow_file_odd_part() - The store's part of blocks that it shares with somebody else.
 * @sector, @count: sectors of the origin, of blocks that the core has neither masked nor copied
 * @first: result: the first of them that is the store's
 *
 * A filesystem with small blocks may give the file a part of a block of the origin. The core knows
 * whole blocks only: to it that block is like any other. The file's sectors in it read as zeros in
 * the snapshot, as blocks do that are the file's whole.
 *
 * Context: Any.
 * Return: How many sectors from there on are the store's, 0 if none is. The header is not.
 */
u64 cow_file_odd_part(const struct cow_file *cow, u64 sector, u64 count, u64 *first);

/**
 * cow_file_blocks() - The store's blocks of the origin in an extent; not the header, which is
 * written through the filesystem only, like any other file's.
 * @whole: only those that are the store's whole, or else all that are its in part
 *
 * Context: Any.
 */
void cow_file_blocks(const struct cow_extent *extent, bool whole, u64 *block, u64 *count);

/** cow_file_end() - First position of a block that is not whole in the map. Context: any. */
u64 cow_file_end(const struct cow_file *cow);

/** cow_file_take() - Positions before @end are the store's from now on. Context: any. */
void cow_file_take(struct cow_file *cow, u64 end);

/**
 * cow_map_set() - Let a file lie at these extents from now on.
 * @extents: in file order, without holes, from offset 0 on; freed with the file, or by a failure
 *
 * Return: 0 or -%ENOMEM.
 */
int cow_map_set(struct cow_file *cow, struct cow_extent *extents, unsigned int count);

/**
 * cow_map_cut() - Forget what lies behind sector @end of the file.
 *
 * Return: 0; -%ENOMEM; -%EINVAL if nothing would be left.
 */
int cow_map_cut(struct cow_file *cow, u64 end);

/** cow_file_clip() - The file has @bytes only, fewer than was read. Return: as cow_map_cut(). */
int cow_file_clip(struct cow_file *cow, u64 bytes);

void cow_map_free(struct cow_file *cow);

#endif
