// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map of a COW file: from its sectors to those of the origin, and whether one of those is the
 * COW file's. Readers take no lock; a map that was replaced stays until the COW file is released.
 */
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>
#include "cow/map.h"
#include "cow/private.h"

struct cow_map {
	struct cow_map *older;
	struct cow_extent *by_offset;
	struct cow_extent *by_sector;
	unsigned int count; /* of either */
	bool odd; /* not all that is the store's is whole blocks of the origin */
	u64 taken; /* sectors of the file from here on are not the store's yet */
};

static int compare_sectors(const void *a, const void *b)
{
	u64 left = ((const struct cow_extent *)a)->sector;
	u64 right = ((const struct cow_extent *)b)->sector;

	return left < right ? -1 : left > right;
}

/* The store's part of an extent: behind the header, and before @taken. Empty: @count is 0. */
static struct cow_extent store_part(const struct cow_extent *extent, u64 taken)
{
	u64 from = max_t(u64, extent->offset, COW_HEADER_SIZE / SECTOR_SIZE);
	u64 to = min(extent->offset + extent->count, taken);

	return (struct cow_extent){
		.offset = from,
		.sector = extent->sector + (from - extent->offset),
		.count = to > from ? to - from : 0,
	};
}

static bool is_odd(const struct cow_extent *extents, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct cow_extent part = store_part(&extents[i], U64_MAX);

		if (part.count && !IS_ALIGNED(part.sector | part.count, COW_BLOCK_SECTORS))
			return true;
	}
	return false;
}

/* End of the last block of the file that is whole. */
static u64 whole_end(const struct cow_map *map)
{
	const struct cow_extent *last = &map->by_offset[map->count - 1];

	return round_down(last->offset + last->count, COW_BLOCK_SECTORS);
}

int cow_map_set(struct cow_file *cow, struct cow_extent *extents, unsigned int count)
{
	struct cow_map *map = kzalloc(sizeof(*map), GFP_KERNEL);

	if (map)
		map->by_sector = kvmalloc_array(count, sizeof(*extents), GFP_KERNEL);
	if (!map || !map->by_sector) {
		kfree(map);
		kvfree(extents);
		return -ENOMEM;
	}
	memcpy(map->by_sector, extents, count * sizeof(*extents));
	sort(map->by_sector, count, sizeof(*extents), compare_sectors, NULL);
	map->by_offset = extents;
	map->count = count;
	map->odd = is_odd(extents, count);
	map->older = cow->map;
	map->taken = cow->map ? min(cow->map->taken, whole_end(cow->map)) : whole_end(map);
	smp_store_release(&cow->map, map); /* what it points to is there for who sees it */
	return 0;
}

int cow_map_cut(struct cow_file *cow, u64 end)
{
	unsigned int count;
	const struct cow_extent *known = cow_file_extents(cow, &count);
	struct cow_extent *extents, *last;

	while (count && known[count - 1].offset >= end)
		count--;
	if (!count)
		return -EINVAL;
	extents = kvmalloc_array(count, sizeof(*extents), GFP_KERNEL);
	if (!extents)
		return -ENOMEM;
	memcpy(extents, known, count * sizeof(*extents));
	last = &extents[count - 1];
	last->count = min(last->count, end - last->offset);
	return cow_map_set(cow, extents, count);
}

int cow_file_clip(struct cow_file *cow, u64 bytes)
{
	int err = cow_map_cut(cow, bytes / SECTOR_SIZE);

	if (!err)
		cow->bytes = bytes;
	return err;
}

void cow_file_take(struct cow_file *cow, u64 end)
{
	WRITE_ONCE(cow->map->taken, end * COW_BLOCK_SECTORS);
}

u64 cow_file_end(const struct cow_file *cow)
{
	return whole_end(smp_load_acquire(&cow->map)) / COW_BLOCK_SECTORS; /* see cow_map_set() */
}

void cow_map_free(struct cow_file *cow)
{
	struct cow_map *map, *older;

	for (map = cow->map; map; map = older) {
		older = map->older;
		kvfree(map->by_offset);
		kvfree(map->by_sector);
		kfree(map);
	}
	cow->map = NULL;
}

const struct cow_extent *cow_file_extents(const struct cow_file *cow, unsigned int *count)
{
	const struct cow_map *map = smp_load_acquire(&cow->map); /* see cow_map_set() */

	*count = map->count;
	return map->by_offset;
}

u64 cow_file_map(const struct cow_file *cow, u64 offset, u64 *sector)
{
	unsigned int low = 0, high;
	const struct cow_extent *extents = cow_file_extents(cow, &high);
	u64 within, count;

	/* Find the last extent that does not begin behind the offset. */
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (extents[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return 0;
	within = offset - extents[low - 1].offset;
	count = extents[low - 1].count;
	if (within >= count)
		return 0;
	*sector = extents[low - 1].sector + within;
	return count - within;
}

/* The first extent, by sectors, that ends behind @sector. */
static unsigned int first_behind(const struct cow_map *map, u64 sector)
{
	unsigned int low = 0, high = map->count;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (map->by_sector[middle].sector + map->by_sector[middle].count <= sector)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Is the first sector of an extent that is not below @sector the store's? */
static bool is_taken(const struct cow_map *map, const struct cow_extent *extent, u64 sector)
{
	u64 skip = sector > extent->sector ? sector - extent->sector : 0;

	return extent->offset + skip < READ_ONCE(map->taken);
}

bool cow_file_overlaps(const struct cow_file *cow, u64 sector, u64 count)
{
	const struct cow_map *map = smp_load_acquire(&cow->map); /* see cow_map_set() */
	unsigned int i = first_behind(map, sector);

	for (; i < map->count && map->by_sector[i].sector < sector + count; i++) {
		if (is_taken(map, &map->by_sector[i], sector))
			return true;
	}
	return false;
}

u64 cow_file_odd_part(const struct cow_file *cow, u64 sector, u64 count, u64 *first)
{
	const struct cow_map *map = smp_load_acquire(&cow->map); /* see cow_map_set() */
	u64 taken, end = sector + count;
	unsigned int i;

	if (likely(!map->odd))
		return 0;
	taken = READ_ONCE(map->taken);
	for (i = first_behind(map, sector); i < map->count && map->by_sector[i].sector < end; i++) {
		struct cow_extent part = store_part(&map->by_sector[i], taken);
		u64 from = max(part.sector, sector);
		u64 to = min(part.sector + part.count, end);

		if (from < to) {
			*first = from;
			return to - from;
		}
	}
	return 0;
}

void cow_file_blocks(const struct cow_extent *extent, bool whole, u64 *block, u64 *count)
{
	struct cow_extent part = store_part(extent, U64_MAX);
	u64 end = part.sector + part.count;

	if (whole) {
		*block = DIV_ROUND_UP_ULL(part.sector, COW_BLOCK_SECTORS);
		end /= COW_BLOCK_SECTORS;
	} else {
		*block = part.sector / COW_BLOCK_SECTORS;
		end = DIV_ROUND_UP_ULL(end, COW_BLOCK_SECTORS);
	}
	*count = part.count && end > *block ? end - *block : 0;
}
