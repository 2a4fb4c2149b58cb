// SPDX-License-Identifier: GPL-2.0-only
/*
 * Growing the COW file under an active snapshot.
 *
 * The filesystem gives the file blocks that are free now. At the snapshot's instant such a block
 * was one of three things:
 * - in use, by a file that was deleted since, and not copied: it is copied first, as before a
 *   write, into the room that there still is;
 * - copied already: nothing is left to do;
 * - free: its content was nobody's, and nothing can keep it. From now on it reads as zeros in the
 *   snapshot, like the blocks that the COW file had from the start. The incremental lists it as
 *   changed, since an image may have what it held before.
 *
 * That is done piece by piece in the order of the file, and each piece is the store's as soon as
 * it is ready, so that the room for copying grows meanwhile.
 */
#include "control/device.h"
#include "control/grow_cow.h"
#include "core/room.h"
#include "cow/free_space.h"
#include "cow/map.h"
#include "cow/session.h"
#include "io/live_writes.h"
#include "io/reads.h"
#include "io/snapshot.h"
#include "killable.h"

#define COPY_PIECE 1024 /* blocks, so that writes get their turn */

/*
 * A run of whole blocks of the origin, the last of which ends, with what lies before it in the
 * file, at sector @end of the file; or one block of which the file has a part: it is preserved.
 */
struct growth_piece {
	u64 block, count, end;
	bool was_free;
};

static u64 present_bytes(struct dattobd_device *dev)
{
	struct core_counters counters;

	core_counters(&dev->vol.core, &counters);
	return counters.fsize;
}

/* Asked once: what was free at one instant does not change. */
void expand_prepare(struct dattobd_device *dev)
{
	struct free_space *space;
	struct block_device *disk;
	char node[32];

	if (dev->growth.free_space)
		return;
	snprintf(node, sizeof(node), "/dev/datto%u", dev->vol.core.minor);
	disk = compat_disk_bdev_get(dev->vol.snap->disk);
	space = IS_ERR(disk) ? ERR_CAST(disk) :
			       free_space_read(disk, cow_file_type(dev->vol.cow), node);
	if (!IS_ERR(disk))
		compat_disk_bdev_put(disk);
	if (IS_ERR(space))
		pr_dev_warn(dev, "which blocks were free is not known, all are preserved: %ld",
			    PTR_ERR(space));
	else
		dev->growth.free_space = space;
}

/* What ends a growth early, beside a kill of its caller: an automatic one pauses. */
static const bool *stop_of(struct dattobd_device *dev)
{
	return request_is_current() ? NULL : &dev->vol.fill.paused;
}

static int interrupted(struct dattobd_device *dev)
{
	const bool *stop = stop_of(dev);

	if (fatal_signal_pending(current))
		return -EINTR;
	return stop && READ_ONCE(*stop) ? -EAGAIN : 0;
}

/* Cut a piece to what can be copied. Return: 1 if there is something to copy, 0, or -errno. */
static int fit(struct dattobd_device *dev, struct growth_piece *piece)
{
	u64 sector = piece->block * COW_BLOCK_SECTORS;
	unsigned long flags;
	s64 room, ret;

	static_assert(COPY_PIECE <= CORE_SLICE_BLOCKS);
	piece->count = min_t(u64, piece->count, COPY_PIECE);
	core_lock(&dev->vol.core, flags);
	room = wasm_stat(dev->vol.core.engine, CORE_STAT_ROOM);
	ret = dev->vol.core.error ?:
				    wasm_is_copied(dev->vol.core.engine, sector,
						   piece->count * COW_BLOCK_SECTORS);
	core_unlock(&dev->vol.core, flags);
	if (ret || room <= 0)
		return ret ? min_t(s64, ret, 0) : room ?: -ENOSPC;
	/* The other half is for writes that come in meanwhile. */
	piece->count = min_t(u64, piece->count, DIV_ROUND_UP_ULL(room, 2));
	return 1;
}

static int preserve(struct dattobd_device *dev, struct growth_piece *piece)
{
	int ret = fit(dev, piece);

	if (ret > 0)
		ret = worker_copy(&dev->vol, piece->block * COW_BLOCK_SECTORS,
				  piece->count * COW_BLOCK_SECTORS, stop_of(dev),
				  MAX_SCHEDULE_TIMEOUT);
	return ret;
}

/* No read that is planned from now on goes to the piece. Return: 0 or -errno. */
static int part_from_snapshot(struct dattobd_device *dev, const struct growth_piece *piece,
			      u64 *reads)
{
	unsigned long flags;
	s64 ret = 0;

	if (piece->was_free)
		ret = in_slices(room_ask, &dev->vol.core, CORE_SLICE_BLOCKS, wasm_mask_extent,
				piece->block, piece->count);
	core_lock(&dev->vol.core, flags);
	if (!ret)
		ret = dev->vol.core.error;
	if (!ret && !piece->was_free &&
	    wasm_is_copied(dev->vol.core.engine, piece->block * COW_BLOCK_SECTORS,
			   piece->count * COW_BLOCK_SECTORS) <= 0)
		ret = -EIO; /* never: who could not copy failed the device */
	*reads = snapshot_reads_begun(dev->vol.snap);
	core_unlock(&dev->vol.core, flags);
	return ret;
}

/* Context: core_lock. Return: as map_has(), of a slice. */
static s64 map_has_slice(struct engine *engine, u64 block, u64 count, bool was_free)
{
	s64 ret;

	if (!was_free) {
		ret = wasm_is_copied(engine, block * COW_BLOCK_SECTORS, count * COW_BLOCK_SECTORS);
		return ret < 0 ? ret : ret != CORE_COPIED_WAITS;
	}
	ret = wasm_regions_keep(engine, block, count);
	return ret == CORE_STATUS_REGION ? 0 : ret ?: 1;
}

/*
 * Does the dirty map on disk have the piece, all of it? The store will write there. From here on
 * each map will have what was free. Return: 1, 0 or -errno.
 */
static s64 map_has(struct dattobd_device *dev, const struct growth_piece *piece)
{
	struct core *core = &dev->vol.core;
	u64 at = piece->block, end = at + piece->count, count;
	unsigned long flags;
	s64 all = 1, ret;

	for (; at < end; at += count) {
		count = core_slice(at, end - at, CORE_SLICE_BLOCKS);
		core_lock(core, flags);
		ret = core->error ?: map_has_slice(core->engine, at, count, piece->was_free);
		core_unlock(core, flags);
		if (ret < 0)
			return ret;
		all = min(all, ret);
	}
	return all;
}

/*
 * After a crash the piece counts as changed: the map says so, before anything is written there. It
 * cannot be written while a checkpoint is being finished.
 */
static int wait_for_map(struct dattobd_device *dev, const struct growth_piece *piece)
{
	s64 ret;

	while (!(ret = map_has(dev, piece))) {
		ret = live_flush_map(&dev->vol) ?: interrupted(dev);
		if (ret)
			return ret;
		schedule_timeout_uninterruptible(1);
	}
	return min_t(s64, ret, 0);
}

static int growth_take(struct dattobd_device *dev, const struct growth_piece *piece, u64 bytes)
{
	u64 end = piece->end / COW_BLOCK_SECTORS, reads;
	unsigned long flags;
	int err;

	/*
	 * Whatever comes now, and were it half of a mask, it stays in the file: expand_end() lists
	 * it.
	 */
	if (piece->was_free)
		dev->growth.masked_end = max(dev->growth.masked_end,
					     DIV_ROUND_UP_ULL(piece->end, COW_BLOCK_SECTORS));
	/* First, so that no checkpoint has them in its mask alone. */
	err = min_t(s64, map_has(dev, piece), 0);
	if (!err)
		err = part_from_snapshot(dev, piece, &reads);
	if (!err)
		err = wait_for_map(dev, piece);
	if (err)
		return err;
	err = snapshot_drain_reads(dev->vol.snap, reads, stop_of(dev));
	if (err)
		return err;
	core_lock(&dev->vol.core, flags);
	err = dev->vol.core.error;
	if (!err) {
		cow_file_take(dev->vol.cow, end);
		wasm_set_fsize(dev->vol.core.engine, min(bytes, end * COW_BLOCK_SIZE));
	}
	core_unlock(&dev->vol.core, flags);
	return err;
}

/* The next piece of the file, from sector @offset of it on. Return: false at its end. */
static bool next_piece(struct dattobd_device *dev, u64 offset, struct growth_piece *piece)
{
	u64 sector, count = cow_file_map(dev->vol.cow, offset, &sector), covered;

	if (!count)
		return false;
	piece->block = sector / COW_BLOCK_SECTORS;
	piece->count = 1;
	piece->was_free = false;
	covered = min(count, COW_BLOCK_SECTORS - sector % COW_BLOCK_SECTORS);
	if (covered == COW_BLOCK_SECTORS) {
		count = min_t(u64, count / COW_BLOCK_SECTORS, CORE_MASK_CHUNK_BLOCKS);
		piece->count = free_space_run(dev->growth.free_space, piece->block, count,
					      &piece->was_free);
		covered = piece->count * COW_BLOCK_SECTORS;
	}
	piece->end = offset + covered;
	return true;
}

/* Cut a piece of whole blocks as fit() did. */
static void set_end(struct growth_piece *piece, u64 offset)
{
	piece->end = min(piece->end, offset + piece->count * COW_BLOCK_SECTORS);
}

/* Make the store's what the file has from @position on. */
static int take_all(struct dattobd_device *dev, u64 position, u64 bytes)
{
	u64 offset = position * COW_BLOCK_SECTORS;
	struct growth_piece piece;
	int err = 0;

	for (; !err && next_piece(dev, offset, &piece); offset = piece.end) {
		err = interrupted(dev);
		if (!err && !piece.was_free)
			err = preserve(dev, &piece);
		set_end(&piece, offset);
		if (!err)
			err = growth_take(dev, &piece, bytes);
		cond_resched();
	}
	return err;
}

/* Give back what was not taken. */
static void undo(struct dattobd_device *dev)
{
	u64 keep = max(present_bytes(dev), dev->growth.masked_end * COW_BLOCK_SIZE);
	int err;

	request_ignore_kill();
	err = keep < cow_file_bytes(dev->vol.cow) ? cow_file_truncate(dev->vol.cow, keep) : 0;
	if (err)
		pr_dev_warn(dev, "space of the COW file %s could not be given back: %d",
			    cow_file_path(dev->vol.cow), err);
}

int expand_cow_file(struct dattobd_device *dev, u64 bytes, u64 reserve)
{
	u64 from = present_bytes(dev);
	/* The last block that the store has may not be whole, and then not be in the map. */
	u64 position = min(cow_file_end(dev->vol.cow), DIV_ROUND_UP_ULL(from, COW_BLOCK_SIZE));
	int err;

	if (bytes > MAX_LFS_FILESIZE - from)
		return -EFBIG;
	if (compat_bdev_frozen(origin_bdev(&dev->vol.origin)))
		return -EBUSY; /* by a suspended device, perhaps, which cannot be read either */
	if (request_is_current())
		expand_prepare(dev);
	err = cow_file_grow(dev->vol.cow, from + bytes, reserve);
	if (!err) {
		dev->growth.from = dev->growth.from ?: position;
		err = take_all(dev, position, from + bytes);
	}
	if (err && cow_file_end(dev->vol.cow) != position)
		undo(dev);
	return err;
}

static s64 mark_grown(struct dattobd_device *dev)
{
	u64 offset = dev->growth.from * COW_BLOCK_SECTORS, sector, count;
	s64 ret = 0;

	for (; ret >= 0; offset += count) {
		count = cow_file_map(dev->vol.cow, offset, &sector);
		if (!count)
			return 0;
		ret = in_slices(room_ask, &dev->vol.core, CORE_SLICE_SECTORS, wasm_mark, sector,
				count);
	}
	return ret;
}

void expand_end(struct dattobd_device *dev)
{
	s64 ret = dev->growth.from ? mark_grown(dev) : 0;

	if (ret < 0)
		core_fail(&dev->vol.core, ret, "the core could not list what the COW file grew by");
	dev->growth.from = 0;
	dev->growth.masked_end = 0;
	free_space_free(dev->growth.free_space);
	dev->growth.free_space = NULL;
}
