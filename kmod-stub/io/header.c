// SPDX-License-Identifier: GPL-2.0-only
#include "cow/map.h"
#include "io/checkpoint.h"
#include "io/header.h"
#include "io/pipeline.h"
#include "io/reads.h"
#include "io/snapshot.h"
#include "io/volume.h"

/* Preserve what these sectors of the origin hold, before they are written raw. */
static int prepare_sectors(struct volume *vol, sector_t sector, sector_t nr_sectors)
{
	unsigned long flags;
	s64 ret, room = 1;
	u64 number;

	core_lock(&vol->core, flags);
	ret = vol->core.error;
	if (!ret) {
		ret = wasm_is_copied(vol->core.engine, sector, nr_sectors);
		room = wasm_stat(vol->core.engine, CORE_STAT_ROOM);
	}
	core_unlock(&vol->core, flags);
	if (ret < 0)
		return ret;
	if (!ret && room <= 0)
		return -ENOSPC;

	pipeline_copy(vol, sector, nr_sectors);
	number = snapshot_reads_begun(vol->snap);
	while (!READ_ONCE(vol->core.error) &&
	       snapshot_reads_overlap(vol->snap, sector, nr_sectors, number))
		snapshot_wait_reads(vol->snap, sector, nr_sectors, number);
	return 0;
}

int header_preserve(struct volume *vol)
{
	u64 offset, sector, count, end = COW_HEADER_SIZE / SECTOR_SIZE;
	int err;

	for (offset = 0; vol->core.snapshot_mode && offset < end; offset += count) {
		count = min(cow_file_map(vol->cow, offset, &sector), end - offset);
		err = count ? prepare_sectors(vol, sector, count) : -EIO;
		if (err)
			return err;
	}
	/* Snapshot mode may have been left meanwhile, and then nothing is copied any more. */
	return READ_ONCE(vol->core.snapshot_mode) ? 0 : checkpoint_mark_header(vol);
}
