// SPDX-License-Identifier: GPL-2.0-only
#include "io/checkpoint.h"
#include "io/live_file.h"
#include "io/live_writes.h"
#include "io/noted.h"
#include "io/volume.h"

/* Is it a write of the superblock, or of the log of an XFS? */
static bool is_spoken_of(struct volume *vol, sector_t sector, sector_t nr_sectors)
{
	return sector < COW_BLOCK_SECTORS || noted_touches_log(&vol->noted, sector, nr_sectors);
}

/* Does the header speak of what such a write leaves? Return: as noted_identity(). */
static s64 ask_header(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	s64 ret = 1;

	if (sector < COW_BLOCK_SECTORS)
		ret = noted_identity(vol, bio, sector, nr_sectors);
	if (ret == 1 && noted_touches_log(&vol->noted, sector, nr_sectors))
		ret = noted_log(vol, bio, sector, nr_sectors);
	return ret;
}

bool live_holds(struct volume *vol, struct bio *bio, sector_t sector, sector_t nr_sectors)
{
	if ((!vol->live.on && !vol->live.switching) || !is_spoken_of(vol, sector, nr_sectors))
		return false;
	return vol->live.renewing || ask_header(vol, bio, sector, nr_sectors) != 1;
}

/* Write what of the map writes wait for. Return: how many blocks, or -errno. */
static int flush_map(struct volume *vol)
{
	s64 blocks = core_ask(&vol->core, wasm_stat, CORE_STAT_MAP_BLOCKS), block = 0, from;
	struct cow_file *cow = live_file(vol);
	int nr = 0, err = min_t(s64, blocks, 0);

	mutex_lock(&vol->core.io_lock); /* the bounce buffer */
	while (!err) {
		from = block;
		block = core_ask(&vol->core, wasm_map_next, from);
		if (block >= 0 && block < from)
			block = core_distrust(&vol->core, CORE_MAP_NEXT, block);
		if (block < 0 || block >= blocks)
			break;
		err = live_write_map(vol, cow, REQ_FUA, block, 1);
		if (!err)
			err = core_ask(&vol->core, wasm_map_written, block, 1);
		block++;
		nr++;
	}
	mutex_unlock(&vol->core.io_lock);
	return err ?: block < 0 ? block : nr;
}

/*
 * The same header, with the superblock and the log as they are and as somebody wants to write them.
 * Until it is on disk nobody else may write these.
 */
static int renew(struct volume *vol, struct bio *bio)
{
	sector_t sector, nr_sectors;
	unsigned long flags;
	s64 err;

	nr_sectors = origin_range(&vol->origin, vol->core.nr_sectors, bio, &sector);
	core_lock(&vol->core, flags);
	err = vol->core.error;
	/* Once more: another write may have been refused meanwhile. */
	if (!err)
		err = ask_header(vol, bio, sector, nr_sectors);
	if (!err)
		err = wasm_live_renew(vol->core.engine);
	vol->live.renewing = !err;
	core_unlock(&vol->core, flags);
	if (err == 1)
		return 0; /* it may go by now */
	if (!err)
		err = checkpoint_is_there(vol) ?: checkpoint_write_live(vol);
	core_lock(&vol->core, flags);
	vol->live.renewing = false;
	core_unlock(&vol->core, flags);
	return err;
}

/* What a write waits for; under core_lock it is only looked at. */
enum wait {
	WAIT_NOTHING,
	WAIT_END, /* the device has failed */
	WAIT_HEADER,
	WAIT_NO_HEADER, /* no header can speak of what it writes */
};

static enum wait wait_of(struct volume *vol, struct bio *bio)
{
	enum wait wait = WAIT_NOTHING;
	sector_t sector, nr_sectors;
	unsigned long flags;
	s64 same = 1;

	nr_sectors = origin_range(&vol->origin, vol->core.nr_sectors, bio, &sector);
	core_lock(&vol->core, flags);
	if (vol->live.on && vol->core.error)
		wait = WAIT_END;
	else if (vol->live.on && nr_sectors && is_spoken_of(vol, sector, nr_sectors))
		same = ask_header(vol, bio, sector, nr_sectors);
	core_unlock(&vol->core, flags);
	if (same == 1)
		return wait;
	return same ? WAIT_NO_HEADER : WAIT_HEADER;
}

/* A bad sector in the COW file is no reason to end the series: C is whole, in memory. */
static void give_up(struct volume *vol, s64 err)
{
	if (err != -ENOTRECOVERABLE)
		pr_vol_warn(vol,
			    "its live checkpoint could not be written, a power cut would need a full backup: %lld",
			    err);
	vol->live.failed = jiffies | 1;
	live_end(vol);
}

bool live_settle(struct volume *vol, struct bio *bio)
{
	enum wait wait = wait_of(vol, bio);
	int err = 0, nr;

	if (wait == WAIT_END || wait == WAIT_NO_HEADER) {
		vol->live.failed = jiffies | 1; /* the next one would end so, too, for a while */
		live_end(vol);
		return true;
	}
	if (!cow_writes_begin(&vol->writes))
		return false;
	nr = READ_ONCE(vol->live.on) ? flush_map(vol) : 0;
	if (nr >= 0 && wait == WAIT_HEADER)
		err = renew(vol, bio);
	cow_writes_end(&vol->writes);
	if (nr < 0 || err)
		give_up(vol, nr < 0 ? nr : err);
	return nr || wait == WAIT_HEADER;
}

int live_flush_map(struct volume *vol)
{
	int nr = shutter_prove(vol);

	if (nr)
		return nr;
	if (!cow_writes_begin(&vol->writes))
		return -EIO;
	if (READ_ONCE(vol->live.on))
		nr = flush_map(vol);
	cow_writes_end(&vol->writes);
	/* It may have been removed meanwhile. */
	return READ_ONCE(vol->live.on) ? min(nr, 0) : 0;
}
