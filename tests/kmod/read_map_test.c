// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map of a file that is read again and again, while the file grows, is cut, written or moved. The
 * model remembers the place of each sector that was mapped.
 */
#include "check.h"
#include MAP_C
#include EXTENTS_C
#include "extents_model.h"

#define SECTORS_MAX (UNITS_MAX / SECTOR_UNITS)

static struct cow_file cow;
static u64 known[SECTORS_MAX]; /* place of each sector */
static unsigned int nr_known, nr_maps;

/* The same of the runs that are expected now. */
static u64 places[SECTORS_MAX];
static unsigned int nr_places;

static void set_places(void)
{
	unsigned int i, j;

	for (nr_places = 0, i = 0; i < nr_expected; i++) {
		for (j = 0; j < expected[i].count; j++)
			places[nr_places++] = expected[i].sector + j;
	}
}

/* Does every sector that was mapped lie where it did? */
static bool is_kept(void)
{
	return nr_places >= nr_known && !memcmp(places, known, nr_known * sizeof(known[0]));
}

static void check_map(void)
{
	unsigned int i, count;
	const struct cow_extent *extents = cow_file_extents(&cow, &count);

	CHECK(count == nr_expected);
	for (i = 0; i < count; i++) {
		CHECK(extents[i].offset == expected[i].offset);
		CHECK(extents[i].sector == expected[i].sector);
		CHECK(extents[i].count == expected[i].count);
	}
}

static void read_once(void)
{
	bool possible = expect_runs(), fails = one_in(20), left_out = cow.whole_blocks;
	struct inode inode = { .i_op = &filesystem };
	int err;

	set_places();
	batch_max = between(1, 1000);
	memory_fails = fails ? between(1, 8) : 0;
	err = cow_read_map(&cow, &inode, file_bytes);
	if (fails && !memory_fails) {
		CHECK(err == -ENOMEM);
		met("no memory");
	} else if (!possible) {
		CHECK(err == -EOPNOTSUPP);
		met("refused");
	} else if (!is_kept()) {
		CHECK(err == -ESTALE);
		met("stale");
	} else {
		CHECK(!err);
		CHECK(cow.whole_blocks == (left_out || nr_places * SECTOR_SIZE < file_bytes));
		if (nr_places > nr_known && nr_known)
			met("grown");
		else
			met("read");
		memcpy(known, places, nr_places * sizeof(known[0]));
		nr_known = nr_places;
	}
	nr_maps += !err;
	if (!err)
		check_map();
	CHECK(memory_live == nr_maps * 3 && !scratch_used);
}

static void grow_file(void)
{
	static const struct troubles none;

	file_bytes += between(1, 30 * COW_BLOCK_SIZE);
	while ((u64)nr_units * UNIT < file_bytes)
		add_extent(&none, between(1, 12));
}

static void cut_file(void)
{
	file_bytes -= below(min(file_bytes, 3ULL * COW_BLOCK_SIZE));
	nr_units = min(nr_units, DIV_ROUND_UP((unsigned int)file_bytes, grain * UNIT) * grain);
}

/* Write some of the file. */
static void write_file(void)
{
	unsigned int unit = below(nr_units + 1),
		     end = min(nr_units, unit + (unsigned int)below(100));

	for (; unit < end; unit++)
		units[unit].flags &= ~FIEMAP_EXTENT_UNWRITTEN;
}

/* Move a part of the file, without the rest of its extent. */
static void move_file(void)
{
	unsigned int unit = below(nr_units + 1),
		     end = min(nr_units, unit + (unsigned int)below(100));

	for (; unit < end; unit++)
		units[unit].physical += units[unit].physical == HOLE ? 0 : 1ULL << 40;
}

static void run_round(void)
{
	unsigned int reads = between(1, 6);

	cow = (struct cow_file){};
	nr_maps = 0;
	nr_known = 0;
	make_file();
	read_once();
	while (--reads) {
		if (one_in(2))
			grow_file();
		else if (one_in(2))
			write_file();
		else if (one_in(2))
			cut_file();
		else if (one_in(2))
			move_file();
		read_once();
	}
	cow_map_free(&cow);
	CHECK(!memory_live);
}
