// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring of copies that are not on disk yet, against ring_model.h. Bios end in any order, and each
 * reads its memory at its end.
 */
#include "check.h"
#include BIO_C
#include RAW_C
#include RING_C
#include "disk.h"
#include "ring_model.h"

/* Once in so many operations of its kind: many blocks are published; a bio ends. */
static unsigned int bold, slow;

/* Fill slots as a read of the origin does, with what the positions from @position on are to hold. */
static void fill_by_bio(const u16 *slots, unsigned int position, unsigned int count)
{
	struct bio *bio = compat_bio_alloc(&origin, count, REQ_OP_READ, GFP_NOIO, &bios);
	u64 words[BLOCK_WORDS];
	struct bvec_iter iter;
	struct bio_vec vec;
	unsigned int i, done = 0;

	for (i = 0; i < count; i++)
		ring_add_slot(ring, bio, slots[i], 0, COW_BLOCK_SIZE);
	CHECK(bio->bi_iter.bi_size == count * COW_BLOCK_SIZE);
	__bio_for_each_segment(vec, bio, iter, bio->bi_iter) {
		for (i = 0; i < vec.bv_len; i += COW_BLOCK_SIZE) {
			struct bio_vec block = { vec.bv_page, COW_BLOCK_SIZE, vec.bv_offset + i };

			fill_block(words, position + done++);
			memcpy_to_bvec(&block, (char *)words);
		}
	}
	CHECK(done == count);
	bio_put(bio);
}

static void flush(void)
{
	unsigned int before = nr_in_flight;
	int error = core.error;

	if (flushed() == head) {
		ring_flush(ring);
		CHECK(nr_in_flight == before);
		met("nothing to flush");
		return;
	}
	if (nr_appends - nr_ended == RING_APPENDS) {
		ring_flush(ring);
		CHECK(nr_in_flight == before);
		met("appends full");
		return;
	}
	append_expected();
	ring_flush(ring);
	check_append(error);
}

/* Return: how many slots are free. */
static unsigned int count_free(void)
{
	unsigned int wanted = one_in(3) ? free_slots() + below(3) : 1;
	unsigned int free = ring_free(ring, wanted);

	CHECK(free == free_slots());
	if (!free)
		met("ring full");
	wanted_slots |= free < wanted;
	return free;
}

static void fill(const u16 *slots, unsigned int count)
{
	unsigned int i;

	if (count <= BIO_MAX_VECS && one_in(2)) {
		fill_by_bio(slots, head, count);
		return;
	}
	for (i = 0; i < count; i++)
		fill_block(ring_memory(ring, slots[i]), head + i);
}

/* Two jobs have slots at once; the one that took them last is committed first, or given up. */
static void publish(void)
{
	unsigned int free = count_free(), count, others;
	u16 slots[RING_SLOTS], of_others[RING_SLOTS];

	count = min(free, one_in(bold) ? free : between(1, 5));
	count = min(count, FILE_BLOCKS + 100 - head);
	if (!count)
		return;
	others = min(free - count, 4U);
	ring_take(ring, of_others, others);
	ring_take(ring, slots, count);
	fill(slots, count);
	ring_publish(ring, slots, count);
	head += count;
	CHECK(ring_head(ring) == start + head);
	met("published");
	if (head > RING_SLOTS)
		met("around");
	if (others && head + others <= FILE_BLOCKS + 100 && one_in(2)) {
		fill(of_others, others);
		ring_publish(ring, of_others, others);
		head += others;
	} else {
		ring_put(ring, of_others, others);
		met("given back");
	}
	CHECK(ring_free(ring, 0) == free_slots());
}

/* The memory of a reader. */
static struct page *reader_pages[2 * COW_BLOCK_SIZE / SECTOR_SIZE];

/* A bio of @sectors sectors, each somewhere in its own page, or one behind the other. */
static struct bio *reader_bio(unsigned int sectors)
{
	struct bio *bio = compat_bio_alloc(NULL, sectors, REQ_OP_READ, GFP_NOIO, NULL);
	bool in_one = one_in(2);
	unsigned int i, offset;
	struct page *page;

	for (i = 0; i < sectors; i++) {
		offset = (in_one ? i % COW_BLOCK_SECTORS : below(COW_BLOCK_SECTORS)) * SECTOR_SIZE;
		page = reader_pages[in_one ? i / COW_BLOCK_SECTORS : i];
		memset(page->bytes + offset, 0x5a, SECTOR_SIZE);
		bio_add_page(bio, page, SECTOR_SIZE, offset);
	}
	return bio;
}

/* Check that @sectors sectors of the block were copied, and that the rest is untouched. */
static void check_reader(const struct bio *bio, unsigned int position, unsigned int before,
			 unsigned int offset, unsigned int sectors)
{
	unsigned int at = 0, i, word, words = SECTOR_SIZE / sizeof(u64);
	struct bvec_iter iter;
	struct bio_vec vec;

	__bio_for_each_segment(vec, bio, iter, bio->bi_iter) {
		for (i = 0; i < vec.bv_len; i += sizeof(u64), at++) {
			u64 got;

			memcpy(&got, vec.bv_page->bytes + vec.bv_offset + i, sizeof(got));
			word = at - before * words;
			if (at >= before * words && word < sectors * words)
				CHECK(got == word_of(position, offset * words + word));
			else
				CHECK(got == 0x5a5a5a5a5a5a5a5a);
		}
	}
}

static void read_one(unsigned int position)
{
	unsigned int sectors = between(1, COW_BLOCK_SECTORS), before = below(4);
	unsigned int offset = below(COW_BLOCK_SECTORS - sectors + 1);
	struct bio *bio = reader_bio(before + sectors + below(3));
	struct bvec_iter iter = bio->bi_iter;
	unsigned int i;
	s64 on_disk;

	for (i = 0; i < before; i++)
		bio_pass(bio, &iter, SECTOR_SIZE);
	iter.bi_size = sectors * SECTOR_SIZE;
	on_disk = ring_read(ring, start + position, offset * SECTOR_SIZE, bio, iter);
	if (position >= head) {
		CHECK(on_disk == -EIO);
		met("not yet");
	} else if (position < tail()) {
		CHECK(on_disk == tail() - position);
		if (!core.error && core.snapshot_mode)
			check_disk(between(position, tail() - 1));
		met("from disk");
	} else {
		CHECK(on_disk == 0);
		met("from memory");
	}
	check_reader(bio, position, before, offset, on_disk ? 0 : sectors);
	bio_put(bio);
}

static void create(void)
{
	bool fails = one_in(2);

	start = one_in(2) ? 1 : below(1ULL << 32);
	memory_scattered = one_in(3);
	if (memory_scattered)
		met("single pages");
	memory_fails = fails ? between(1, one_in(2) ? 1 : 70) : 0;
	ring = ring_create(&writes, NULL, &origin, &bios, start);
	if (!ring) {
		CHECK(fails && !memory_live);
		met("no memory");
		memory_fails = 0;
		ring = ring_create(&writes, NULL, &origin, &bios, start);
	}
	memory_fails = 0;
	CHECK(ring && ring_head(ring) == start);
}

static void drain(void)
{
	unsigned int position;
	int error = core.error;
	bool any = flushed() != head;

	while (any && nr_appends - nr_ended == RING_APPENDS)
		end_one();
	if (any)
		append_expected();
	ring_flush_all(ring);
	if (any)
		check_append(error);
	CHECK(!nr_in_flight && nr_ended == nr_appends && tail() == head);
	CHECK(!cow_writes_any(&writes) && !core.lock.held);
	for (position = 0; position < head && !core.error && core.snapshot_mode; position++)
		check_disk(position);
}

static void operate(void)
{
	switch (below(8)) {
	case 0:
	case 1:
		publish();
		break;
	case 2:
	case 3:
		flush();
		break;
	case 4:
	case 5:
		if (one_in(slow) || nr_in_flight > IN_FLIGHT_MAX / 2)
			end_one();
		break;
	default:
		read_one(one_in(4) ? min(tail() + below(3), head + 2ULL) : below(head + 3));
	}
}

static void run_round(void)
{
	unsigned int operations = between(1, 1500), i;

	bold = one_in(3) ? 5 : 50;
	slow = one_in(2) ? 1 : 30;
	core.error = 0;
	core.snapshot_mode = true;
	wanted_slots = false;
	nr_appends = 0;
	nr_ended = 0;
	head = 0;
	wait_step = end_one;
	disk_fails = one_in(3) ? 30 : 0;
	lay_out();
	create();
	for (i = 0; i < sizeof(reader_pages) / sizeof(reader_pages[0]); i++)
		reader_pages[i] = alloc_page(GFP_KERNEL);
	while (operations--) {
		operate();
		if (one_in(5000))
			core.snapshot_mode = false;
	}
	drain();
	ring_destroy(ring);
	for (i = 0; i < sizeof(reader_pages) / sizeof(reader_pages[0]); i++)
		__free_page(reader_pages[i]);
	CHECK(!memory_live);
}
