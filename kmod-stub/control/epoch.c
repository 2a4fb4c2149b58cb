// SPDX-License-Identifier: GPL-2.0-only
/* The next snapshot of a device: core, COW file and disk, made ready before the switch to it. */
#include <linux/math64.h>
#include <linux/slab.h>
#include "control/epoch.h"
#include "cow/session.h"
#include "io/handover.h"
#include "io/snapshot.h"
#include "killable.h"

#define COW_FILE_NEEDS \
	"expected ext2, ext3, ext4 or xfs; no data=journal, realtime, encryption or DAX"

void epoch_take_over(struct dattobd_device *dev, struct epoch *epoch)
{
	dev->vol.core.engine = epoch->engine;
	dev->vol.cow = epoch->cow;
	dev->vol.snap = epoch->snap;
	dev->fallocate_mib = epoch->fallocate_mib;
	dev->cut_wanted = false; /* of the file of before */
	WRITE_ONCE(dev->vol.core.snapshot_mode, true);
}

void epoch_discard(struct epoch *epoch)
{
	request_ignore_kill();
	if (epoch->snap) {
		snapshot_close(epoch->snap);
		snapshot_destroy(epoch->snap);
	}
	if (epoch->cow) {
		cow_file_unlink(epoch->cow);
		cow_file_release(epoch->cow);
	}
	engine_destroy(epoch->engine);
	memset(epoch, 0, sizeof(*epoch));
}

/*
 * Size of a COW file in bytes, and what /proc says was allocated (whole MiB). U64_MAX if it does
 * not fit 64 bits.
 */
static u64 allocation(const struct dattobd_device *dev, u64 mib, u64 *shown_mib)
{
	u64 bytes = mib * MIB;

	if (!mib)
		bytes = mul_u64_u64_div_u64(dev->vol.core.nr_sectors * SECTOR_SIZE,
					    cow_fallocate_percentage_default, 100);
	else if (mib > U64_MAX / MIB)
		bytes = U64_MAX;
	*shown_mib = bytes / MIB;
	return bytes;
}

/* An index that fills the COW file leaves no room for a copy: the first write would fail it. */
static int check_allocation(struct dattobd_device *dev, struct engine *engine, u64 bytes)
{
	s64 index = wasm_stat(engine, CORE_STAT_DATA_OFFSET);

	if (index < 0 || bytes > index)
		return min_t(s64, index, 0);
	pr_dev_err(dev, "a COW file of %llu MiB is too small, this volume takes at least %llu: %d",
		   bytes / MIB, index / MIB + 1, -ENOSPC);
	return -ENOSPC;
}

int epoch_create(struct dattobd_device *dev, const char *path, u64 mib, u64 cache_bytes, u64 seqid,
		 struct epoch *epoch)
{
	u64 bytes = allocation(dev, mib, &epoch->fallocate_mib);
	void *header = kmalloc(COW_HEADER_SIZE, GFP_KERNEL);
	s64 position;
	void *made;
	int err;

	if (!header)
		return -ENOMEM;
	made = handover_create(&dev->vol.core, cache_bytes, bytes, seqid, dev->uuid, header);
	if (IS_ERR(made))
		goto failed;
	epoch->engine = made;
	err = check_allocation(dev, epoch->engine, bytes);
	if (err) {
		made = ERR_PTR(err);
		goto failed;
	}

	made = cow_file_create(path, origin_bdev(&dev->vol.origin), dev->vol.origin.path, bytes,
			       header);
	if (made == ERR_PTR(-EOPNOTSUPP))
		pr_dev_err(dev, "%s cannot be a COW file; %s: %d", path, COW_FILE_NEEDS,
			   -EOPNOTSUPP);
	if (IS_ERR(made))
		goto failed;
	epoch->cow = made;

	position = wasm_stat(epoch->engine, CORE_STAT_FPOS);
	made = position < 0 ? ERR_PTR(position) : snapshot_create(&dev->vol, epoch->cow, position);
	if (IS_ERR(made))
		goto failed;
	epoch->snap = made;
	kfree(header);
	return 0;

failed:
	kfree(header);
	epoch_discard(epoch);
	return PTR_ERR(made);
}
