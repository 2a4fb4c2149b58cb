// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map of a COW file: from positions to blocks of the origin, and whether a block is the COW
 * file's. Readers take no lock; a map that was replaced stays until the COW file is released.
 */
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include "cow_private.h"

struct cow_map {
	struct cow_map *older;
	struct cow_extent *by_position;
	struct cow_extent *by_block;
	unsigned int count; /* of either */
	u64 taken; /* positions from here on are not the store's yet */
};

static int compare_blocks(const void *a, const void *b)
{
	u64 left = ((const struct cow_extent *)a)->block;
	u64 right = ((const struct cow_extent *)b)->block;

	return left < right ? -1 : left > right;
}

int cow_map_set(struct cow_file *cow, struct cow_extent *extents, unsigned int count)
{
	struct cow_map *map = kzalloc(sizeof(*map), GFP_KERNEL);

	if (map)
		map->by_block = kvmalloc_array(count, sizeof(*extents), GFP_KERNEL);
	if (!map || !map->by_block) {
		kfree(map);
		kvfree(extents);
		return -ENOMEM;
	}
	memcpy(map->by_block, extents, count * sizeof(*extents));
	sort(map->by_block, count, sizeof(*extents), compare_blocks, NULL);
	map->by_position = extents;
	map->count = count;
	map->older = cow->map;
	map->taken = cow->map ? min(cow->map->taken, cow_file_end(cow)) : U64_MAX;
	smp_store_release(&cow->map, map); /* what it points to is there for who sees it */
	return 0;
}

int cow_map_cut(struct cow_file *cow, u64 end)
{
	unsigned int count;
	const struct cow_extent *known = cow_file_extents(cow, &count);
	struct cow_extent *extents;

	while (count && known[count - 1].position >= end)
		count--;
	if (!count)
		return -EINVAL;
	extents = kvmalloc_array(count, sizeof(*extents), GFP_KERNEL);
	if (!extents)
		return -ENOMEM;
	memcpy(extents, known, count * sizeof(*extents));
	extents[count - 1].count = min(extents[count - 1].count, end - extents[count - 1].position);
	return cow_map_set(cow, extents, count);
}

void cow_file_take(struct cow_file *cow, u64 end)
{
	WRITE_ONCE(cow->map->taken, end);
}

u64 cow_file_end(const struct cow_file *cow)
{
	unsigned int count;
	const struct cow_extent *extents = cow_file_extents(cow, &count);

	return count ? extents[count - 1].position + extents[count - 1].count : 0;
}

void cow_map_free(struct cow_file *cow)
{
	struct cow_map *map, *older;

	for (map = cow->map; map; map = older) {
		older = map->older;
		kvfree(map->by_position);
		kvfree(map->by_block);
		kfree(map);
	}
	cow->map = NULL;
}

const struct cow_extent *cow_file_extents(const struct cow_file *cow, unsigned int *count)
{
	const struct cow_map *map = smp_load_acquire(&cow->map); /* see cow_map_set() */

	*count = map->count;
	return map->by_position;
}

u64 cow_file_map(const struct cow_file *cow, u64 position, u64 *block)
{
	unsigned int low = 0, high;
	const struct cow_extent *extents = cow_file_extents(cow, &high);
	u64 within, count;

	/* Find the last extent that does not begin behind the position. */
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (extents[middle].position <= position)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return 0;
	within = position - extents[low - 1].position;
	count = extents[low - 1].count;
	if (within >= count)
		return 0;
	*block = extents[low - 1].block + within;
	return count - within;
}

/* Is the first block of an extent that is not below @block the store's? */
static bool is_taken(const struct cow_map *map, const struct cow_extent *extent, u64 block)
{
	u64 skip = block > extent->block ? block - extent->block : 0;

	return extent->position + skip < READ_ONCE(map->taken);
}

bool cow_file_overlaps(const struct cow_file *cow, u64 block, u64 count)
{
	const struct cow_map *map = smp_load_acquire(&cow->map); /* see cow_map_set() */
	unsigned int low = 0, high = map->count;

	/* Find the first extent that ends behind the block. */
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (map->by_block[middle].block + map->by_block[middle].count <= block)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < map->count && map->by_block[low].block < block + count; low++) {
		if (is_taken(map, &map->by_block[low], block))
			return true;
	}
	return false;
}
