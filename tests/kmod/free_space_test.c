// SPDX-License-Identifier: GPL-2.0-only
/*
 * The runs of free blocks in a filesystem's records. The model has the free record of each unit: a
 * block is free if one such record covers all of it.
 */
#include "check.h"
#include FREE_SPACE_C

#define UNIT 512 /* bytes: records begin and end at any of them */
#define BLOCK_UNITS (COW_BLOCK_SIZE / UNIT)
#define BLOCKS 6000
#define RECORDS_MAX (BLOCKS * BLOCK_UNITS + 1)
#define DEVICE 0x801

static struct fsmap records[RECORDS_MAX]; /* all that the filesystem has, in order */
static unsigned int nr_records;
static int record_of[BLOCKS * BLOCK_UNITS]; /* number of the free record that has the unit, or -1 */
static bool fragmented; /* instead, every second block is free, and there are too many */
static u64 nr_returned; /* records */

static bool mounted, opened, scratch_used;
static int mount_error, open_error;
static bool returns_too_many;
static unsigned int batch_max, batches, batches_left; /* calls until one fails */
static struct block_device snapshot;

void __user *scratch_map(size_t bytes)
{
	CHECK(!scratch_used && bytes >= FSMAP_BYTES);
	scratch_used = true;
	return calloc(1, bytes);
}

void scratch_unmap(void __user *scratch, size_t bytes)
{
	CHECK(scratch_used);
	scratch_used = false;
	free(scratch);
}

static struct dentry root;
static struct vfsmount mount = { .mnt_root = &root };

int own_mount(struct own_mount *own, struct block_device *bdev, const char *type,
	      const char *device)
{
	CHECK(bdev == &snapshot && !mounted);
	if (mount_error)
		return mount_error;
	mounted = true;
	own->mnt = &mount;
	return 0;
}

void own_unmount(struct own_mount *own)
{
	CHECK(mounted && !opened && own->mnt == &mount);
	mounted = false;
}

static struct fsmap last_record;

static bool has_record(u64 number)
{
	return number < (fragmented ? EXTENTS_MAX + 8192ULL : nr_records);
}

static struct fsmap record(u64 number)
{
	return fragmented ?
		       (struct fsmap){
			       .fmr_device = DEVICE,
			       .fmr_flags = FMR_OF_SPECIAL_OWNER,
			       .fmr_physical = number * 2 * COW_BLOCK_SIZE,
			       .fmr_owner = FMR_OWN_FREE,
			       .fmr_length = COW_BLOCK_SIZE,
		       } :
		       records[number];
}

/* Return the records behind the low key, which is the last record of the call before. */
static long get_fsmap(struct file *file, unsigned int command, unsigned long argument)
{
	struct fsmap_head *head = (struct fsmap_head *)argument;
	const struct fsmap *low = &head->fmh_keys[0], *high = &head->fmh_keys[1];

	CHECK(command == FS_IOC_GETFSMAP && opened && head->fmh_count == FSMAP_RECORDS);
	CHECK(!head->fmh_entries && !head->fmh_iflags);
	CHECK(high->fmr_device == U32_MAX && high->fmr_physical == U64_MAX);
	CHECK(high->fmr_owner == U64_MAX && high->fmr_offset == U64_MAX);
	batches++;
	if (batches_left && !--batches_left)
		return -EIO;
	if (nr_returned)
		CHECK(!memcmp(low, &last_record, sizeof(*low)));
	while (head->fmh_entries < min(batch_max, head->fmh_count) && has_record(nr_returned)) {
		last_record = record(nr_returned++);
		head->fmh_recs[head->fmh_entries++] = last_record;
	}
	if (returns_too_many)
		head->fmh_entries = FSMAP_RECORDS + 1;
	return 0;
}

static const struct file_operations operations = { .unlocked_ioctl = get_fsmap }, none;
static struct super_block super = { .s_dev = DEVICE };
static struct inode inode = { .i_sb = &super };
static struct file folder = { .f_inode = &inode };

struct file *dentry_open(const struct path *path, int flags, const void *cred)
{
	CHECK(path->mnt == &mount && path->dentry == &root && !(flags & O_ACCMODE) && !opened);
	if (open_error)
		return ERR_PTR(open_error);
	opened = true;
	return &folder;
}

void compat_fput(struct file *file)
{
	CHECK(opened && file == &folder);
	opened = false;
}

static void add_record(u64 start, u64 count, bool free)
{
	struct fsmap *record = &records[nr_records];
	u64 unit;

	*record = (struct fsmap){
		.fmr_device = DEVICE,
		.fmr_flags = FMR_OF_SPECIAL_OWNER,
		.fmr_physical = start * UNIT,
		.fmr_owner = FMR_OWN_FREE,
		.fmr_length = count * UNIT,
	};
	for (unit = start; unit < start + count; unit++)
		record_of[unit] = free ? (int)nr_records : -1;
	nr_records++;
	if (free)
		return;
	/* It is not free, for one of three reasons. */
	switch (below(3)) {
	case 0:
		record->fmr_device = DEVICE + 1; /* a log on another device */
		break;
	case 1:
		record->fmr_owner = FMR_OWN_METADATA;
		break;
	default:
		record->fmr_flags = FMR_OF_EXTENT_MAP; /* that is the number of an inode */
	}
}

/* Return: the last free record that has a whole block wherever it begins, or -1. */
static int make_records(void)
{
	u64 grain = 1U << below(4), units = BLOCKS * BLOCK_UNITS, at, count;
	unsigned int length_max = one_in(2) ? 30 : 400;
	int last = -1;

	nr_records = 0;
	for (at = 0; at < units; at++)
		record_of[at] = -1;
	for (at = below(100) * grain; at < units && !one_in(2000); at += count) {
		count = min(between(1, length_max) * grain, units - at);
		add_record(at, count, one_in(2));
		if (record_of[at] >= 0 && count >= 2 * BLOCK_UNITS)
			last = record_of[at];
		at += one_in(3) ? below(30) * grain : 0; /* a gap between records */
	}
	if (nr_records && one_in(2))
		records[nr_records - 1].fmr_flags |= FMR_OF_LAST;
	return last;
}

static bool is_block_free(u64 block)
{
	u64 unit = block * BLOCK_UNITS, i;

	for (i = 0; i < BLOCK_UNITS; i++) {
		if (block >= BLOCKS || record_of[unit] < 0 ||
		    record_of[unit + i] != record_of[unit])
			return false;
	}
	return true;
}

static void check_run(const struct free_space *space, u64 block, u64 count)
{
	bool free, wanted = is_block_free(block);
	u64 run = free_space_run(space, block, count, &free), i;

	CHECK(free == wanted && run && run <= count);
	for (i = 1; i < run && block + i < BLOCKS; i++)
		CHECK(is_block_free(block + i) == free);
	CHECK(!free || block + run <= BLOCKS);
	CHECK(run == count || is_block_free(block + run) != free);
	if (free)
		met("free");
	else
		met("in use");
	if (free && record_of[block * BLOCK_UNITS] != record_of[(block + run - 1) * BLOCK_UNITS])
		met("joined");
}

static void check_space(const struct free_space *space)
{
	unsigned int i;
	u64 block;

	for (block = 0; block < BLOCKS + 3; block++)
		check_run(space, block, one_in(2) ? U64_MAX - block : between(1, 50));
	for (i = 1; i < space->count; i++)
		CHECK(space->list[i - 1].block + space->list[i - 1].count < space->list[i].block);
	if (space->count > 256)
		met("list grown");
	if (batches > 1)
		met("next batch");
}

static struct free_space *read_space(void)
{
	struct free_space *space;

	batches = 0;
	nr_returned = 0;
	space = free_space_read(&snapshot, "ext4", "/dev/datto0");
	CHECK(!mounted && !opened && !scratch_used);
	return space;
}

/* Blocks behind the last extent that the list may have count as in use. */
static void check_limit(void)
{
	struct free_space *space;
	bool free;

	fragmented = true;
	batch_max = UINT_MAX;
	folder.f_op = &operations;
	space = read_space();
	CHECK(!IS_ERR(space) && space->count >= EXTENTS_MAX && space->count <= EXTENTS_MAX + 2048);
	CHECK(free_space_run(space, 2 * (EXTENTS_MAX - 1), 9, &free) == 1 && free);
	CHECK(free_space_run(space, 2 * (EXTENTS_MAX + 2048), 9, &free) == 9 && !free);
	free_space_free(space);
	CHECK(free_space_run(NULL, 7, 9, &free) == 9 && !free);
	free_space_free(NULL);
	fragmented = false;
	met("limit");
}

/* Prepare one failure, or none. Return: the error that follows if it is met. */
static int make_trouble(int last)
{
	mount_error = 0;
	open_error = 0;
	folder.f_op = &operations;
	batches_left = 0;
	memory_fails = 0;
	task_killed = false;
	returns_too_many = false;
	switch (below(24)) {
	case 0:
		return mount_error = -ENODEV;
	case 1:
		return open_error = -EMFILE;
	case 2:
		folder.f_op = &none;
		return -EOPNOTSUPP;
	case 3:
		batches_left = between(1, 3);
		return -EIO;
	case 4:
		memory_fails = between(1, 4);
		return -ENOMEM;
	case 5:
		task_killed = true;
		return -EINTR;
	case 6:
		returns_too_many = true;
		return -EUCLEAN;
	case 7:
		if (last < 0)
			return 0;
		/* A free record comes twice. */
		records[nr_records - 1].fmr_flags &= ~FMR_OF_LAST;
		records[nr_records++] = records[last];
		return -EUCLEAN;
	}
	return 0;
}

static bool trouble_met(int error)
{
	return !(error == -EIO && batches_left) && !(error == -ENOMEM && memory_fails) &&
	       !(error == -EINTR && batches == 1);
}

static void run_round(void)
{
	static bool limit_checked;
	struct free_space *space;
	int error;

	if (!limit_checked)
		check_limit();
	limit_checked = true;
	error = make_trouble(make_records());
	batch_max = one_in(2) ? UINT_MAX : between(1, 300);
	space = read_space();
	if (IS_ERR(space)) {
		CHECK(PTR_ERR(space) == error);
		met("refused");
	} else {
		CHECK(!error || !trouble_met(error));
		check_space(space);
		free_space_free(space);
	}
	CHECK(!memory_live);
}
