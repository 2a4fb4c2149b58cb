// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checkpoints: what a new core must know to go on where this one ends. The core says what they
 * hold and where it lies in the COW file; here it is moved there and back, past the filesystem.
 */
#include "core/room.h"
#include "cow/map.h"
#include "cow/pin.h"
#include "io/checkpoint.h"
#include "io/live_file.h"
#include "io/proof.h"
#include "io/volume.h"

/* Two a chunk, and what says where they lie. */
u64 checkpoint_pieces_max(const struct volume *vol)
{
	return 2 * DIV_ROUND_UP_ULL(core_nr_blocks(&vol->core), CORE_MASK_CHUNK_BLOCKS) + 16;
}

/*
 * The next piece of a checkpoint, which lies in the COW file behind the header.
 * @left: how many there may still be
 *
 * Return: its bytes, 0 at the end, or -errno.
 */
static s64 record_next(struct volume *vol, s64 *offset, u64 *left)
{
	s64 bytes = core_ask(&vol->core, wasm_record_next);

	if (bytes <= 0)
		return bytes;
	if (!(*left)--)
		return core_distrust(&vol->core, CORE_RECORD_NEXT, bytes);
	*offset = core_ask(&vol->core, wasm_record_offset);
	if (*offset < 0)
		return *offset;
	if (*offset < COW_HEADER_SIZE || *offset > (s64)cow_file_bytes(live_next_file(vol)) - bytes)
		return core_distrust(&vol->core, CORE_RECORD_OFFSET, *offset);
	return bytes;
}

/*
 * In incremental mode only the index counts: after a power cut the filesystem may not know yet that
 * the file was cut to it. Nor is a live checkpoint tied to more: it will be of that mode. Return: a
 * sector of the file.
 */
static u64 end_of_ties(struct volume *vol, bool live)
{
	s64 data_offset = core_ask(&vol->core, wasm_stat, CORE_STAT_DATA_OFFSET);

	if ((vol->core.snapshot_mode && !live) || data_offset < 0)
		return U64_MAX;
	return data_offset / SECTOR_SIZE;
}

/* Contiguous extents count as one, however the filesystem or the map divides them. */
static s64 tie_to_extents(struct volume *vol, bool live)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(live_next_file(vol), &nr_extents);
	struct cow_extent run = {}, extent;
	u64 end = end_of_ties(vol, live);
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++) {
		extent = extents[i];
		if (extent.offset >= end)
			break;
		extent.count = min(extent.count, end - extent.offset);
		if (run.count && run.offset + run.count == extent.offset &&
		    run.sector + run.count == extent.sector) {
			run.count += extent.count;
			continue;
		}
		if (run.count)
			ret = core_ask(&vol->core, wasm_record_extent, run.offset, run.sector,
				       run.count);
		run = extent;
	}
	return ret < 0 ?
		       ret :
		       core_ask(&vol->core, wasm_record_extent, run.offset, run.sector, run.count);
}

static int mark_header(struct volume *vol, struct cow_file *cow)
{
	u64 offset, sector, count, end = COW_HEADER_SIZE / SECTOR_SIZE;
	s64 ret = 0;

	for (offset = 0; ret >= 0 && offset < end; offset += count) {
		count = min(cow_file_map(cow, offset, &sector), end - offset);
		ret = count ? room_ask(&vol->core, wasm_mark, sector, count) : -EIO;
	}
	return min_t(s64, ret, 0);
}

int checkpoint_mark_header(struct volume *vol)
{
	struct cow_file *next = live_next_file(vol);
	int err = mark_header(vol, vol->cow);

	return err || next == vol->cow ? err : mark_header(vol, next);
}

s64 checkpoint_begin(struct volume *vol, bool live)
{
	s64 ret = core_ask(&vol->core, wasm_record_begin);

	return ret < 0 ? ret : tie_to_extents(vol, live);
}

static s64 record_plan(struct volume *vol)
{
	s64 chunks = core_ask(&vol->core, wasm_stat, CORE_STAT_MASK_CHUNKS);
	s64 chunk, ret = min_t(s64, chunks, 0);

	for (chunk = 0; chunk < chunks && ret >= 0; chunk++)
		ret = core_ask(&vol->core, wasm_record_survey, chunk);
	return ret < 0 ? ret : core_ask(&vol->core, wasm_record_plan);
}

s64 checkpoint_write_piece(struct volume *vol, u64 *left)
{
	s64 offset, ret, bytes = record_next(vol, &offset, left);

	if (bytes <= 0)
		return bytes;
	ret = core_take(&vol->core, vol->sections.bounce, bytes, wasm_record_export);
	if (ret < 0)
		return ret;
	if (ret != bytes)
		return core_distrust(&vol->core, CORE_RECORD_EXPORT, ret);
	ret = cow_file_raw(live_next_file(vol), REQ_OP_WRITE, offset, vol->sections.bounce, bytes);
	return ret ?: bytes;
}

static s64 write_pieces(struct volume *vol)
{
	u64 left = checkpoint_pieces_max(vol);
	s64 ret;

	do {
		ret = checkpoint_write_piece(vol, &left);
	} while (ret > 0);
	return ret;
}

/*
 * A checkpoint that stays is not true after the next write, and only the fingerprint of the
 * filesystem in it may show that.
 */
static int remove(struct volume *vol)
{
	struct cow_file *cow = live_file(vol);
	int err = cow_file_raw(cow, REQ_OP_WRITE | REQ_FUA, 0, vol->clean.open_header,
			       COW_HEADER_SIZE);

	if (!err) {
		memcpy(vol->clean.clean_header, vol->clean.open_header, COW_HEADER_SIZE);
		return 0;
	}
	/* Said of a device that has failed before, too, but once. */
	if (vol->live.stuck)
		return err;
	pr_vol_err(vol, "the checkpoint in %s could not be removed, do not reload it: %d",
		   cow_file_path(cow), err);
	core_fail(&vol->core, err, "its checkpoint could not be removed; a full backup is needed");
	return err;
}

/* A page that was never filled is no header: zeros may be what a freed block holds. */
static bool is_header(const void *found, const void *header)
{
	return memchr_inv(header, 0, COW_HEADER_SIZE) && !memcmp(found, header, COW_HEADER_SIZE);
}

int checkpoint_is_there(struct volume *vol)
{
	int err;

	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	err = cow_file_raw(live_file(vol), REQ_OP_READ, 0, vol->sections.bounce, COW_HEADER_SIZE);
	if (!err && !is_header(vol->sections.bounce, vol->clean.clean_header) &&
	    !is_header(vol->sections.bounce, vol->clean.older_header))
		err = -ESTALE;
	mutex_unlock(&vol->core.io_lock);
	return err;
}

int checkpoint_remove(struct volume *vol)
{
	int err = checkpoint_is_there(vol);

	/* As long as the file is pinned its blocks are its own, whether they can be read or not. */
	if (err && err != -ESTALE && !vol->shutter.shut && cow_file_has_filesystem(live_file(vol)))
		err = 0;
	return err ?: remove(vol);
}

/* Write the header block with a checkpoint, which is in the bounce buffer. */
static s64 write_header(struct volume *vol, blk_opf_t flags)
{
	s64 ret = core_take(&vol->core, vol->clean.open_header, COW_HEADER_SIZE, wasm_header_encode,
			    false);

	if (ret < 0)
		return ret;
	memcpy(vol->clean.older_header, vol->clean.clean_header, COW_HEADER_SIZE);
	memcpy(vol->clean.clean_header, vol->sections.bounce, COW_HEADER_SIZE);
	ret = cow_file_raw(live_file(vol), REQ_OP_WRITE | REQ_FUA | flags, 0, vol->sections.bounce,
			   COW_HEADER_SIZE);
	if (ret)
		remove(vol); /* it may have been written all the same */
	return ret;
}

int checkpoint_write_live(struct volume *vol)
{
	s64 ret;

	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	ret = core_take(&vol->core, vol->sections.bounce, COW_HEADER_SIZE, wasm_live_encode);
	if (ret >= 0)
		ret = write_header(vol, REQ_PREFLUSH);
	mutex_unlock(&vol->core.io_lock);
	return min_t(s64, ret, 0);
}

/* All that the checkpoint speaks of is durable before it is. */
static s64 write_clean(struct volume *vol, bool *named)
{
	s64 ret;

	*named = true;
	ret = core_take(&vol->core, vol->sections.bounce, COW_HEADER_SIZE, wasm_record_encode);
	return ret < 0 ? ret : write_header(vol, REQ_PREFLUSH);
}

int checkpoint_write(struct volume *vol, bool *named)
{
	s64 ret;

	*named = false;
	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	ret = checkpoint_begin(vol, false);
	if (ret >= 0)
		ret = record_plan(vol);
	if (ret >= 0)
		ret = write_pieces(vol);
	if (ret >= 0)
		ret = write_clean(vol, named);
	mutex_unlock(&vol->core.io_lock);
	return min_t(s64, ret, 0);
}

static s64 import_piece(struct volume *vol, size_t bytes)
{
	unsigned int tries = 0;
	s64 ret;

	do {
		ret = core_give(&vol->core, vol->sections.bounce, bytes, wasm_record_import);
		if (ret == CORE_STATUS_ROOM)
			ret = room_again(&vol->core, &tries) ?: CORE_STATUS_ROOM;
	} while (ret == CORE_STATUS_ROOM);
	return ret;
}

static s64 read_pieces(struct volume *vol)
{
	u64 left = checkpoint_pieces_max(vol);
	s64 bytes, offset, ret = 0;

	while (!ret) {
		bytes = record_next(vol, &offset, &left);
		if (bytes <= 0)
			return bytes;
		ret = cow_file_raw(vol->cow, REQ_OP_READ, offset, vol->sections.bounce, bytes);
		if (!ret)
			ret = import_piece(vol, bytes);
		cond_resched();
	}
	return ret;
}

static s64 read_map(struct volume *vol)
{
	s64 blocks = core_ask(&vol->core, wasm_stat, CORE_STAT_MAP_BLOCKS), block, offset;
	s64 ret = min_t(s64, blocks, 0);

	for (block = 0; !ret && block < blocks; block++) {
		offset = core_ask(&vol->core, wasm_map_offset, block);
		if (offset < 0)
			return offset;
		if (offset > (s64)cow_file_bytes(vol->cow) - COW_BLOCK_SIZE)
			return CORE_REFUSAL_DAMAGED;
		ret = cow_file_raw(vol->cow, REQ_OP_READ, offset, vol->sections.bounce,
				   COW_BLOCK_SIZE);
		if (!ret)
			ret = core_give(&vol->core, vol->sections.bounce, COW_BLOCK_SIZE,
					wasm_map_import, block);
		cond_resched();
	}
	return ret;
}

/* How many blocks it lists: more than its header says, since they were stored later. */
static s64 recount(struct volume *vol)
{
	s64 chunks = core_ask(&vol->core, wasm_stat, CORE_STAT_MASK_CHUNKS), chunk;
	s64 ret = min_t(s64, chunks, 0);

	for (chunk = 0; ret >= 0 && chunk < chunks; chunk++)
		ret = core_ask(&vol->core, wasm_map_recount, chunk);
	return ret < 0 ? ret : core_ask(&vol->core, wasm_stat, CORE_STAT_NR_CHANGED);
}

/* Any block of a region that the map has may have been written to. Return: as recount(). */
static s64 recover(struct volume *vol)
{
	s64 size = core_ask(&vol->core, wasm_stat, CORE_STAT_REGION_BLOCKS), region = 0, next;
	s64 end = DIV_ROUND_UP_ULL(core_nr_blocks(&vol->core), max_t(s64, size, 1));

	while (size >= 0 && region < end) {
		next = room_ask(&vol->core, wasm_map_recover, region);
		if (next < 0)
			return next;
		if (next <= region)
			return core_distrust(&vol->core, CORE_MAP_RECOVER, next);
		region = next;
		cond_resched();
	}
	return size < 0 ? size : core_ask(&vol->core, wasm_stat, CORE_STAT_NR_CHANGED);
}

static s64 accept(struct volume *vol, s64 *added)
{
	s64 live = core_ask(&vol->core, wasm_stat, CORE_STAT_LIVE), listed, ret;

	ret = live > 0 ? proof_tie(vol) ?: read_map(vol) : live;
	if (!ret)
		ret = core_ask(&vol->core, wasm_record_accept);
	if (ret || !live)
		return ret;
	listed = recount(vol);
	ret = listed < 0 ? listed : recover(vol);
	if (ret < 0)
		return ret;
	*added = ret - listed;
	return 0;
}

int checkpoint_read(struct volume *vol, s64 *added)
{
	s64 ret = checkpoint_begin(vol, false);

	*added = -1;

	if (ret >= 0)
		ret = cow_file_raw(vol->cow, REQ_OP_READ, 0, vol->sections.bounce, COW_HEADER_SIZE);
	if (!ret)
		memcpy(vol->clean.clean_header, vol->sections.bounce, COW_HEADER_SIZE);
	if (!ret)
		ret = core_give(&vol->core, vol->sections.bounce, COW_HEADER_SIZE,
				wasm_record_check);
	if (!ret)
		ret = read_pieces(vol);
	if (!ret)
		ret = accept(vol, added);
	if (!ret)
		ret = core_take(&vol->core, vol->clean.open_header, COW_HEADER_SIZE,
				wasm_header_encode, false);
	return ret == COW_HEADER_SIZE ? 0 : ret;
}
