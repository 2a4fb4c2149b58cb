/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model of a file on a filesystem: the place of each unit of the file. The filesystem describes
 * it in pieces, which it cuts differently for each call.
 */
#ifndef EXTENTS_MODEL_H
#define EXTENTS_MODEL_H

#define UNIT 256 /* bytes; half a sector */
#define UNITS_MAX 16384
#define BLOCK_UNITS (COW_BLOCK_SIZE / UNIT)
#define SECTOR_UNITS (SECTOR_SIZE / UNIT)
#define HOLE U64_MAX

static const u32 bad_flags[] = {
	FIEMAP_EXTENT_UNKNOWN,	      FIEMAP_EXTENT_DELALLOC,	 FIEMAP_EXTENT_ENCODED,
	FIEMAP_EXTENT_DATA_ENCRYPTED, FIEMAP_EXTENT_NOT_ALIGNED, FIEMAP_EXTENT_DATA_INLINE,
	FIEMAP_EXTENT_DATA_TAIL,      FIEMAP_EXTENT_SHARED,
};

static struct {
	u64 physical; /* in bytes, or HOLE */
	u32 flags;
} units[UNITS_MAX];
static unsigned int nr_units;
static u64 file_bytes;

static unsigned int batch_max, batches_left, batches; /* calls until one fails */
static bool scratch_fails, scratch_used;

void __user *scratch_map(size_t bytes)
{
	CHECK(!scratch_used && bytes >= SCRATCH_EXTENTS * sizeof(struct fiemap_extent));
	if (scratch_fails)
		return ERR_PTR(-EAGAIN);
	scratch_used = true;
	return malloc(bytes);
}

void scratch_unmap(void __user *scratch, size_t bytes)
{
	CHECK(scratch_used && bytes >= SCRATCH_EXTENTS * sizeof(struct fiemap_extent));
	scratch_used = false;
	free(scratch);
}

/* Do a unit and the one before lie in one extent? */
static bool follows(unsigned int unit)
{
	return unit && units[unit].physical != HOLE && units[unit - 1].physical != HOLE &&
	       units[unit].physical == units[unit - 1].physical + UNIT &&
	       units[unit].flags == units[unit - 1].flags;
}

static int fiemap(struct inode *inode, struct fiemap_extent_info *info, u64 from, u64 bytes)
{
	u64 unit = from / UNIT, end = min((from + bytes) / UNIT, (u64)nr_units), next;
	bool cut = one_in(2);

	CHECK(info->fi_flags == FIEMAP_FLAG_SYNC && info->fi_extents_max == SCRATCH_EXTENTS);
	CHECK(from % UNIT == 0 && bytes && from + bytes <= round_up(file_bytes, COW_BLOCK_SIZE));
	batches++;
	if (batches_left && !--batches_left)
		return -EIO;
	while (unit < nr_units && follows(unit) && one_in(2))
		unit--;
	for (; unit < end && info->fi_extents_mapped < batch_max; unit = next) {
		next = unit + 1;
		if (units[unit].physical == HOLE)
			continue;
		while (next < nr_units && follows(next) && !(cut && one_in(20)))
			next++;
		if (next * UNIT <= from)
			continue;
		info->fi_extents_start[info->fi_extents_mapped++] = (struct fiemap_extent){
			.fe_logical = unit * UNIT,
			.fe_physical = units[unit].physical,
			.fe_length = (next - unit) * UNIT,
			.fe_flags = units[unit].flags | (one_in(2) ? FIEMAP_EXTENT_MERGED : 0) |
				    (next == nr_units ? FIEMAP_EXTENT_LAST : 0),
		};
	}
	return 0;
}

static const struct inode_operations filesystem = { .fiemap = fiemap };

static struct cow_extent expected[UNITS_MAX];
static unsigned int nr_expected;

static bool anything_from(unsigned int unit, unsigned int end)
{
	for (; unit < end && unit < nr_units; unit++) {
		if (units[unit].physical != HOLE)
			return true;
	}
	return false;
}

/* Return: the end of the part that raw I/O can reach, 0 if there is none or the file is refused. */
static unsigned int reachable(void)
{
	unsigned int end = DIV_ROUND_UP(file_bytes, COW_BLOCK_SIZE) * BLOCK_UNITS;
	unsigned int whole = file_bytes / COW_BLOCK_SIZE * BLOCK_UNITS, unit;

	for (unit = 0; unit < end; unit++) {
		bool hole = unit >= nr_units || units[unit].physical == HOLE;

		if (hole && unit < whole) {
			met("hole");
			return 0;
		}
		if (hole && anything_from(unit, end)) {
			met("hole in tail");
			return 0;
		}
		if (hole) {
			met("no tail");
			return unit;
		}
		if (units[unit].flags & ~FIEMAP_EXTENT_UNWRITTEN) {
			met("unusable");
			return 0;
		}
		if (unit >= whole && !(units[unit].flags & FIEMAP_EXTENT_UNWRITTEN)) {
			if (unit)
				met("tail left");
			else
				met("tail only");
			return unit;
		}
	}
	if (end > whole)
		met("partial block");
	return end;
}

/* Return: false if the file must be refused. */
static bool expect_runs(void)
{
	unsigned int end = reachable(), unit, start;

	nr_expected = 0;
	if (!end)
		return false;
	for (start = 0; start < end; start = unit) {
		for (unit = start + 1; unit < end; unit++) {
			if (units[unit].physical != units[unit - 1].physical + UNIT)
				break;
			if (units[unit].flags != units[unit - 1].flags)
				met("joined");
		}
		if (units[start].physical % SECTOR_SIZE || (unit - start) % SECTOR_UNITS) {
			met("unaligned");
			return false;
		}
		expected[nr_expected++] = (struct cow_extent){
			.offset = start / SECTOR_UNITS,
			.sector = units[start].physical / SECTOR_SIZE,
			.count = (unit - start) / SECTOR_UNITS,
		};
	}
	return true;
}

/* How often each kind of trouble comes: once in so many extents; 0: never. */
struct troubles {
	unsigned int hole, bad, unaligned, written;
};

static bool happens(unsigned int times)
{
	return times && one_in(times);
}

static unsigned int grain; /* units of the filesystem's block */
static u64 physical; /* behind the last extent */

/* One more extent, of whole blocks of the filesystem. */
static void add_extent(const struct troubles *troubles, unsigned int length_max)
{
	unsigned int length = between(1, length_max) * grain;
	u32 flags = happens(troubles->written) ? 0 : FIEMAP_EXTENT_UNWRITTEN;
	bool hole = happens(troubles->hole);

	if (happens(troubles->bad))
		flags |= bad_flags[below(sizeof(bad_flags) / sizeof(bad_flags[0]))];
	if (!one_in(3))
		physical += between(1, 1000) * grain * UNIT;
	if (happens(troubles->unaligned))
		physical += UNIT;
	if (happens(troubles->unaligned))
		length++;
	for (; length && nr_units < UNITS_MAX; length--, nr_units++) {
		units[nr_units].physical = hole ? HOLE : physical;
		units[nr_units].flags = flags;
		physical += UNIT;
	}
}

static void make_file(void)
{
	static const unsigned int grains[] = { 2, 4, 8, 16, 16, 16, 256 };
	struct troubles troubles = {
		.hole = one_in(8) ? between(2, 60) : 0,
		.bad = one_in(8) ? between(2, 60) : 0,
		.unaligned = one_in(8) ? between(2, 60) : 0,
		.written = one_in(3) ? 0 : between(1, 4),
	};
	/* Some have more extents than the list has room for at first. */
	u64 blocks = one_in(30) ? between(1, 800) : one_in(10) ? 1 : between(1, 60);
	unsigned int length_max = one_in(2) ? 1 : between(1, 12), end;

	grain = grains[below(sizeof(grains) / sizeof(grains[0]))];
	physical = below(1000) * COW_BLOCK_SIZE + (one_in(60) ? UNIT : 0);
	file_bytes = blocks * COW_BLOCK_SIZE - (one_in(2) ? below(COW_BLOCK_SIZE) : 0);
	/* The filesystem allocates whole blocks of its own, and may allocate more, or less. */
	end = DIV_ROUND_UP(file_bytes, grain * UNIT) * grain + (one_in(4) ? below(3) * grain : 0);
	end -= one_in(10) ? min(end, (unsigned int)below(2 * BLOCK_UNITS)) : 0;
	for (nr_units = 0; nr_units < min(end, (unsigned int)UNITS_MAX);)
		add_extent(&troubles, length_max);
	nr_units = min(nr_units, end);
	if (nr_units && one_in(20))
		units[nr_units - between(1, min(nr_units, BLOCK_UNITS))].physical = HOLE;
}

#endif
