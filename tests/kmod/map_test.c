// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map of a COW file. The model has the place of each sector of the file on the origin, whether it
 * is the store's, and the owner of each sector of the origin.
 */
#include "check.h"
#include MAP_C

#define ORIGIN_SECTORS 1024
#define FILE_SECTORS 600
#define EXTENTS_MAX FILE_SECTORS
#define NOWHERE U64_MAX
#define HEADER_SECTORS (COW_HEADER_SIZE / SECTOR_SIZE)

static struct cow_file cow;
static struct cow_extent list[EXTENTS_MAX]; /* the extents of the file */
static unsigned int nr_list;

/* By sectors of the file. */
static u64 place[FILE_SECTORS];
static unsigned int file_end;
static bool in_store[FILE_SECTORS];
static unsigned int doubtful; /* a cut left a part of a block from here on: it may be the store's */

/* By sectors of the origin. */
static u64 owner[ORIGIN_SECTORS];

static bool whole_only; /* every extent is made of whole blocks */
static u64 unit; /* sectors of the filesystem's block */

static u64 whole_sectors(void)
{
	return file_end / COW_BLOCK_SECTORS * COW_BLOCK_SECTORS;
}

static void model_update(void)
{
	unsigned int i, j;

	for (i = 0; i < ORIGIN_SECTORS; i++)
		owner[i] = NOWHERE;
	for (file_end = 0, i = 0; i < nr_list; i++) {
		CHECK(list[i].offset == file_end);
		for (j = 0; j < list[i].count; j++) {
			CHECK(owner[list[i].sector + j] == NOWHERE);
			owner[list[i].sector + j] = file_end;
			place[file_end++] = list[i].sector + j;
		}
	}
}

static bool is_free(u64 sector, u64 count)
{
	for (; count; sector++, count--) {
		if (sector >= ORIGIN_SECTORS || owner[sector] != NOWHERE)
			return false;
	}
	return true;
}

/* Add @count sectors to the file, to the last extent if they adjoin it. */
static bool add_extent(u64 count)
{
	struct cow_extent *last = nr_list ? &list[nr_list - 1] : NULL;
	u64 behind = last ? last->sector + last->count : 0, sector = behind;
	unsigned int tries = 20;

	if (file_end + count > FILE_SECTORS)
		return false;
	if (!last || !one_in(3) || !is_free(behind, count)) {
		do {
			sector = below(ORIGIN_SECTORS / unit) * unit;
		} while (tries-- && !is_free(sector, count));
		if (!is_free(sector, count))
			return false;
	}
	if (last && sector == behind)
		last->count += count;
	else
		list[nr_list++] = (struct cow_extent){ file_end, sector, count };
	model_update();
	return true;
}

/* Give the list to the file. Return: false if there was no memory, and nothing changed. */
static bool set(void)
{
	struct cow_extent *copy = kvmalloc_array(nr_list, sizeof(*copy), GFP_KERNEL);
	bool fails = one_in(50);
	int err;

	memcpy(copy, list, nr_list * sizeof(*copy));
	memory_fails = fails ? between(1, 2) : 0;
	err = cow_map_set(&cow, copy, nr_list);
	CHECK(err == (fails ? -ENOMEM : 0));
	if (fails)
		met("no memory");
	return !fails;
}

static void begin(void)
{
	unsigned int i, nr_extents = between(1, 12);

	nr_list = 0;
	file_end = 0;
	model_update();
	whole_only = one_in(3);
	unit = whole_only ? COW_BLOCK_SECTORS : 1U << below(4);
	add_extent(round_up(between(HEADER_SECTORS, 40), unit));
	for (i = 0; i < nr_extents; i++)
		add_extent(between(1, 40 / unit) * unit);
	while (!set())
		;
	for (i = 0; i < FILE_SECTORS; i++)
		in_store[i] = i < whole_sectors();
	doubtful = FILE_SECTORS;
	met("set");
}

/* New sectors become the store's by cow_file_take(). */
static void grow(void)
{
	struct cow_extent before[EXTENTS_MAX];
	unsigned int nr_before = nr_list, i, end = whole_sectors();
	bool again = one_in(4);

	memcpy(before, list, nr_list * sizeof(list[0]));
	for (i = again ? 0 : between(1, 5); i; i--)
		add_extent(between(1, 20 / unit + 1) * unit);
	if (!set()) {
		memcpy(list, before, nr_before * sizeof(list[0]));
		nr_list = nr_before;
		model_update();
		return;
	}
	for (i = end; i < FILE_SECTORS; i++)
		in_store[i] = false;
	doubtful = FILE_SECTORS;
	if (again)
		met("set again");
	else
		met("grown");
}

static void take(void)
{
	u64 end = between(1, max(whole_sectors() / COW_BLOCK_SECTORS, 1ULL));
	unsigned int i;

	/* Sectors that were taken stay taken. */
	if (end * COW_BLOCK_SECTORS < FILE_SECTORS && in_store[end * COW_BLOCK_SECTORS])
		return;
	cow_file_take(&cow, end);
	for (i = 0; i < end * COW_BLOCK_SECTORS; i++)
		in_store[i] = true;
	doubtful = FILE_SECTORS;
	met("taken");
}

static void cut(void)
{
	u64 end = one_in(20) ? 0 : between(HEADER_SECTORS, file_end + 10);
	bool fails = one_in(50);
	int err;

	if (!one_in(4))
		end = round_up(end, COW_BLOCK_SECTORS);
	memory_fails = fails ? between(1, 3) : 0;
	err = cow_map_cut(&cow, end);
	memory_fails = 0;
	if (!end) {
		CHECK(err == -EINVAL);
		met("cut to nothing");
		return;
	}
	CHECK(err == (fails ? -ENOMEM : 0));
	if (fails)
		return;
	met("cut");
	if (end >= file_end)
		return;
	while (list[nr_list - 1].offset >= end)
		nr_list--;
	list[nr_list - 1].count = min(list[nr_list - 1].count, end - list[nr_list - 1].offset);
	model_update();
	for (; end < FILE_SECTORS; end++)
		in_store[end] = false;
	if (file_end % COW_BLOCK_SECTORS) {
		met("cut in block");
		doubtful = whole_sectors();
		whole_only = false;
	}
}

static void check_extents(void)
{
	unsigned int count, i;
	const struct cow_extent *extents = cow_file_extents(&cow, &count);

	CHECK(count == nr_list);
	for (i = 0; i < count; i++) {
		CHECK(extents[i].offset == list[i].offset);
		CHECK(extents[i].sector == list[i].sector && extents[i].count == list[i].count);
	}
	CHECK(cow_file_end(&cow) == file_end / COW_BLOCK_SECTORS);
}

static void check_lookup(void)
{
	u64 offset, sector, count, i;

	for (offset = 0; offset < file_end; offset++) {
		count = cow_file_map(&cow, offset, &sector);
		CHECK(count && count <= file_end - offset);
		for (i = 0; i < count; i++)
			CHECK(place[offset + i] == sector + i);
		/* The run ends where it must. */
		CHECK(offset + count == file_end || place[offset + count] != sector + count);
	}
	for (offset = file_end; offset < file_end + 20; offset++)
		CHECK(!cow_file_map(&cow, offset, &sector));
}

static bool is_stores(u64 sector)
{
	return owner[sector] != NOWHERE && in_store[owner[sector]];
}

static bool is_doubtful(u64 sector)
{
	return owner[sector] != NOWHERE && owner[sector] >= doubtful;
}

/* Is this sector in a block of the origin that is one whole piece of the file, behind the header? */
static bool is_in_whole(u64 sector)
{
	u64 first = round_down(sector, COW_BLOCK_SECTORS), i;

	if (owner[first] == NOWHERE || owner[first] < HEADER_SECTORS)
		return false;
	for (i = 0; i < COW_BLOCK_SECTORS; i++) {
		if (owner[first + i] != owner[first] + i)
			return false;
	}
	return true;
}

/* Has the file any sector, behind the header, in a block that is not one whole piece of it? */
static bool has_odd_blocks(void)
{
	u64 sector;

	for (sector = 0; sector < ORIGIN_SECTORS; sector++) {
		if (owner[sector] != NOWHERE && owner[sector] >= HEADER_SECTORS &&
		    !is_in_whole(sector))
			return true;
	}
	return false;
}

static void check_overlap(u64 sector, u64 count)
{
	bool overlaps = false, unknown = false, of_file = false;
	u64 i;

	for (i = sector; i < sector + count; i++) {
		overlaps |= is_stores(i);
		unknown |= is_doubtful(i);
		of_file |= owner[i] != NOWHERE;
	}
	if (!unknown)
		CHECK(cow_file_overlaps(&cow, sector, count) == overlaps);
	if (of_file && !overlaps)
		met("not taken");
}

static void check_odd(u64 sector, u64 count, bool any)
{
	u64 end = sector + count, at = sector, first = NOWHERE, owned, i;

	do {
		owned = cow_file_odd_part(&cow, at, end - at, &first);
		for (i = at; i < (owned ? first : end); i++) {
			if (is_doubtful(i))
				return;
			if (any)
				CHECK(!is_stores(i) || owner[i] < HEADER_SECTORS);
			if (is_stores(i) && owner[i] < HEADER_SECTORS)
				met("header part");
		}
		if (!owned)
			break;
		CHECK(any && first >= at && first + owned <= end);
		for (i = first; i < first + owned; i++)
			CHECK((is_stores(i) || is_doubtful(i)) && owner[i] >= HEADER_SECTORS);
		met("odd part");
		at = first + owned;
	} while (at < end);
	if (!any)
		met("nothing odd");
}

/* Check the blocks of one extent by the sectors of it in each block of the origin. */
static void check_blocks(const struct cow_extent *extent, bool whole)
{
	u64 end = extent->offset + extent->count, block, count, i, j;

	cow_file_blocks(extent, whole, &block, &count);
	for (i = 0; i < ORIGIN_SECTORS / COW_BLOCK_SECTORS; i++) {
		unsigned int has = 0;

		for (j = i * COW_BLOCK_SECTORS; j < (i + 1) * COW_BLOCK_SECTORS; j++)
			has += owner[j] != NOWHERE && owner[j] >= HEADER_SECTORS &&
			       owner[j] >= extent->offset && owner[j] < end;
		CHECK((count && i >= block && i - block < count) ==
		      (whole ? has == COW_BLOCK_SECTORS : has > 0));
	}
	if (whole && count)
		met("whole blocks");
	if (whole && !count)
		met("no whole block");
}

static void check_all(void)
{
	bool any = has_odd_blocks();
	unsigned int i;
	u64 sector;

	CHECK(!whole_only || !any);
	check_extents();
	check_lookup();
	for (sector = 0; sector < ORIGIN_SECTORS; sector++)
		check_overlap(sector, 1);
	for (i = 0; i < 300; i++) {
		sector = below(ORIGIN_SECTORS);
		check_overlap(sector, between(1, min(ORIGIN_SECTORS - sector, 60ULL)));
		sector = below(ORIGIN_SECTORS);
		check_odd(sector, between(1, min(ORIGIN_SECTORS - sector, 60ULL)), any);
	}
	check_odd(0, ORIGIN_SECTORS, any);
	for (i = 0; i < nr_list; i++) {
		check_blocks(&list[i], true);
		check_blocks(&list[i], false);
	}
}

static void run_round(void)
{
	unsigned int operations = between(1, 12);

	begin();
	check_all();
	while (operations--) {
		if (one_in(3))
			grow();
		else if (one_in(2))
			take();
		else
			cut();
		check_all();
	}
	cow_map_free(&cow);
	CHECK(!memory_live && !cow.map);
}
