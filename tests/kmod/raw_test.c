// SPDX-License-Identifier: GPL-2.0-only
/*
 * Raw I/O to a file, extent by extent. The model is the expected content of the disk.
 */
#include "check.h"
#include BIO_C
#include RAW_C
#define DISK_SECTORS 16384
#include "disk.h"

#define FILE_SECTORS 12000
#define PIECE_MAX 800 /* blocks; more than a bio holds */

static struct block_device origin;
static struct cow_file cow = { .origin = &origin };
static u64 place[FILE_SECTORS];
static unsigned int file_end;
static u8 expected[DISK_SECTORS * SECTOR_SIZE]; /* content of the disk */
static blk_opf_t operation;
static bool failed;

/* Only the count of writes uses it. */
int wait_result(long left)
{
	return left > 0 ? 0 : left ? -EINTR : -ETIMEDOUT;
}

u64 cow_file_map(const struct cow_file *file, u64 offset, u64 *sector)
{
	u64 count = 1;

	CHECK(file == &cow);
	if (offset >= file_end)
		return 0;
	*sector = place[offset];
	while (offset + count < file_end && place[offset + count] == place[offset] + count)
		count++;
	return count;
}

static void disk_submitted(struct bio *bio)
{
	CHECK(bio->bi_bdev == &origin && bio->bi_opf == (operation | REQ_SYNC));
	CHECK(bio_is_own(bio) == cow.live && bio_is_recorded(bio) == !cow.live);
	if (nr_in_flight > 1)
		met("at once");
	if (bio->bi_vcnt == BIO_MAX_VECS)
		met("bio full");
}

static void disk_ending(struct bio *bio)
{
	failed |= bio->bi_status != BLK_STS_OK;
}

static void lay_out(void)
{
	u64 unit = one_in(2) ? COW_BLOCK_SECTORS : 1, at = 0, count;
	unsigned int offset;

	file_end = between(COW_BLOCK_SECTORS, FILE_SECTORS);
	for (offset = 0; offset < file_end; at += below(2) * unit) {
		count = between(1, one_in(3) ? 4000 : 30) * unit;
		for (; count && offset < file_end; count--)
			place[offset++] = at++;
	}
	CHECK(at <= DISK_SECTORS);
}

static void fill(u8 *bytes, size_t count)
{
	u64 word;

	for (; count; bytes += sizeof(word), count -= sizeof(word)) {
		word = random_u64();
		memcpy(bytes, &word, sizeof(word));
	}
}

/* Copy a part of the file from the model into @data, or from @data into the model. */
static void transfer(u64 offset, u8 *data, size_t bytes, bool to_disk)
{
	u64 i;

	for (i = offset / SECTOR_SIZE; bytes && i < file_end; i++) {
		u8 *at = expected + place[i] * SECTOR_SIZE;

		memcpy(to_disk ? at : data, to_disk ? data : at, SECTOR_SIZE);
		data += SECTOR_SIZE;
		bytes -= SECTOR_SIZE;
	}
}

/* After an error, this part of the file may hold anything. */
static void accept(u64 offset, size_t bytes)
{
	u64 i;

	for (i = offset / SECTOR_SIZE; bytes && i < file_end; i++, bytes -= SECTOR_SIZE)
		memcpy(expected + place[i] * SECTOR_SIZE, disk + place[i] * SECTOR_SIZE,
		       SECTOR_SIZE);
}

static void check_result(int err, u64 offset, const u8 *data, size_t bytes)
{
	bool beyond = offset + bytes > (u64)file_end * SECTOR_SIZE;
	static u8 wanted[PIECE_MAX * COW_BLOCK_SIZE];

	if (failed) {
		CHECK(err == -EIO || (beyond && err == -EFBIG));
		met("failed");
	} else if (beyond) {
		CHECK(err == -EFBIG);
		met("beyond the end");
	} else {
		CHECK(!err);
		transfer(offset, wanted, bytes, false);
		if (operation == REQ_OP_READ)
			CHECK(!memcmp(data, wanted, bytes));
		met("done");
	}
}

static void run_one(u8 *memory)
{
	u64 offset = below(file_end / COW_BLOCK_SECTORS + 2) * COW_BLOCK_SIZE;
	size_t bytes = between(1, one_in(2) ? 4 : PIECE_MAX) * COW_BLOCK_SIZE;
	u8 *data = memory + below(PAGE_SIZE / COW_BLOCK_SIZE) * COW_BLOCK_SIZE;
	int err;

	operation = one_in(2) ? REQ_OP_READ : REQ_OP_WRITE;
	cow.live = one_in(2);
	bio_scattered = one_in(2);
	disk_fails = one_in(5) ? 5 : 0;
	failed = false;
	fill(data, bytes);
	if (operation == REQ_OP_WRITE)
		transfer(offset, data, bytes, true);
	err = cow_file_raw(&cow, operation, offset, data, bytes);
	CHECK(!nr_in_flight && !memory_live);
	check_result(err, offset, data, bytes);
	if (err && operation == REQ_OP_WRITE)
		accept(offset, bytes);
	CHECK(!memcmp(disk, expected, sizeof(disk)));
}

static void check_refusal(u8 *memory)
{
	CHECK(cow_file_raw(&cow, REQ_OP_READ, SECTOR_SIZE, memory, COW_BLOCK_SIZE) == -EINVAL);
	CHECK(cow_file_raw(&cow, REQ_OP_READ, 0, memory + SECTOR_SIZE, COW_BLOCK_SIZE) == -EINVAL);
	CHECK(cow_file_raw(&cow, REQ_OP_READ, 0, memory, SECTOR_SIZE) == -EINVAL);
}

static void run_round(void)
{
	static u8 memory[PAGE_SIZE + PIECE_MAX * COW_BLOCK_SIZE]
		__attribute__((aligned(PAGE_SIZE)));
	unsigned int operations = 20;

	wait_step = disk_end_one;
	lay_out();
	check_refusal(memory);
	while (operations--)
		run_one(memory);
}
