// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checkpoints: what a new core must know to go on where this one ends. The core says what they
 * hold and where it lies in the COW file; here it is moved there and back, past the filesystem.
 */
#include "core/room.h"
#include "cow/map.h"
#include "io/checkpoint.h"
#include "io/volume.h"

/* More pieces than a record has: two a chunk, and what tells where they lie. */
static u64 pieces_max(const struct volume *vol)
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
	if (*offset < COW_HEADER_SIZE || *offset > (s64)cow_file_bytes(vol->cow) - bytes)
		return core_distrust(&vol->core, CORE_RECORD_OFFSET, *offset);
	return bytes;
}

/* Contiguous extents count as one, however the filesystem or the map divides them. */
static s64 tie_to_extents(struct volume *vol)
{
	unsigned int i, nr_extents;
	const struct cow_extent *extents = cow_file_extents(vol->cow, &nr_extents);
	struct cow_extent run = {};
	s64 ret = 0;

	for (i = 0; i < nr_extents && ret >= 0; i++) {
		if (run.count && run.offset + run.count == extents[i].offset &&
		    run.sector + run.count == extents[i].sector) {
			run.count += extents[i].count;
			continue;
		}
		if (run.count)
			ret = core_ask(&vol->core, wasm_record_extent, run.offset, run.sector,
				       run.count);
		run = extents[i];
	}
	return ret < 0 ?
		       ret :
		       core_ask(&vol->core, wasm_record_extent, run.offset, run.sector, run.count);
}

static s64 begin(struct volume *vol)
{
	s64 ret = core_ask(&vol->core, wasm_record_begin);

	return ret < 0 ? ret : tie_to_extents(vol);
}

static s64 record_plan(struct volume *vol)
{
	s64 chunks = core_ask(&vol->core, wasm_stat, CORE_STAT_MASK_CHUNKS);
	s64 chunk, ret = min_t(s64, chunks, 0);

	for (chunk = 0; chunk < chunks && ret >= 0; chunk++)
		ret = core_ask(&vol->core, wasm_record_survey, chunk);
	return ret < 0 ? ret : core_ask(&vol->core, wasm_record_plan);
}

static s64 write_pieces(struct volume *vol)
{
	u64 left = pieces_max(vol);
	s64 bytes, offset, ret;
	int err;

	for (;;) {
		bytes = record_next(vol, &offset, &left);
		if (bytes <= 0)
			return bytes;
		ret = core_take(&vol->core, vol->sections.bounce, bytes, wasm_record_export);
		if (ret < 0)
			return ret;
		if (ret != bytes)
			return core_distrust(&vol->core, CORE_RECORD_EXPORT, ret);
		err = cow_file_raw(vol->cow, REQ_OP_WRITE, offset, vol->sections.bounce, bytes);
		if (err)
			return err;
	}
}

/*
 * A checkpoint that stays is not true after the next write, and only the fingerprint of the
 * filesystem in it may show that.
 */
static int remove(struct volume *vol)
{
	int err = cow_file_raw(vol->cow, REQ_OP_WRITE | REQ_FUA, 0, vol->clean.open_header,
			       COW_HEADER_SIZE);

	if (!err)
		return 0;
	/* Said of a device that has failed before, too. */
	pr_vol_err(vol, "the checkpoint in %s could not be removed, do not reload it: %d",
		   cow_file_path(vol->cow), err);
	core_fail(&vol->core, err, "its checkpoint could not be removed; a full backup is needed");
	return err;
}

int checkpoint_remove(struct volume *vol)
{
	int err;

	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	err = cow_file_raw(vol->cow, REQ_OP_READ, 0, vol->sections.bounce, COW_HEADER_SIZE);
	if (!err && memcmp(vol->sections.bounce, vol->clean.clean_header, COW_HEADER_SIZE))
		err = -ESTALE;
	mutex_unlock(&vol->core.io_lock);
	return err ?: remove(vol);
}

/* All that the checkpoint speaks of is durable before it is. */
static s64 write_header(struct volume *vol)
{
	s64 ret = core_take(&vol->core, vol->clean.open_header, COW_HEADER_SIZE, wasm_header_encode,
			    false);

	if (ret >= 0)
		ret = core_take(&vol->core, vol->sections.bounce, COW_HEADER_SIZE,
				wasm_record_encode);
	if (ret < 0)
		return ret;
	memcpy(vol->clean.clean_header, vol->sections.bounce, COW_HEADER_SIZE);
	ret = cow_file_raw(vol->cow, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA, 0, vol->sections.bounce,
			   COW_HEADER_SIZE);
	if (ret)
		remove(vol); /* it may have been written all the same */
	return ret;
}

int checkpoint_write(struct volume *vol)
{
	s64 ret;

	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	ret = begin(vol);
	if (ret >= 0)
		ret = record_plan(vol);
	if (ret >= 0)
		ret = write_pieces(vol);
	if (ret >= 0)
		ret = write_header(vol);
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
	u64 left = pieces_max(vol);
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

int checkpoint_read(struct volume *vol)
{
	s64 ret = begin(vol);

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
		ret = core_ask(&vol->core, wasm_record_accept);
	if (!ret)
		ret = core_take(&vol->core, vol->clean.open_header, COW_HEADER_SIZE,
				wasm_header_encode, false);
	return ret == COW_HEADER_SIZE ? 0 : ret;
}
