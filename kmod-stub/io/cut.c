// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include "cow/map.h"
#include "io/cut.h"
#include "io/volume.h"

/* They are searched with interrupts off. The discards of further ones count as changes. */
#define PIECES_MAX 512

/* A run of whole blocks of the origin. */
struct piece {
	u64 block, count;
};

/* @pieces: parts of the old data area of which no discard was seen */
struct cut {
	unsigned int count;
	struct piece pieces[];
};

void cut_free(struct cut *cut)
{
	kfree(cut);
}

/* The blocks that are the file's whole, from sector @from of the file on. */
static struct cut *pieces_from(const struct cow_file *cow, u64 from)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(cow, &nr_extents);
	struct cut *cut = kmalloc(struct_size(cut, pieces, PIECES_MAX), GFP_KERNEL | __GFP_NOWARN);

	if (!cut)
		return NULL;
	cut->count = 0;
	for (i = 0; i < nr_extents && cut->count < PIECES_MAX; i++) {
		struct cow_extent extent = extents[i];
		u64 before = extent.offset < from ? min(from - extent.offset, extent.count) : 0;
		struct piece piece;

		extent.offset += before;
		extent.sector += before;
		extent.count -= before;
		cow_file_blocks(&extent, true, &piece.block, &piece.count);
		if (piece.count)
			cut->pieces[cut->count++] = piece;
	}
	return cut;
}

static void replace(struct volume *vol, struct cut *cut)
{
	unsigned long flags;

	core_lock(&vol->core, flags);
	swap(vol->cut, cut);
	core_unlock(&vol->core, flags);
	cut_free(cut);
}

void cut_begin(struct volume *vol, u64 bytes)
{
	replace(vol, pieces_from(vol->cow, DIV_ROUND_UP_ULL(bytes, SECTOR_SIZE)));
}

void cut_end(struct volume *vol)
{
	replace(vol, NULL);
}

/* Take [@from, @to) off a piece. What lies before it, if it is in the middle, is given up. */
static void take(struct piece *piece, u64 from, u64 to)
{
	u64 end = piece->block + piece->count;

	if (to < end) {
		piece->block = to;
		piece->count = end - to;
	} else {
		piece->count = from - piece->block;
	}
}

bool cut_claims(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	u64 first = DIV_ROUND_UP_ULL(sector, COW_BLOCK_SECTORS);
	u64 end = (sector + nr_sectors) / COW_BLOCK_SECTORS;
	unsigned int i;

	/* While it is not mounted, or beyond the origin, it is nothing that its filesystem sent. */
	if (!vol->cut || vol->shutter.shut || nr_sectors != bio_sectors(bio))
		return false;
	for (i = 0; i < vol->cut->count; i++) {
		struct piece *piece = &vol->cut->pieces[i];
		u64 from = max(first, piece->block);
		u64 to = min(end, piece->block + piece->count);

		if (from >= to)
			continue;
		take(piece, from, to);
		bio->bi_iter.bi_sector += from * COW_BLOCK_SECTORS - sector;
		bio->bi_iter.bi_size = (to - from) * COW_BLOCK_SIZE;
		return true;
	}
	return false;
}
