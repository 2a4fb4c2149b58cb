/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model of a volume: its core, which gives copies their positions, and the content that each
 * copy must have.
 */
#ifndef PIPELINE_MODEL_H
#define PIPELINE_MODEL_H

#define BLOCKS_MAX (DISK_SECTORS / COW_BLOCK_SECTORS)
#define FILE_BLOCKS_MAX 2600
#define FILE_SECTORS_MAX (FILE_BLOCKS_MAX * COW_BLOCK_SECTORS)
#define HEADER_SECTORS (COW_HEADER_SIZE / SECTOR_SIZE)
#define FIRST_POSITION 3
#define MINOR 7
#define SECTION 5 /* any, that the core misses */

static struct block_device origin_bdev_of_test;
static struct workqueue_struct queue;
static struct volume vol;
static struct snapshot snapshot;
static struct cow_file cow;
static struct page reader_page __attribute__((aligned(PAGE_SIZE)));

/**
 * struct block - A block of the origin.
 * @position: of its copy; 0: none
 * @reads: number of the first read that knows of the copy
 * @set: it is copied, or marked as changed
 * @masked: it is the store's whole
 * @planned: a job copies it
 */
static struct block {
	u64 position, reads;
	bool set, masked, planned;
} blocks[BLOCKS_MAX];

static unsigned int front; /* blocks before the file */
static unsigned int file_blocks, next_position;
static u32 place[FILE_SECTORS_MAX]; /* on the disk, by sector of the file */
static u32 file_at[DISK_SECTORS]; /* sector of the file + 1, by sector of the disk */
static bool core_misses, core_wants_room; /* until that is loaded, or made */
static bool core_wants_map; /* no write goes until the dirty map is on disk */
static u64 fresh[CORE_PLAN_RUNS_MAX]; /* blocks whose copies nobody looked at yet */
static unsigned int nr_fresh;

static bool is_file(u64 sector, u64 count)
{
	for (; count; count--) {
		if (file_at[sector++])
			return true;
	}
	return false;
}

static void fill_sector(u64 *words, u64 sector)
{
	unsigned int i;

	for (i = 0; i < SECTOR_SIZE / sizeof(*words); i++)
		words[i] = (sector * SECTOR_SIZE + i + 1) * 0x9e3779b97f4a7c15 + round_seed;
}

/* Lay the file out behind the front, in runs, in no order. */
static void lay_out(void)
{
	unsigned int i, j, nr = 0, count, offset = 0, unit = one_in(2) ? COW_BLOCK_SECTORS : 1;
	u64 at = front * COW_BLOCK_SECTORS + below(3) * unit;
	struct cow_extent *extents = kmalloc(FILE_SECTORS_MAX * sizeof(*extents), GFP_KERNEL);
	unsigned int longest = one_in(3) ? 1000 : 60;

	memset(file_at, 0, sizeof(file_at));
	for (; offset < file_blocks * COW_BLOCK_SECTORS; offset += count) {
		count = min(file_blocks * COW_BLOCK_SECTORS - offset,
			    (unsigned int)between(4, longest) * unit);
		extents[nr++] = (struct cow_extent){ .sector = at, .count = count };
		at += count + (one_in(2) ? below(6) * unit : 0);
	}
	CHECK(at < DISK_SECTORS - 200);
	for (i = 0, offset = 0; i < nr; i++) {
		j = between(i, nr - 1);
		swap(extents[i], extents[j]);
		extents[i].offset = offset;
		for (j = 0; j < extents[i].count; j++) {
			place[offset++] = extents[i].sector + j;
			file_at[extents[i].sector + j] = offset;
		}
	}
	CHECK(!cow_map_set(&cow, extents, nr));
	vol.core.nr_sectors = at + below(150);
}

static bool is_store(u64 sector)
{
	return file_at[sector] > HEADER_SECTORS;
}

/* In some rounds blocks were copied before, or are marked, here and there. */
static void fill_disk(void)
{
	unsigned int i, before = one_in(3);
	u64 sector;

	for (sector = 0; sector < DISK_SECTORS; sector++)
		fill_sector((u64 *)(disk + sector * SECTOR_SIZE), sector);
	memset(blocks, 0, sizeof(blocks));
	for (i = 0; i < core_nr_blocks(&vol.core); i++) {
		blocks[i].set = before && one_in(2);
		blocks[i].masked = true;
		for (sector = 0; sector < COW_BLOCK_SECTORS; sector++)
			blocks[i].masked &= is_store(i * COW_BLOCK_SECTORS + sector);
	}
}

/* What a copy of the block holds. */
static void fill_frozen(u8 *to, u64 block)
{
	u64 sector = block * COW_BLOCK_SECTORS, end = sector + COW_BLOCK_SECTORS;

	for (; sector < end; sector++, to += SECTOR_SIZE) {
		if (sector >= vol.core.nr_sectors || is_store(sector))
			memset(to, 0, SECTOR_SIZE);
		else
			fill_sector((u64 *)to, sector);
	}
}

/* Check the copy of a block, in memory or on the disk. */
static void check_copy(u64 block)
{
	_Alignas(u64) u8 got[COW_BLOCK_SIZE], frozen[COW_BLOCK_SIZE];
	struct bio *bio = compat_bio_alloc(NULL, 1, REQ_OP_READ, GFP_NOIO, NULL);
	u64 at = blocks[block].position * COW_BLOCK_SECTORS;
	unsigned int i;
	s64 on_disk;

	bio_add_page(bio, &reader_page, COW_BLOCK_SIZE, 0);
	on_disk = ring_read(snapshot.ring, blocks[block].position, 0, bio, bio->bi_iter);
	CHECK(on_disk >= 0);
	bio_put(bio);
	memcpy(got, reader_page.bytes, COW_BLOCK_SIZE);
	for (i = 0; i < COW_BLOCK_SECTORS && on_disk; i++)
		memcpy(got + i * SECTOR_SIZE, disk + place[at + i] * SECTOR_SIZE, SECTOR_SIZE);
	fill_frozen(frozen, block);
	/* What is not on the disk after a failure, or when the mode was left, is of no use. */
	if (!on_disk || (!vol.core.error && vol.core.snapshot_mode))
		CHECK(!memcmp(got, frozen, COW_BLOCK_SIZE));
}

static void check_fresh(void)
{
	while (nr_fresh)
		check_copy(fresh[--nr_fresh]);
}

/* The core. */

static struct core_range ranges[CORE_PLAN_RANGES_MAX];
static struct core_run runs[CORE_PLAN_RUNS_MAX];
static unsigned int nr_runs, plan_space;

int engine_write_buffer(struct engine *engine, const void *from, size_t bytes)
{
	CHECK(vol.core.lock.held && bytes <= sizeof(ranges));
	memcpy(ranges, from, bytes);
	return 0;
}

int engine_read_runs(struct engine *engine, struct core_run *to, unsigned int count)
{
	CHECK(vol.core.lock.held && count == nr_runs);
	memcpy(to, runs, count * sizeof(*runs));
	return 0;
}

/* Return: false if there is no room for another run. */
static bool plan_block(u64 block)
{
	unsigned int kind = blocks[block].masked ? CORE_RUN_ZERO : CORE_RUN_ORIGIN;
	struct core_run *last = nr_runs ? &runs[nr_runs - 1] : NULL;

	if (last && last->start + last->count == block && last->kind == kind) {
		last->count++;
	} else {
		if (nr_runs == CORE_PLAN_RUNS_MAX)
			return false;
		runs[nr_runs++] = (struct core_run){ block, 1, kind };
	}
	CHECK(!blocks[block].planned && !blocks[block].position);
	blocks[block].planned = true;
	return true;
}

static s64 model_plan(u64 nr_ranges, u64 left)
{
	u64 block = 0, end, touched = 0, before = 0, i;

	CHECK(nr_ranges && nr_ranges <= CORE_PLAN_RANGES_MAX && left && left <= plan_space);
	nr_runs = 0;
	if (one_in(3000))
		return -EIO;
	for (i = 0; i < nr_ranges && left; i++) {
		CHECK(ranges[i].sector >= before && ranges[i].nr_sectors);
		before = ranges[i].sector;
		block = max(before / COW_BLOCK_SECTORS, block);
		end = DIV_ROUND_UP(before + ranges[i].nr_sectors, COW_BLOCK_SECTORS);
		CHECK(end <= core_nr_blocks(&vol.core));
		touched += end - min(end, block);
		CHECK(touched <= CORE_PLAN_BLOCKS_MAX);
		for (; block < end && left; block++) {
			if (blocks[block].set)
				continue;
			if (!plan_block(block)) {
				met("many runs");
				return nr_runs;
			}
			left--;
		}
	}
	return nr_runs;
}

static s64 model_commit(u64 block, u64 count)
{
	u64 nr = between(1, min(count, (u64)CORE_PLAN_RUNS_MAX)), i;

	nr = min(nr, (u64)file_blocks - next_position);
	core_misses |= one_in(30);
	core_wants_room |= one_in(30);
	if (!nr)
		return -EFBIG;
	if (core_misses || core_wants_room)
		return core_misses ? CORE_STATUS_MISS : CORE_STATUS_ROOM;
	if (one_in(5000))
		return -EIO;
	for (i = 0; i < nr; i++, block++) {
		CHECK(blocks[block].planned && !blocks[block].set);
		blocks[block].planned = false;
		blocks[block].set = true;
		blocks[block].position = next_position++;
		blocks[block].reads = snapshot.next_read;
		fresh[nr_fresh++] = block;
	}
	return nr;
}

static s64 model_mark(u64 block, u64 end, bool unmasked)
{
	CHECK(end - block <= CORE_SLICE_BLOCKS && end <= core_nr_blocks(&vol.core));
	core_wants_room |= one_in(20);
	if (core_wants_room)
		return CORE_STATUS_ROOM;
	if (one_in(2000))
		return -EIO;
	if (end - block == CORE_SLICE_BLOCKS)
		met("marked in slices");
	for (; block < end; block++)
		blocks[block].set |= !unmasked || !blocks[block].masked;
	core_wants_map |= one_in(20);
	return core_wants_map ? CORE_STATUS_REGION : 0;
}

static bool is_copied(u64 block, u64 end)
{
	while (block < end && blocks[block].set)
		block++;
	return block == end;
}

static s64 model_is_copied(u64 block, u64 end)
{
	if (!is_copied(block, end))
		return 0;
	core_wants_map |= vol.live.on && one_in(50);
	if (!core_wants_map || !vol.live.on)
		return 1;
	met("copied but waits for the map");
	return CORE_COPIED_WAITS;
}

s64 engine_ask(struct engine *engine, enum core_export export, u64 a, u64 b, u64 c, s64 max)
{
	u64 block = a / COW_BLOCK_SECTORS, end = DIV_ROUND_UP(a + b, COW_BLOCK_SECTORS);

	CHECK(vol.core.lock.held);
	if (export == CORE_MISS_SECTION)
		return SECTION;
	CHECK(!vol.core.error && vol.clean.state != CLEAN_LOADING);
	CHECK(vol.core.snapshot_mode == (export != CORE_MARK && export != CORE_MARK_UNMASKED));
	switch (export) {
	case CORE_PLAN_COPY:
		return model_plan(a, b);
	case CORE_COMMIT_COPY:
		return model_commit(a, b);
	case CORE_IS_COPIED:
		return model_is_copied(block, end);
	case CORE_MARK:
		return model_mark(block, end, false);
	case CORE_MARK_UNMASKED:
		return model_mark(a, a + b, true);
	default:
		CHECK(false);
		return 0;
	}
}

s64 engine_distrust(struct engine *engine, enum core_export export, s64 returned)
{
	CHECK(false);
	return -ENOTRECOVERABLE;
}

u64 engine_nr_sections(const struct engine *engine)
{
	return SECTION + 1;
}

int sections_again(struct volume *of, u64 section, unsigned int *tries)
{
	CHECK(of == &vol && section == SECTION && core_misses && (*tries)++ < 50 && !locks_held);
	core_misses = false;
	met("section missed");
	return one_in(500) ? -EIO : 0;
}

int room_again(struct core *core, unsigned int *tries)
{
	CHECK(core == &vol.core && core_wants_room && (*tries)++ < 50 && !locks_held);
	core_wants_room = false;
	met("room wanted");
	return one_in(500) ? -ENOMEM : 0;
}

bool live_holds(struct volume *of, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	CHECK(of == &vol && of->core.lock.held);
	core_wants_map |= one_in(500);
	return core_wants_map;
}

bool live_settle(struct volume *of, struct bio *bio)
{
	bool wanted = core_wants_map;

	CHECK(of == &vol && !locks_held);
	if (of->core.error && of->live.on) {
		of->live.on = false;
		return true;
	}
	if (wanted)
		met("map written");
	core_wants_map = false;
	return wanted;
}

void core_fail_locked(struct core *core, int error, const char *what)
{
	CHECK(core == &vol.core && core->lock.held && error < 0 && what);
	if (!core->error && error == -EFBIG)
		met("COW file full");
	if (!core->error)
		core->error = error;
	queue_work(core->wq, &core->work);
}

void core_fail(struct core *core, int error, const char *what)
{
	spin_lock_irq(&core->lock);
	core_fail_locked(core, error, what);
	spin_unlock_irq(&core->lock);
}

void core_print(struct core *core)
{
	CHECK(core == &vol.core && !core->lock.held);
}

#endif
