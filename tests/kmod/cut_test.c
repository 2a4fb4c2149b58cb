// SPDX-License-Identifier: GPL-2.0-only
/*
 * The discards that follow a cut of the COW file. The model has the piece of the old data to which
 * each block of the origin belongs, until a discard claims it.
 */
#include "check.h"
#include MAP_C
#include CUT_C

#define BLOCKS 2400
#define NO_PIECE UINT_MAX

static struct cow_file cow;
static struct volume vol = { .cow = &cow };
static unsigned int piece_of[BLOCKS]; /* by block: number of the piece */
static struct cow_extent extents[BLOCKS];
static unsigned int nr_extents;

/* Extents that lie on the origin in any order. */
static void lay_out(void)
{
	u64 unit = one_in(2) ? COW_BLOCK_SECTORS : 1U << below(3), offset = 0, at = 0, count;
	u64 length = one_in(4) ? 1 : between(2, 60);
	struct cow_extent *copy;
	unsigned int i, j;

	for (nr_extents = 0; nr_extents < BLOCKS; nr_extents++) {
		at += below(3) * unit;
		count = between(1, length) *
			(unit < COW_BLOCK_SECTORS && one_in(3) ? unit : COW_BLOCK_SECTORS);
		if (at + count > BLOCKS * COW_BLOCK_SECTORS || (nr_extents && one_in(1000)))
			break;
		extents[nr_extents] = (struct cow_extent){ .sector = at, .count = count };
		at += count;
	}
	for (i = 0; i < nr_extents; i++) {
		j = between(i, nr_extents - 1);
		swap(extents[i], extents[j]);
		extents[i].offset = offset;
		offset += extents[i].count;
	}
	copy = kmalloc(nr_extents * sizeof(*copy), GFP_KERNEL);
	memcpy(copy, extents, nr_extents * sizeof(*copy));
	CHECK(!cow_map_set(&cow, copy, nr_extents));
}

/* Does the extent contain the whole block, behind sector @from of the file and the header? */
static bool has_block(const struct cow_extent *extent, u64 block, u64 from)
{
	u64 sector, offset;

	for (sector = block * COW_BLOCK_SECTORS; sector < (block + 1) * COW_BLOCK_SECTORS;
	     sector++) {
		if (sector < extent->sector || sector >= extent->sector + extent->count)
			return false;
		offset = extent->offset + (sector - extent->sector);
		if (offset < from || offset < COW_HEADER_SIZE / SECTOR_SIZE)
			return false;
	}
	return true;
}

static void begin(void)
{
	u64 bytes = below((extents[nr_extents - 1].offset + 20) * SECTOR_SIZE), block;
	unsigned int i, nr_pieces = 0;
	bool fails = one_in(20), any;

	memory_fails = fails;
	cut_begin(&vol, bytes);
	for (block = 0; block < BLOCKS; block++)
		piece_of[block] = NO_PIECE;
	for (i = 0; i < nr_extents && !fails; i++) {
		any = false;
		for (block = extents[i].sector / COW_BLOCK_SECTORS;
		     block <= (extents[i].sector + extents[i].count) / COW_BLOCK_SECTORS; block++) {
			if (!has_block(&extents[i], block, DIV_ROUND_UP(bytes, SECTOR_SIZE)))
				continue;
			any = true;
			piece_of[block] = nr_pieces < PIECES_MAX ? nr_pieces : NO_PIECE;
		}
		nr_pieces += any;
	}
	if (nr_pieces > PIECES_MAX)
		met("too many");
	if (fails)
		met("no memory");
}

/* A discard of these blocks in the model. Return: whether it is claimed. */
static bool model_claim(u64 first, u64 end, u64 *from, u64 *to)
{
	unsigned int piece = NO_PIECE;
	bool behind = false;
	u64 block;

	for (block = first; block < end; block++)
		piece = min(piece, piece_of[block]);
	if (piece == NO_PIECE)
		return false;
	for (block = first; piece_of[block] != piece;)
		block++;
	for (*from = block; block < end && piece_of[block] == piece; block++)
		piece_of[block] = NO_PIECE;
	*to = block;
	for (; block < BLOCKS; block++)
		behind |= piece_of[block] == piece;
	if (!behind)
		return true;
	for (block = 0; block < *from; block++) {
		if (piece_of[block] != piece)
			continue;
		piece_of[block] = NO_PIECE;
		met("given up");
	}
	return true;
}

static void discard(void)
{
	u64 sector = below(BLOCKS * COW_BLOCK_SECTORS), start = below(1000), from, to;
	u64 count = min(between(1, one_in(4) ? 3000 : 60), BLOCKS * COW_BLOCK_SECTORS - sector);
	bool partial = one_in(20), claimed = false;
	struct bio bio = {
		.bi_opf = REQ_OP_DISCARD,
		.bi_iter = { .bi_sector = start + sector, .bi_size = count * SECTOR_SIZE },
	};

	vol.shutter.shut = one_in(20);
	if (partial)
		bio.bi_iter.bi_size += SECTOR_SIZE;
	if (partial || vol.shutter.shut)
		met("not to be claimed");
	else
		claimed = model_claim(DIV_ROUND_UP(sector, COW_BLOCK_SECTORS),
				      (sector + count) / COW_BLOCK_SECTORS, &from, &to);
	CHECK(cut_claims(&vol, &bio, sector, count) == claimed);
	if (claimed) {
		CHECK(bio.bi_iter.bi_sector == start + from * COW_BLOCK_SECTORS);
		CHECK(bio.bi_iter.bi_size == (to - from) * COW_BLOCK_SIZE);
		met("claimed");
	} else {
		CHECK(bio.bi_iter.bi_sector == start + sector);
		CHECK(bio.bi_iter.bi_size == (count + partial) * SECTOR_SIZE);
		met("not claimed");
	}
}

static void run_round(void)
{
	unsigned int discards = between(1, 300), block;

	lay_out();
	begin();
	while (discards--)
		discard();
	if (one_in(4))
		begin();
	cut_end(&vol);
	CHECK(!vol.cut && !vol.core.lock.held);
	for (block = 0; block < BLOCKS; block++)
		piece_of[block] = NO_PIECE;
	discard();
	cow_map_free(&cow);
	CHECK(!memory_live);
}
